"""Reads the items of a large XML document one by one, by expat; entities that a document defines itself are refused."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from html import escape
from html.entities import html5
from typing import NamedTuple
from xml.parsers import expat

from penname.data.load_report import LoadReport
from penname.data.readers.base import ARCHIVE_ERRORS, SourceFile
from penname.data.records import Location
from penname.data.rows import COUNTED_BYTES

_ENCODING = re.compile(rb"<\?xml[^>]*encoding=[\"']([\w.:-]+)[\"']")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class Field(NamedTuple):
    """An element's text, in which elements are written as in HTML where it has some, and its attributes."""

    text: str
    attributes: dict[str, str]


Fields = dict[str, list[Field]]
"""Elements by their names; those that are not an item's own, but within another element, as `author/name`."""


class _EntityRefused(Exception):
    """The document defines an entity, with which a short file can become gigabytes of text."""


class _Items:
    """Collects the items of a document as expat reads it.

    names: the names of the elements that are items.
    marked_up: the names of elements in which others are part of their text.
    """

    def __init__(self, names: tuple[str, ...], marked_up: tuple[str, ...]) -> None:
        self.ready: list[tuple[Fields, Fields]] = []
        self.at_end = False
        self._names = names
        self._marked_up = marked_up
        self._around: Fields = {}
        self._item: Fields | None = None
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self._inner = 0
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._take
        self.parser.EntityDeclHandler = self._refuse
        self.parser.UseForeignDTD(True)  # as feeds have HTML's entities, which are known by a DTD only
        self.parser.ExternalEntityRefHandler = lambda *reference: 1
        self.parser.SkippedEntityHandler = lambda name, _: self._take(html5.get(f"{name};", f"&{name};"))

    def parse(self, text: str | None) -> None:
        """Read on; None is the end."""
        self.at_end = text is None
        self.parser.Parse((text or "").encode(), self.at_end)

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if self._inner or (self._item is not None and self._open[-1][0] in self._marked_up):
            self._inner += 1
            self._open[-1][2].append(f"<{name.rpartition(':')[2]}>")
            return
        if self._item is None and name in self._names:
            self._item = {}
        self._open.append((name, attributes, []))

    def _end(self, name: str) -> None:
        if self._inner:
            self._inner -= 1
            self._open[-1][2].append(f"</{name.rpartition(':')[2]}>")
            return
        _, attributes, texts = self._open.pop()
        parent = self._open[-1][0] if self._open else ""
        if self._item is not None and name in self._names and parent not in self._names:
            self.ready.append((self._item, self._around))
            self._item = None
        else:
            key = name if self._item is not None and parent in self._names else f"{parent}/{name}"
            fields = self._around if self._item is None else self._item
            fields.setdefault(key, []).append(Field("".join(texts).strip(), attributes))

    def _take(self, text: str) -> None:
        if self._open and (self._open[-1][2] or text.strip()):
            self._open[-1][2].append(escape(text) if self._inner else text)

    def _refuse(self, name: str, *declaration: object) -> None:
        raise _EntityRefused(f"it defines the entity {name!r}")


def xml_items(
    file: SourceFile, names: tuple[str, ...], report: LoadReport, *, marked_up: tuple[str, ...] = ()
) -> Iterator[tuple[Location, Fields, Fields]]:
    """The elements with one of these names, each with its location and with what stands around it, as read so far.

    Broken XML counts as a row, a bad one, and ends the file.

    file: the document.
    marked_up: the names of elements in which others are part of their text.

    Items are counted as rows, and their locations have their numbers.
    """
    items = _Items(names, marked_up)
    number = 0
    fault: str | None = None
    blocks = _decoded(file, report)
    while fault is None and not items.at_end:
        try:
            items.parse(next(blocks, None))
        except (expat.ExpatError, _EntityRefused, OSError, *ARCHIVE_ERRORS) as error:
            fault = str(error)[:80]
        for fields, around in items.ready:
            number += 1
            report.rows += 1
            yield Location(file.path, number), fields, around
        items.ready.clear()
    if fault is not None:
        report.rows += 1
        found = f"broken XML behind item {number} ({fault}); the rest is not read"
        report.reject(Location(file.path, number + 1).error(None, found, "a whole document", "broken XML"))


def _decoded(file: SourceFile, report: LoadReport) -> Iterator[str]:
    """The text of the document, without bytes and characters that XML cannot have and programs put there."""
    decoder = codecs.getincrementaldecoder(_encoding(file.head))("replace")
    with file.open(report) as raw:
        while block := raw.read(COUNTED_BYTES):
            yield _NO_XML.sub("", decoder.decode(block))
        yield _NO_XML.sub("", decoder.decode(b"", True))


def _encoding(head: bytes) -> str:
    """The encoding that a document names, or UTF-8."""
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    declared = _ENCODING.match(head.lstrip(b"\xef\xbb\xbf \r\n"))
    encoding = declared[1].decode() if declared else "utf-8"
    try:
        known = b"<".decode(encoding, "replace") == "<"
    except (LookupError, ValueError):  # no encoding, or none of texts
        known = False
    return encoding if known and encoding.lower() != "utf-8" else "utf-8-sig"
