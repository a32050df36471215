"""Reads the rows of CSV and TSV, whatever their delimiter, which the first rows show where nobody names it."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import Any

from penname.data.load_report import LoadReport
from penname.data.records import MAX_CHARACTERS, Place
from penname.errors import ArgumentError, DataError

MAX_CELL_CHARACTERS = 2**26
"""Length of a table's cell from which on its quote counts as never closed."""

DELIMITERS = (",", ";", "\t", "|", "^", "~", "¦", "\x01", "\x1f")
"""The delimiters that are told by themselves; a colon is not, as times and addresses have it."""

NAMED_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}

SAMPLE_LINES, SAMPLE_CHARACTERS = 200, 2**18
"""How much of a table its delimiter is told by."""

_NAMED_IN_FILE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)

NumberedLine = tuple[int, str]


def delimiter_named(name: str | None) -> str | None:
    """The delimiter that a user names: a character, or a word such as `tab`.

    Raises ArgumentError for anything else.
    """
    if name is None:
        return None
    delimiter = NAMED_DELIMITERS.get(name.lower(), name)
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise ArgumentError("delimiter", f"found {name!r}, expected one character, or {', '.join(NAMED_DELIMITERS)}")
    return delimiter


def read_table(
    lines: Iterator[NumberedLine], path: Place, report: LoadReport, is_tsv: bool, delimiter: str | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of CSV or TSV with a header. A row with more or fewer cells than the header is bad.

    lines: the numbered lines of the file.
    is_tsv: whether its name says that tabs divide its cells.
    delimiter: what divides them; None for what its first rows show.

    Raises DataError for a header that has a name twice, or nothing of the delimiter that was given.
    """
    csv.field_size_limit(MAX_CHARACTERS)
    consumed: list[NumberedLine] = []  # the numbered lines of the current row
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        return
    sample = [first, *_sample(lines)]
    named = _NAMED_IN_FILE.fullmatch(first[1].strip())  # Excel's way to say it
    if named:
        sample = sample[1:]
    usual = "\t" if is_tsv else ","
    separator = delimiter or (named[1] if named else _told_delimiter([line for _, line in sample], usual))
    if delimiter is not None and sample and delimiter not in sample[0][1]:
        found = f"the header {sample[0][1].strip()!r}"[:200]
        raise DataError(path, line=sample[0][0], found=found, expected=f"the delimiter {delimiter!r} in it")
    if separator != usual and delimiter is None and not is_tsv:
        expected = "a comma, as the name says; it is read with the other one"
        report.note(
            DataError(path, line=first[0], found=f"the delimiter {separator!r}", expected=expected, reason="delimiter")
        )
    pushed_back = deque(sample)

    def next_lines() -> Iterator[str]:
        while (numbered := pushed_back.popleft() if pushed_back else next(lines, None)) is not None:
            consumed.append(numbered)
            yield numbered[1]

    reader = csv.reader(next_lines(), delimiter=separator, strict=True)
    header: list[str] | None = None
    while True:
        consumed.clear()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            report.rows += 1
            line = consumed[0][0]
            row = chain([text for _, text in consumed], next_lines())
            length = "larger than field limit" in str(error) and _longest_cell(row, separator, header)
            if length:
                found, expected = f"a text of {length:,} characters", f"at most {MAX_CHARACTERS:,}"
                report.reject(DataError(path, line=line, found=found, expected=expected, reason="text too long"))
            else:
                found = f"a broken row ({error})"
                report.reject(DataError(path, line=line, found=found, expected="cells", reason="broken row"))
                # Lines after an unclosed quote are read again, each as a row of its own.
                pushed_back.extendleft(reversed(consumed[1:]))
            reader = csv.reader(next_lines(), delimiter=separator, strict=True)
            continue
        if cells is None:
            return
        line = consumed[0][0]
        if not cells:
            continue
        if header is None:
            header = [cell.strip() for cell in cells]
            if len(set(header)) < len(header):
                found = f"the columns {', '.join(header)}"[:300]
                raise DataError(path, line=line, found=found, expected="each name only once")
            continue
        report.rows += 1
        if len(cells) != len(header):
            expected = f"{len(header)}, as in the header"
            report.reject(
                DataError(path, line=line, found=f"{len(cells)} cells", expected=expected, reason="more or fewer cells")
            )
            continue
        yield line, {name: cell or None for name, cell in zip(header, cells, strict=True)}


def _sample(lines: Iterator[NumberedLine]) -> Iterator[NumberedLine]:
    """The next lines, as many as tell the delimiter."""
    characters = 0
    for numbered in islice(lines, SAMPLE_LINES):
        yield numbered
        characters += len(numbered[1])
        if characters > SAMPLE_CHARACTERS:
            return


def _told_delimiter(lines: Sequence[str], usual: str) -> str:
    """The delimiter with which most rows have as many cells as the header; of equal ones the usual.

    usual: the delimiter that the file's name stands for.
    """
    header = re.sub(r'"[^"]*"', "", lines[0]) if lines else ""
    candidates = [delimiter for delimiter in dict.fromkeys((usual, *DELIMITERS)) if delimiter in header]
    if len(candidates) < 2:
        return candidates[0] if candidates else usual
    return max(candidates, key=lambda delimiter: _share_of_equal_rows(lines, delimiter))


def _share_of_equal_rows(lines: Sequence[str], delimiter: str) -> float:
    rows: list[int] = []
    with suppress(csv.Error):  # the rows before a broken one tell enough
        rows.extend(len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells)
    complete = rows[1:-1] or rows[1:]  # the last one may go on behind the sample
    return sum(cells == rows[0] for cells in complete) / len(complete) if complete else 0.0


def _longest_cell(lines: Iterator[str], separator: str, header: list[str] | None) -> int:
    """The length of the longest cell of a row whose only fault is too long a text; 0 for any other row."""
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    try:
        cells = next(csv.reader(lines, delimiter=separator, strict=True), [])
    except csv.Error:
        return 0
    finally:
        csv.field_size_limit(MAX_CHARACTERS)
    return max(map(len, cells)) if header and len(cells) == len(header) else 0
