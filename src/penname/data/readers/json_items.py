"""Reads the objects of a large JSON document one by one, by ijson."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from penname.data.json_rows import row_of_line
from penname.data.load_report import LoadReport
from penname.data.readers.base import ARCHIVE_ERRORS, SourceFile
from penname.data.records import Location
from penname.data.rows import read_lines
from penname.text_caches import text_cache

LONGEST_PLACE = 5000
"""Letters of a place in JSON; one that is longer is nested without end."""

BYTES_AT_ONCE = 4096
"""What ijson reads at once: it keeps the places of all that is in them, which grow with each list in another."""


class _ValidUtf8:
    """The bytes of a file with invalid sequences replaced and without NULs, at which a JSON parser would stop.

    prefix: a text before the JSON document which is left out, as in `window.YTD.tweets.part0 = [...]`.

    nuls: how many NULs were left out so far.
    """

    def __init__(self, file: io.BufferedReader, prefix: bytes) -> None:
        self.nuls = 0
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        if prefix and file.peek(len(prefix))[: len(prefix)] == prefix:
            file.read(len(prefix))

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        raw = self._file.read(size)
        text = self._decoder.decode(raw, final=not raw)
        self.nuls += text.count("\0")
        found = text.replace("\0", "")
        return found.encode() if found or not raw else self.read(size)


def json_items(
    file: SourceFile, places: tuple[str, ...], report: LoadReport, *, prefix: bytes = b""
) -> Iterator[tuple[Location, Any, dict[str, Any]]]:
    """The values at places in JSON, each with its location and what is known of what it is in.

    Broken JSON counts as a row, a bad one, and ends the file.

    file: a document, or several, as lines of JSON are.
    places: where the values are, as ijson's paths: `messages.item` for the list in the field `messages`.
    prefix: a text before the document.

    Values are counted as rows, and their locations have their numbers. What is known is a new dictionary for each
    object that has a list of values: its plain fields, as far as they stand before the list.
    """
    import ijson
    from ijson.common import ObjectBuilder

    number = 0
    around: dict[str, Any] = {}
    inside = {place.removesuffix(".item").rpartition(".")[0] for place in places}
    builder: Any = None
    at = ""
    try:
        with file.open(report) as raw:
            valid = _ValidUtf8(raw, prefix)
            for place, event, value in ijson.parse(valid, use_float=True, multiple_values=True, buf_size=BYTES_AT_ONCE):
                _check_length(place)
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
                elif event == "start_map" and place in inside:
                    around = {}
                elif event in ("string", "number", "boolean") and place.rpartition(".")[0] in inside:
                    around[place.rpartition(".")[2]] = value
            if valid.nuls:
                found = f"NUL characters ({valid.nuls:,}), left out"
                report.note(Location(file.path, 1).error(None, found, "text", "NUL characters, left out"))
    except (ijson.JSONError, ValueError, OSError, OverflowError, *ARCHIVE_ERRORS) as error:
        report.rows += 1
        cause = next(iter(str(error).splitlines()), type(error).__name__)[:80]
        found = f"broken JSON behind item {number} ({cause}); the rest is not read"
        report.reject(Location(file.path, number + 1).error(None, found, "a whole export", "broken JSON"))


def json_values(file: SourceFile, report: LoadReport) -> Iterator[tuple[Location, Any]]:
    """The values of a JSON list, or of lines of JSON, each counted as a row; a broken line is rejected."""
    if file.head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        for location, value, _ in json_items(file, ("item",), report):
            yield location, value
        return
    for numbered in read_lines(file.place, report):
        if numbered[1].strip():
            for number, value in row_of_line(file.place, report, numbered):
                yield Location(file.path, number), value


@text_cache(maxsize=1)
def json_paths(file: SourceFile) -> frozenset[str]:
    """The paths, as ijson writes them, of what stands in the beginning of a JSON document or of lines of JSON.

    There are none where the file is no JSON.
    """
    import ijson

    head = file.head.removeprefix(codecs.BOM_UTF8).lstrip()
    paths: set[str] = set()
    if head[:1] in (b"{", b"["):
        valid = io.BytesIO(head.decode("utf-8", "replace").replace("\0", "").encode())
        with suppress(ijson.JSONError, ValueError, OverflowError):  # the beginning of a document ends anywhere
            # use_float, as without it an integer of thousands of digits ends the process (ijson 3.6).
            for place, _, _ in ijson.parse(valid, use_float=True, multiple_values=True, buf_size=BYTES_AT_ONCE):
                _check_length(place)
                paths.add(place)
    return frozenset(paths)


def _check_length(place: str) -> None:
    if len(place) > LONGEST_PLACE:
        raise ValueError("nested too deep")


def bytes_of(file: SourceFile | None) -> bytes:
    """All that is in a small file, such as a list of users; nothing where there is none that can be read."""
    try:
        return file.place.read_bytes() if file else b""
    except (OSError, *ARCHIVE_ERRORS):
        return b""


def json_records(content: bytes) -> list[dict[str, Any]]:
    """The objects in a small JSON list, or the one that a document is; none of broken JSON."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return []
    return [record for record in (found if isinstance(found, list) else [found]) if isinstance(record, dict)]


def part_of(record: Any, *keys: str) -> Any:
    """What is at a path of fields; None where there is nothing."""
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def list_in(record: Any, *keys: str) -> list[Any]:
    """The list at a path of fields; an empty one where there is none."""
    found = part_of(record, *keys)
    return found if isinstance(found, list) else []


def text_in(record: Any, *keys: str) -> str | None:
    """The text or number at a path of fields, as text; None where there is none."""
    found = part_of(record, *keys)
    return None if isinstance(found, bool | dict | list) or found is None else str(found)
