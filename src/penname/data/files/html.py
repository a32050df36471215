"""The text of HTML: of pages, of messages, of the chapters of books, and of what Word documents are made into."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

BULLET = "• "

_PARAGRAPHS = frozenset(
    "p blockquote pre h1 h2 h3 h4 h5 h6 dl section article aside main header hr figure figcaption".split()
)
_LINES = frozenset("div dt dd address caption option summary".split())
_NO_TEXT = frozenset(
    "script style title noscript template svg math nav footer button select textarea iframe object rt rp".split()
)
_WITH_ROWS = frozenset("li tr td th ul ol table".split())
_EMPTY = frozenset("area base br col embed hr img input link meta source track wbr".split())

_KEPT, _NEXT_CELL, _NEXT_ROW, _JOINED = "\x00", "\x01", "\x02", "\x03"
"""Marks in a text until it is whole: before a line end that is kept with the spaces behind it, between cells, between
rows or items, and before what goes on in the same line."""
FRAME_ENDS = "\x04"
"""What stands in a text where an element ends whose text is framed."""
_MARKS = re.compile("[\x00-\x08]")
_ROW_BEGINS = (_JOINED, _NEXT_CELL, _NEXT_ROW)

_PUBLISHED = {"article:published_time", "datepublished", "dc.date.issued", "dcterms.issued", "dcterms.created"}
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")

Attributes = Mapping[str, str]


@dataclass
class _Open:
    """A list or a table that is open.

    number: the number of a list's last item; None where items have none.
    rows: how many items or rows it has so far.
    cells: how many cells the last row has.
    """

    number: int | None = None
    rows: int = 0
    cells: int = 0


class _Text(HTMLParser):
    """Collects the text of HTML.

    is_left_out: told the name and the attributes of each element; whether that is no part of the text.
    frame_of: told the same; what stands before the text of an element that is framed, and None of any other.
    """

    def __init__(
        self, is_left_out: Callable[[str, Attributes], bool], frame_of: Callable[[str, Attributes], str | None]
    ) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = [""]
        self.published: str | None = None
        self._is_left_out = is_left_out
        self._frame_of = frame_of
        self._framed: list[tuple[str, int]] = []
        """The framed elements that are open: their names, and how many of that name are open in each with itself."""
        self._skipping: list[str] = []
        """The elements that are open in the outermost one that is left out, that one first."""
        self._lists: list[_Open] = []
        self._tables: list[_Open] = []
        self._preformatted = 0
        self._line_ends = 2
        """How many line ends the text ends with."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a paragraph or a line; begin to skip at what is no text."""
        attributes = {name: value or "" for name, value in attrs}
        if tag == "meta":
            self._take_date(attributes)
        if self._skipping or tag in _NO_TEXT or self._is_left_out(tag, attributes):
            if tag not in _EMPTY:
                self._skipping.append(tag)
            return
        self._break_at(tag)
        self._framed = [(name, depth + (name == tag)) for name, depth in self._framed]
        if tag not in _EMPTY and (frame := self._frame_of(tag, attributes)):
            self._framed.append((tag, 1))
            self._mark_frame(frame)
        if tag in ("ul", "ol"):
            start = attributes.get("start", "1")
            number = int(start) - 1 if re.fullmatch("[0-9]{1,8}", start) else 0
            self._lists.append(_Open(number if tag == "ol" else None))
        elif tag == "table":
            self._tables.append(_Open())
        elif tag in ("li", "tr", "td", "th"):
            self._begin_row(tag)
        elif tag == "pre":
            self._preformatted += 1

    def handle_endtag(self, tag: str) -> None:
        """End what is left out, or a paragraph or a line."""
        if self._skipping:
            if tag in self._skipping:
                last = len(self._skipping) - 1 - self._skipping[::-1].index(tag)
                del self._skipping[last:]
            return
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag == "table" and self._tables:
            self._tables.pop()
        elif tag == "pre" and self._preformatted:
            self._preformatted -= 1
        if tag in _WITH_ROWS:
            self._end_row()
        if tag not in _EMPTY:
            self._break_at(tag)
            self._end_frames(tag)

    def close(self) -> None:
        """End what is framed."""
        super().close()
        for _ in self._framed:
            self._mark_frame(FRAME_ENDS)

    def handle_data(self, data: str) -> None:
        """Take the text, in which line ends are spaces."""
        if self._skipping:
            return
        data = _MARKS.sub("", data)
        if self._preformatted or data.strip():
            self._line_ends = 0
        if self._preformatted:
            self.parts.append(data.replace("\r", "").replace("\n", f"{_KEPT}\n").replace("\u00a0", " "))
            return
        data = re.sub(r"[ \t\r\n\f\u00a0]+", " ", data)  # programs put no-break spaces where people type spaces
        data = data.lstrip(" ") if self.parts[-1].endswith((" ", "\n", *_ROW_BEGINS)) else data
        if data:
            self.parts.append(data)

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Pass over what is between `<![` and `>`, at most of which Python's own parser raises AssertionError."""
        end = self.rawdata.find(">", i)
        return end + 1 if end >= 0 else -1

    def _break_at(self, tag: str) -> None:
        """Begin a new line, or a new paragraph, where the text is not at the beginning of one."""
        if tag == "br":
            self._line_ends += 1
            self.parts.append("\n")
            return
        is_outer = (tag in ("ul", "ol") and not self._lists) or (tag == "table" and not self._tables)
        least = 2 if tag in _PARAGRAPHS or is_outer else 1 if tag in (*_LINES, "ul", "ol", "table") else 0
        if self._line_ends < least:
            self.parts.append("\n" * (least - self._line_ends))
            self._line_ends = least

    def _end_frames(self, tag: str) -> None:
        """End the framed elements that end with the one that ends."""
        self._framed = [(name, depth - (name == tag)) for name, depth in self._framed]
        while any(depth == 0 for _, depth in self._framed):
            self._framed.pop()
            self._mark_frame(FRAME_ENDS)

    def _mark_frame(self, mark: str) -> None:
        self.parts.append(f"\n{mark}\n")
        self._line_ends = 2

    def _begin_row(self, tag: str) -> None:
        """Begin an item, a row or a cell."""
        opened = self._lists if tag == "li" else self._tables
        if not opened:
            opened.append(_Open())
        last = opened[-1]
        self._line_ends = 2
        if tag in ("td", "th"):
            self.parts.append(_NEXT_CELL if last.cells else _JOINED)
            last.cells += 1
            return
        is_first = last.rows == 0 and len(opened) == 1
        self.parts.append("" if is_first else _NEXT_ROW)
        last.rows, last.cells = last.rows + 1, 0
        if tag == "li" and last.number is not None:
            last.number += 1
            self.parts.append(f"{last.number}. {_JOINED}")
        elif tag == "li":
            self.parts.append(BULLET + _JOINED)

    def _end_row(self) -> None:
        """End an item or a cell; what follows an empty one is not in its line."""
        last = self.parts[-1]
        if not last.endswith(_ROW_BEGINS):
            return
        if last.endswith(_JOINED) and last != _JOINED:  # an item that is only its mark
            self.parts.pop()
            if self.parts[-1] == _NEXT_ROW:
                self.parts.pop()
        self.parts.append(_KEPT)
        self._line_ends = 0

    def _take_date(self, attributes: Attributes) -> None:
        names = {attributes.get(key, "").lower() for key in ("property", "name", "itemprop")}
        date = _DATE.fullmatch(attributes.get("content", "").strip())
        if self.published is None and date and names & _PUBLISHED:
            self.published = date[0]


def text_of_html(
    html: str,
    is_left_out: Callable[[str, Attributes], bool] = lambda tag, attributes: False,
    frame_of: Callable[[str, Attributes], str | None] = lambda tag, attributes: None,
) -> str:
    """The text of HTML: paragraphs with an empty line between them, items of lists with what stands before them.

    is_left_out: told the name and the attributes of each element; whether that is no part of the text.
    frame_of: told the same; a control character from \\x05 to \\x08 that stands before the text of an element, with
        `FRAME_ENDS` behind it, and None where the text is not framed.
    """
    return _parsed(html, is_left_out, frame_of)[0]


def text_and_date_of_page(html: str) -> tuple[str, str | None]:
    """The text that a page shows, and when it was published if it says so (such as `article:published_time`)."""
    return _parsed(html, _is_hidden, lambda tag, attributes: None)


def _parsed(
    html: str, is_left_out: Callable[[str, Attributes], bool], frame_of: Callable[[str, Attributes], str | None]
) -> tuple[str, str | None]:
    parser = _Text(is_left_out, frame_of)
    parser.feed(html)
    parser.close()
    text = "".join(parser.parts)
    for mark, becomes in ((_NEXT_ROW, "\n"), (_NEXT_CELL, "\t")):
        text = becomes.join(part.strip() for part in text.split(mark))
    before, *behind = text.split(_JOINED)
    text = "".join([before, *(part.lstrip() for part in behind)])
    lines: list[str] = []
    is_kept = False
    for line in text.split("\n"):
        lines.append((line if is_kept else line.lstrip()).replace(_KEPT, "").rstrip())
        is_kept = line.endswith(_KEPT)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), parser.published


def _is_hidden(tag: str, attributes: Attributes) -> bool:
    style = attributes.get("style", "").replace(" ", "").lower()
    return "hidden" in attributes or attributes.get("aria-hidden") == "true" or "display:none" in style
