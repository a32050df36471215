"""Reads the rows of a file in any format: JSON lines, a JSON list, CSV, TSV or Parquet, each possibly gzipped.

Text is UTF-8, or UTF-16 with a byte order mark, unless the caller knows another encoding. Invalid bytes become U+FFFD
and are noted. A row that cannot be read is reported, and reading continues.
"""

from __future__ import annotations

import codecs
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO

from penname.data.delimited import read_table
from penname.data.json_rows import Row, read_json
from penname.data.load_report import LoadReport
from penname.data.records import Place
from penname.errors import DataError

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")

# pyarrow is imported where a Parquet file is read: it takes a while.

ARCHIVE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)
"""What Python raises at an archive that is broken, encrypted, or compressed in a way that it does not know."""

COUNTED_BYTES = 2**18
"""How much of a file is read at once."""

_REPLACEMENT = "\ufffd"
_RETURN = re.compile(r"\r(?![\r\n])")
"""The end of a line in files of old Macs, and of some spreadsheets."""
_GZIP, _WITH_GZIP_HEADER = b"\x1f\x8b", 31


def read_rows(
    path: Place,
    report: LoadReport,
    default_suffix: str | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    *,
    may_be_empty: bool = False,
) -> Iterator[Row]:
    """The rows of `path`, in order.

    report: counts the rows and collects what cannot be read.
    default_suffix: the suffix to assume for a file with none of the `SUFFIXES`.
    encoding: that of the file; None for UTF-8.
    delimiter: what stands between the cells of a table; None for what its first rows show.
    may_be_empty: whether a file without rows is no fault.

    Raises DataError for a file that is missing, unreadable, of unknown format or without rows.
    """
    suffix = table_suffix(path) or default_suffix
    if suffix is None:
        raise DataError(path, found=f"a file named {path.name}", expected=f"one that ends in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise DataError(path, found="no such file", expected=f"a {suffix[1:]} file")
    rows_before = report.rows
    try:
        if suffix == ".parquet":
            yield from _read_parquet(path, report)
        elif suffix in (".csv", ".tsv"):
            yield from read_table(read_lines(path, report, encoding), path, report, suffix == ".tsv", delimiter)
        else:
            yield from read_json(read_lines(path, report, encoding), path, report)
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
        _note_bytes(text.count(_REPLACEMENT), path, line, report, "UTF-8")
        return text


def read_lines(path: Place, report: LoadReport, encoding: str | None = None) -> Iterator[tuple[int, str]]:
    """The numbered lines of a text file, blank ones included.

    encoding: that of the file; None for UTF-8.

    Of a truncated or broken gzip file, the lines before the fault are read, and the fault counts as one more row, a bad
    one.
    """
    number = 0
    with open_bytes(path, report) as file:
        for number, line in enumerate(_tidied(_decoded(file, path, report, encoding), path, report), 1):
            if line.endswith("\n") or _fault(file) is None:  # otherwise the line is truncated
                yield number, line
        fault = _fault(file)
    if fault is not None:
        report.rows += 1
        found = f"{fault}; the rest is not read"
        report.reject(DataError(path, line=number, found=found, expected="a complete one", reason="broken gzip file"))


def _tidied(lines: Iterator[str], path: Place, report: LoadReport) -> Iterator[str]:
    """The lines without NULs, which are noted, and divided where only a carriage return ends them."""
    for number, line in enumerate(lines, 1):
        if count := line.count("\0"):
            found = f"NUL characters ({count:,}), left out"
            report.note(DataError(path, line=number, found=found, expected="text", reason="NUL characters, left out"))
            line = line.replace("\0", "")
        if "\r" not in line:
            yield line
            continue
        *ended, last = _RETURN.split(line)
        yield from (f"{part}\n" for part in ended)
        if last:
            yield last


def _fault(file: io.BufferedReader) -> str | None:
    return file.raw.fault if isinstance(file.raw, GzipReader) else None


def _decoded(file: io.BufferedReader, path: Place, report: LoadReport, encoding: str | None) -> Iterator[str]:
    if file.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff") and encoding != "utf-32":
        encoding = "utf-16"
    if encoding is not None and codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig"):
        for number, text in enumerate(io.TextIOWrapper(file, encoding, errors="replace", newline="\n"), 1):
            _note_bytes(text.count(_REPLACEMENT), path, number, report, encoding.upper())
            yield text.removeprefix("\ufeff") if number == 1 else text
        return
    for number, raw in enumerate(file, 1):
        yield decode(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, path, number, report)


def _note_bytes(count: int, path: Place, line: int, report: LoadReport, encoding: str) -> None:
    if count:
        found = f"{count} byte sequences that are not {encoding}"
        report.note(DataError(path, line=line, found=found, expected=encoding, reason="invalid bytes, replaced"))


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
