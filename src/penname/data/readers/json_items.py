"""Reads the objects of a large JSON document one by one, by ijson."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import Any

from penname.data.load_report import LoadReport
from penname.data.readers.base import ARCHIVE_ERRORS, SourceFile
from penname.data.records import Location


class _ValidUtf8:
    """The bytes of a file with invalid sequences replaced, at which a JSON parser would stop.

    prefix: a text before the JSON document which is left out, as in `window.YTD.tweets.part0 = [...]`.
    """

    def __init__(self, file: io.BufferedReader, prefix: bytes) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        if prefix and file.peek(len(prefix))[: len(prefix)] == prefix:
            file.read(len(prefix))

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        raw = self._file.read(size)
        return self._decoder.decode(raw, final=not raw).encode()


def json_items(
    file: SourceFile, places: tuple[str, ...], report: LoadReport, *, within: str | None = None, prefix: bytes = b""
) -> Iterator[tuple[Location, Any, dict[str, Any]]]:
    """The values at places in a JSON document, each with its location and what is known of what it is in.

    Broken JSON counts as a row, a bad one, and ends the file.

    file: the document.
    places: where the values are, as ijson's paths: `messages.item` for the list in the field `messages`.
    within: the path of objects around the values, whose plain fields before them are given with each.
    prefix: a text before the document.

    Values are counted as rows, and their locations have their numbers.
    """
    import ijson
    from ijson.common import ObjectBuilder

    number = 0
    around: dict[str, Any] = {}
    inside = "" if within is None else within
    builder: Any = None
    at = ""
    try:
        with file.open(report) as raw:
            for place, event, value in ijson.parse(_ValidUtf8(raw, prefix), use_float=True):
                if builder is not None:
                    builder.event(event, value)
                    if place == at and event in ("end_map", "end_array"):
                        number += 1
                        report.rows += 1
                        yield Location(file.path, number), builder.value, around
                        builder = None
                elif place in places and event in ("start_map", "start_array"):
                    builder, at = ObjectBuilder(), place
                    builder.event(event, value)
                elif place in places and event in ("string", "number", "boolean", "null"):
                    number += 1
                    report.rows += 1
                    yield Location(file.path, number), value, around
                elif event == "start_map" and place == inside:
                    around = {}
                elif event in ("string", "number", "boolean") and place.rpartition(".")[0] == inside:
                    around[place.rpartition(".")[2]] = value
    except (ijson.JSONError, UnicodeDecodeError, OSError, OverflowError, *ARCHIVE_ERRORS) as error:
        report.rows += 1
        cause = next(iter(str(error).splitlines()), type(error).__name__)[:80]
        found = f"broken JSON behind item {number} ({cause}); the rest is not read"
        report.reject(Location(file.path, number + 1).error(None, found, "a whole export", "broken JSON"))


def text_in(record: Any, *keys: str) -> str | None:
    """The text or number at a path of fields, as text; None where there is none."""
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return None if isinstance(record, bool | dict | list) or record is None else str(record)
