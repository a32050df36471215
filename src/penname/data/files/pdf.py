"""The text of PDF files, by pdfium: lines become paragraphs again, and what each page repeats is left out."""

from __future__ import annotations

import ctypes
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

REPEATED_ON = 0.4
"""Share of the pages from which on a line at an edge is a header or a footer; books have two headers by turns."""

_EDGE_LINES = 2
"""How many lines at the top and at the bottom of a page may be its header and footer."""

_HYPHENS = "\u00ad\ufffe\x02"
"""What pdfium gives for a hyphen at the end of a line, without the line's end."""

_LINE_ENDS = f"\n{_HYPHENS}"

GAP = 1.3
"""Distance of two lines, as a multiple of the usual one, from which on there is an empty line between them."""

FULL_LINES = 0.4
"""Share of a column's lines that end at its edge from which on it is prose, and no verse or list."""

_ITEM = re.compile(r"[•◦▪●○■–*·-] +\S|\(?\d{1,3}[.)] +\S|[a-z]\) +\S")
_DIGITS = re.compile(r"\d+")
_WORD_AND_HYPHEN = re.compile(r"(\w+)-$")
_FIRST_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class _Line:
    """A line of a page, with its place in points from the left and the lower edge.

    y: its baseline.
    size: the height of its letters.
    """

    text: str
    page: int
    left: float
    right: float
    y: float
    size: float


def text_of_pdf(raw: bytes) -> str:
    """The text of a PDF file; empty where there is none, as in scanned pages.

    Raises pypdfium2.PdfiumError for a file that is broken or has a password.
    """
    import pypdfium2

    with pypdfium2.PdfDocument(raw) as document:
        count = len(document)
        lines = [line for page in range(count) for line in _lines_of(document, page)]
    return _joined(_without_repeated(lines, count))


def _lines_of(document: Any, number: int) -> Iterator[_Line]:
    """The lines of a page; none where the page is broken."""
    import pypdfium2

    try:
        page = document[number]
        text_page = page.get_textpage()
    except pypdfium2.PdfiumError:
        return
    codes = [pypdfium2.raw.FPDFText_GetUnicode(text_page, i) for i in range(text_page.count_chars())]
    letters = [chr(code) if code < 0x110000 else "\ufffd" for code in codes]
    begin = 0
    for end in [i + 1 for i, letter in enumerate(letters) if letter in _LINE_ENDS] + [len(letters)]:
        text = "".join(letters[begin:end])
        shown = [begin + i for i, letter in enumerate(text) if not letter.isspace() and letter not in _HYPHENS]
        if shown:
            left, bottom, _, top = _box(text_page, shown[0])
            y = _baseline(text_page, shown[0])
            right = max(_box(text_page, shown[-1])[2], left)
            yield _Line(_valid(text).strip(), number, left, right, y, top - bottom)
        begin = end
    text_page.close()
    page.close()


def _box(text_page: Any, index: int) -> tuple[float, float, float, float]:
    """The box of a character, of the height of its font: left, bottom, right, top."""
    import pypdfium2

    box = pypdfium2.raw.FS_RECTF()
    pypdfium2.raw.FPDFText_GetLooseCharBox(text_page, index, box)
    return box.left, box.bottom, box.right, box.top


def _baseline(text_page: Any, index: int) -> float:
    import pypdfium2

    x, y = ctypes.c_double(), ctypes.c_double()
    pypdfium2.raw.FPDFText_GetCharOrigin(text_page, index, x, y)
    return y.value


def _valid(text: str) -> str:
    """The text with letters that are two surrogates made one."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _without_repeated(lines: Sequence[_Line], pages: int) -> list[_Line]:
    """The lines without headers, footers and page numbers: what is equal but for numbers on many pages."""
    edges = [line for page in range(pages) for line in _edges([line for line in lines if line.page == page])]
    counts = {(line.page, _numberless(line)) for line in edges}
    seen = Counter(key for _, key in counts)
    repeated = {key for key, count in seen.items() if count > 1 and count >= REPEATED_ON * pages}
    left_out = {
        id(line)
        for line in edges
        if _numberless(line) in repeated or (pages > 1 and line.text.strip(" -–—") == str(line.page + 1))
    }
    return [line for line in lines if id(line) not in left_out]


def _edges(lines: list[_Line]) -> list[_Line]:
    """The lines at the top and at the bottom of a page, those beside them included."""
    heights = sorted({round(line.y) for line in lines})
    at_edge = {*heights[:_EDGE_LINES], *heights[-_EDGE_LINES:]}
    return [line for line in lines if round(line.y) in at_edge]


def _numberless(line: _Line) -> tuple[str, int]:
    return _DIGITS.sub("0", line.text), round(line.y / 4)


def _joined(lines: Sequence[_Line]) -> str:
    """The lines as a text, with those of a paragraph in one line."""
    if not lines:
        return ""
    steps = [a.y - b.y for a, b in pairwise(lines) if a.page == b.page and 0 < a.y - b.y < 3 * a.size]
    step = median(steps) if steps else 0.0
    edges = _right_edges(lines)
    at_jump = "\n\n" if any(found > GAP * step for found in steps) else "\n"
    whole = "\n".join(line.text for line in lines)
    parts = [lines[0].text]
    for (line, edge), (following, _) in pairwise(zip(lines, edges, strict=True)):
        between = _between(line, following, step, edge, at_jump)
        if between == " ":
            parts[-1], between = _end_joined(parts[-1], following.text, whole)
        parts += [between, following.text]
    text = "".join(parts)
    return text.translate(dict.fromkeys(map(ord, _HYPHENS)))


def _right_edges(lines: Sequence[_Line]) -> list[float]:
    """Where the lines of the column end in which each line is; far off to the right where hardly any ends there.

    A column is a run of lines each of which is below the one before.
    """
    columns: list[list[_Line]] = []
    for line in lines:
        if columns and columns[-1][-1].page == line.page and line.y < columns[-1][-1].y + line.size / 2:
            columns[-1].append(line)
        else:
            columns.append([line])
    edges: list[float] = []
    for column in columns:
        ends = sorted(line.right for line in column)
        edge = ends[-1 - len(ends) // 10]  # but for a heading across two columns
        margin = edge - 0.15 * (edge - min(line.left for line in column))
        is_prose = sum(end > margin for end in ends) >= FULL_LINES * len(ends)
        edges += [edge if is_prose else float("inf")] * len(column)
    return edges


def _between(line: _Line, following: _Line, step: float, edge: float, at_jump: str) -> str:
    """What stands between two lines: nothing or a space in a paragraph, and one line end or two between paragraphs.

    step: the distance of most lines.
    edge: where the lines of the first one's column end.
    at_jump: what stands between paragraphs where the next one is in another column or on another page.
    """
    size = max(line.size, 1.0)
    if line.page == following.page and abs(line.y - following.y) < 0.4 * size:
        return "" if 0 <= following.left - line.right < 0.1 * size else " "
    if _ITEM.match(following.text):
        return "\n"
    if line.text.endswith(tuple(_HYPHENS)):
        return " "
    is_other_kind = abs(line.size - following.size) > 0.15 * size
    if line.page == following.page and line.y > following.y:
        if is_other_kind or line.y - following.y > GAP * step:
            return "\n\n"
        first_word = len(following.text.split(" ")[0]) / len(following.text) * (following.right - following.left)
        is_short = line.right + first_word + 0.3 * size < edge
        is_indented = 0.8 * size < following.left - line.left < 6 * size and not _ITEM.match(line.text)
        return "\n" if is_short or is_indented else " "
    ends = line.text.endswith((".", "!", "?", ":", "”", '"', "。", "！", "？", "»")) or is_other_kind
    return at_jump if ends else " "


def _end_joined(text: str, following: str, whole: str) -> tuple[str, str]:
    """The text of a line as it is in one with the next, and what stands between them.

    A hyphen at the line's end is left out, unless the file has the word with it elsewhere.
    """
    if text.endswith(tuple(_HYPHENS)):
        text = f"{text[:-1]}-"
    begun = _WORD_AND_HYPHEN.search(text)
    if begun and following[:1].islower():
        ended = _FIRST_WORD.match(following)
        compound = f"{begun[1]}-{ended[0] if ended else ''}"
        return (text, "") if compound in whole else (text[:-1], "")
    if text and following and all(unicodedata.east_asian_width(letter) in "WF" for letter in (text[-1], following[0])):
        return text, ""
    return text, " "
