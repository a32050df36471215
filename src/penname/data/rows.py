"""Reads the rows of a file in any format: JSON lines, a JSON list, CSV, TSV or Parquet, each possibly gzipped.

Text is UTF-8, or UTF-16 with a byte order mark. Invalid bytes become U+FFFD and are noted. A row that cannot be read is
reported, and reading continues.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import Any, BinaryIO, TypeAlias

from penname.data.load_report import LoadReport
from penname.data.records import MAX_CHARACTERS, Place
from penname.errors import DataError

Row: TypeAlias = tuple[int, dict[str, Any]]
"""A row's number in its file (the line it begins on, or its row in a Parquet file) and its fields."""

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")

# pyarrow is imported where a Parquet file is read: it takes a while.

ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
"""What Python raises at an archive that is broken, encrypted, or compressed in a way that it does not know."""

COUNTED_BYTES = 2**18
"""How much of a file is read at once."""

MAX_CELL_CHARACTERS = 2**26
"""Length of a table's cell from which on its quote counts as never closed."""

SEPARATORS = (",", ";", "\t", "|")
"""The delimiters of tables."""

_NAMED_SEPARATOR = re.compile("sep=(.)", re.IGNORECASE)
_REPLACEMENT = "\ufffd"
_SURROGATES = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATES = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\r\n]*")
_GZIP, _WITH_GZIP_HEADER = b"\x1f\x8b", 31


def read_rows(
    path: Place, report: LoadReport, default_suffix: str | None = None, *, may_be_empty: bool = False
) -> Iterator[Row]:
    """The rows of `path`, in order.

    report: counts the rows and collects what cannot be read.
    default_suffix: the suffix to assume for a file with none of the `SUFFIXES`.
    may_be_empty: whether a file without rows is no fault.

    Raises DataError for a file that is missing, unreadable, of unknown format or without rows.
    """
    suffix = table_suffix(path) or default_suffix
    if suffix is None:
        raise DataError(path, found=f"a file named {path.name}", expected=f"one that ends in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(path, found="no such file", expected=f"a {suffix[1:]} file")
    rows_before = report.rows
    read = _read_parquet if suffix == ".parquet" else _read_table if suffix in (".csv", ".tsv") else _read_json
    try:
        yield from read(path, report)
    except (OSError, *ARCHIVE_ERRORS) as error:
        found = getattr(error, "strerror", None) or str(error)[:80] or type(error).__name__
        raise DataError(path, found=found, expected="a readable file", reason="unreadable file") from None
    if report.rows == rows_before and not may_be_empty:
        raise DataError(path, found="no row", expected="at least one", reason="no row")


def table_suffix(path: Place) -> str | None:
    """Which of the `SUFFIXES` a file has, apart from `.gz`; None for any other."""
    name = path.name.lower().removesuffix(".gz")
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


@contextmanager
def open_bytes(path: Place, report: LoadReport | None = None) -> Iterator[io.BufferedReader[Any]]:
    """The file's bytes, decompressed if gzipped.

    path: a file, or a member of a zip archive.
    report: counts the bytes that are read of the file.
    """
    with path.open("rb") as opened:
        file = io.BufferedReader(_CountedReader(opened, report), COUNTED_BYTES)
        gzipped = file.peek(2)[:2] == _GZIP
        yield io.BufferedReader(GzipReader(file)) if gzipped else file


class _CountedReader(io.RawIOBase):
    """The bytes of a file, whose number a report is told."""

    def __init__(self, file: Any, report: LoadReport | None) -> None:
        self._file = file
        self._report = report

    def readable(self) -> bool:
        """Always True, as `io.RawIOBase` asks of a file that can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        size = int(self._file.readinto(buffer))
        if self._report is not None:
            self._report.add_bytes(size)
        return size


class GzipReader(io.RawIOBase):
    """The decompressed bytes of a gzip file up to the first fault, which `fault` then describes.

    Python's own reader raises an error there, which loses what a buffer above it has already read.

    file: the compressed file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decompressor = zlib.decompressobj(_WITH_GZIP_HEADER)
        self._ready = b""
        self.fault: str | None = None

    def readable(self) -> bool:
        """Always True, as `io.RawIOBase` asks of a file that can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with decompressed bytes; returns their number, 0 at the end or at a fault."""
        while not self._ready and self.fault is None:
            compressed = self._decompressor.unused_data.lstrip(b"\0") if self._decompressor.eof else b""
            compressed = compressed or self._file.read(io.DEFAULT_BUFFER_SIZE)
            if self._decompressor.eof:  # a file may have several gzip members
                if not compressed:
                    return 0
                self._decompressor = zlib.decompressobj(_WITH_GZIP_HEADER)
            elif not compressed:
                self.fault = "a gzip file that ends early"
            self._ready = self._decompress(compressed)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _decompress(self, compressed: bytes) -> bytes:
        retry = self._decompressor.copy()
        try:
            return self._decompressor.decompress(compressed)
        except zlib.error as error:
            self.fault = f"a broken gzip file ({str(error)[:80]})"
        decompressed: list[bytes] = []
        with suppress(zlib.error):  # byte by byte, up to the fault
            decompressed.extend(retry.decompress(compressed[i : i + 1]) for i in range(len(compressed)))
        return b"".join(decompressed)


def decode(raw: bytes, path: Place, line: int, report: LoadReport) -> str:
    """Decode a line of UTF-8; invalid bytes are replaced and noted in the report.

    line: the line's number.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", errors="replace")
        _note_bytes(text.count(_REPLACEMENT), path, line, report)
        return text


def read_lines(path: Place, report: LoadReport) -> Iterator[tuple[int, str]]:
    """The numbered lines of a text file, blank ones included.

    Of a truncated or broken gzip file, the lines before the fault are read, and the fault counts as one more row, a bad
    one.
    """
    number = 0
    with open_bytes(path, report) as file:
        for number, line in enumerate(_decoded(file, path, report), 1):
            if line.endswith("\n") or _fault(file) is None:  # otherwise the line is truncated
                yield number, line
        fault = _fault(file)
    if fault is not None:
        report.rows += 1
        found = f"{fault}; the rest is not read"
        report.reject(DataError(path, line=number, found=found, expected="a complete one", reason="broken gzip file"))


def _fault(file: io.BufferedReader) -> str | None:
    return file.raw.fault if isinstance(file.raw, GzipReader) else None


def _decoded(file: io.BufferedReader, path: Place, report: LoadReport) -> Iterator[str]:
    if file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):
        for number, text in enumerate(io.TextIOWrapper(file, "utf-16", errors="replace", newline="\n"), 1):
            _note_bytes(text.count(_REPLACEMENT), path, number, report)
            yield text
        return
    for number, raw in enumerate(file, 1):
        yield decode(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, path, number, report)


def _note_bytes(count: int, path: Place, line: int, report: LoadReport) -> None:
    if count:
        found = f"{count} byte sequences that are not UTF-8"
        report.note(DataError(path, line=line, found=found, expected="UTF-8", reason="invalid bytes, replaced"))


def _read_json(path: Place, report: LoadReport) -> Iterator[Row]:
    lines = read_lines(path, report)
    nonblank = ((number, line) for number, line in lines if line.strip())
    first = next(nonblank, None)
    if first is None:
        return
    if first[1].lstrip().startswith("["):
        yield from _read_list(path, report, first, lines)
        return
    yield from row_of_line(path, report, first)
    for numbered in nonblank:
        yield from row_of_line(path, report, numbered)


def row_of_line(path: Place, report: LoadReport, numbered: tuple[int, str]) -> Iterator[Row]:
    """The row in a line of JSON; none where the line is bad.

    numbered: the line's number and text.
    """
    number, line = numbered
    report.rows += 1
    try:
        value = json.loads(line)
        if _ESCAPED_SURROGATES.search(line):
            value = _without_surrogates(value, path, number, report)
    except (ValueError, RecursionError) as error:
        report.reject(_broken(path, number, error))
        return
    yield from _record(value, path, number, report)


def _read_list(
    path: Place, report: LoadReport, first: tuple[int, str], lines: Iterator[tuple[int, str]]
) -> Iterator[Row]:
    """Parse a list of objects one by one, so that the rows before a fault are kept."""
    text = first[1] + "".join(line for _, line in lines)
    decoder = json.JSONDecoder()
    has_surrogates = bool(_ESCAPED_SURROGATES.search(text))
    position = text.index("[") + 1
    number, counted_to = first[0], 0
    expect_value = True
    while True:
        position = _end_of_space(text, position)
        number, counted_to = number + text.count("\n", counted_to, position), position
        if expect_value and text[position : position + 1] != "]":
            try:
                value, position = decoder.raw_decode(text, position)
                if has_surrogates:
                    value = _without_surrogates(value, path, number, report)
            except (ValueError, RecursionError) as error:
                report.rows += 1
                report.reject(_broken(path, number, error, "; the rest of the list is not read"))
                return
            report.rows += 1
            yield from _record(value, path, number, report)
            expect_value = False
        elif text[position : position + 1] == ",":
            position, expect_value = position + 1, True
        else:
            break
    rest = text[position : position + 1]
    if rest != "]" or text[position + 1 :].strip():
        report.rows += 1
        found = "the end of the file" if not rest else f"{text[position : position + 20]!r}"
        report.reject(
            DataError(path, line=number, found=found, expected="the list's end", reason="JSON list without its end")
        )


def _end_of_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()


def _broken(path: Place, line: int, error: Exception, consequence: str = "") -> DataError:
    reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
    expected = "JSON objects, one per line or in one list"
    return DataError(
        path, line=line, found=f"broken JSON ({reason}){consequence}", expected=expected, reason="broken JSON"
    )


def _record(value: Any, path: Place, line: int, report: LoadReport) -> Iterator[Row]:
    if not isinstance(value, dict):
        found = type(value).__name__
        report.reject(DataError(path, line=line, found=found, expected="a JSON object", reason="not a JSON object"))
        return
    yield line, value


def _without_surrogates(value: Any, path: Place, line: int, report: LoadReport) -> Any:
    """Replace unpaired surrogates, which JSON can hold and UTF-8 cannot."""
    count = 0

    def repaired(value: Any) -> Any:
        nonlocal count
        if isinstance(value, str):
            if not value.isascii() and _SURROGATES.search(value):
                value, found = _SURROGATES.subn(_REPLACEMENT, value)
                count += found
            return value
        if isinstance(value, dict):
            return {repaired(key): repaired(inner) for key, inner in value.items()}
        return [repaired(inner) for inner in value] if isinstance(value, list) else value

    value = repaired(value)
    if count:
        found = f"{count} unpaired surrogates"
        report.note(DataError(path, line=line, found=found, expected="text", reason="unpaired surrogates, replaced"))
    return value


def _read_table(path: Place, report: LoadReport) -> Iterator[Row]:
    """Read CSV or TSV with a header. A row with more or fewer cells than the header is bad."""
    csv.field_size_limit(MAX_CHARACTERS)
    lines = read_lines(path, report)
    consumed: list[tuple[int, str]] = []  # the numbered lines of the current row
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        return
    separator, is_header = _separator(first[1], "\t" if table_suffix(path) == ".tsv" else ",")
    if separator != "," and table_suffix(path) == ".csv":
        expected = "a comma, as the name says; it is read with the other one"
        report.note(
            DataError(path, line=first[0], found=f"the delimiter {separator!r}", expected=expected, reason="delimiter")
        )
    pushed_back = deque([first] if is_header else [])

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


def _separator(line: str, usual: str) -> tuple[str, bool]:
    """The delimiter of a table by its first line, and whether that is the header already.

    usual: the delimiter that the file's name stands for; another one is taken only where the header has none of it.
    """
    if named := _NAMED_SEPARATOR.fullmatch(line.strip()):  # Excel's way to say it
        return named[1], False
    unquoted = re.sub(r'"[^"]*"', "", line)
    counts = {separator: unquoted.count(separator) for separator in SEPARATORS}
    return usual if counts[usual] else max((usual, *SEPARATORS), key=counts.__getitem__), True


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


def _read_parquet(path: Place, report: LoadReport) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        number = 0
        with path.open("rb") as raw, pyarrow.parquet.ParquetFile(raw) as file:
            for batch in file.iter_batches(batch_size=64):
                for record in batch.to_pylist():
                    number += 1
                    report.rows += 1
                    yield number, _plain(record)
    except (pyarrow.ArrowException, UnicodeDecodeError, OverflowError, ValueError) as error:
        reason = f"from row {number + 1} on: {str(error).splitlines()[0][:100]}"
        report.rows += 1
        report.reject(
            DataError(path, found=f"broken Parquet ({reason})", expected="a Parquet file", reason="broken Parquet")
        )


def _plain(value: Any) -> Any:
    """Convert Arrow's dates and decimals to the types that JSON has for them."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
