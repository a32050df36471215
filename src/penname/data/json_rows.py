"""Reads the rows of JSON: a list of objects, objects in lines, or objects one below the other."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any, TypeAlias

from penname.data.load_report import LoadReport
from penname.data.records import Place
from penname.errors import DataError

Row: TypeAlias = tuple[int, dict[str, Any]]
"""A row's number in its file (the line it begins on, or its row in a Parquet file) and its fields."""

_REPLACEMENT = "\ufffd"
_SURROGATES = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATES = re.compile(r"\\u[dD][89a-fA-F]")
_SPACE = re.compile(r"[ \t\r\n]*")


def read_json(lines: Iterator[tuple[int, str]], path: Place, report: LoadReport) -> Iterator[Row]:
    """The rows of a file, each broken one of which is reported.

    lines: its numbered lines.
    """
    nonblank: Iterator[tuple[int, str]] = ((number, line) for number, line in lines if line.strip())
    first = next(nonblank, None)
    if first is None:
        return
    if first[1].lstrip().startswith("["):
        yield from _read_list(path, report, first, lines)
        return
    if _goes_on(first[1]):
        nonblank = yield from _read_objects(path, report, first, lines)
    else:
        yield from row_of_line(path, report, first)
    for numbered in nonblank:
        yield from row_of_line(path, report, numbered)


def _goes_on(line: str) -> bool:
    """Whether a line is the beginning of an object that ends in another one."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return error.pos >= len(line.rstrip())
    except (ValueError, RecursionError):
        pass
    return False


def _read_objects(
    path: Place, report: LoadReport, first: tuple[int, str], lines: Iterator[tuple[int, str]]
) -> Generator[Row, None, Iterator[tuple[int, str]]]:
    """Parse objects of several lines each; returns the lines that are none, for want of a whole object at the first."""
    rest = [first, *lines]
    text = "".join(line for _, line in rest)
    decoder = json.JSONDecoder()
    begin = position = _end_of_space(text, 0)
    number, counted_to = first[0], 0
    while position < len(text):
        number, counted_to = number + text.count("\n", counted_to, position), position
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            if position == begin:
                return iter(numbered for numbered in rest if numbered[1].strip())
            report.rows += 1
            report.reject(_broken(path, number, error, "; the rest is not read"))
            break
        report.rows += 1
        if _ESCAPED_SURROGATES.search(text, position, end):
            value = _without_surrogates(value, path, number, report)
        yield from _record(value, path, number, report)
        position = _end_of_space(text, end)
    return iter(())


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
