"""Documents and examples, which every method reads, and how they are parsed from the fields of a row."""

from __future__ import annotations

import math
import re
import unicodedata
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from penname.errors import DataError

LayoutName = Literal[
    "plain", "email", "abstract", "review", "topic", "pgraphrag_long", "pgraphrag_short", "pgraphrag_rating"
]

_DECIMAL_COMMA = re.compile(r"\s*-?\d{1,3},\d{1,2}\s*")
_WHOLE = re.compile(r"-?\d+\.0+")

Place: TypeAlias = Path | zipfile.Path
"""Where a file is: on the disk, or in a zip archive."""

MAX_CHARACTERS = 1_000_000
"""Maximum length of a text. A longer one, longer than most novels, is a fault of the data and would stall reading."""


@dataclass(frozen=True)
class Document:
    """A text that a user wrote, with its metadata.

    user_id: the user who wrote it.
    id: identifies the document among the user's documents.
    date: in ISO 8601, so that dates sort as text.
    item_id: the item that the text is about, such as the product of a review.
    rating: the user's rating of that item.
    description: a description of that item.
    """

    user_id: str
    text: str
    id: str | None = None
    title: str | None = None
    date: str | None = None
    item_id: str | None = None
    rating: float | None = None
    description: str | None = None


@dataclass(frozen=True)
class Example:
    """An input x, the output y that the user really wrote, and the user's profile (REST-PG, section 2).

    task: the task's name; several tasks can be trained and evaluated together.
    input: the input x.
    output: the expected output y; None where it is unknown, as when writing for a new user.
    profile: the user's documents.
    item_id: the item that the output is about.
    neighbours: other users' documents about that item, where the data has items.
    query: the text that documents are retrieved for; None for the whole input.
    date: when the output was written, if known.
    layout: which of `penname.data.layouts` turns the documents into text.
    reasoning: a teacher's reasoning, where the data comes with one.
    """

    id: str
    user_id: str
    task: str
    input: str
    output: str | None = None
    profile: tuple[Document, ...] = field(default=())
    item_id: str | None = None
    neighbours: tuple[Document, ...] = field(default=())
    query: str | None = None
    date: str | None = None
    layout: LayoutName = "plain"
    reasoning: str | None = None


@dataclass(frozen=True)
class Location:
    """Where a record is in the data, for error messages.

    line: number of the line, or of the row in a Parquet file.
    prefix: path of the record within the line's object, such as `profile[3].`.
    """

    path: Place
    line: int
    prefix: str = ""

    def inside(self, prefix: str) -> Location:
        """The location of an inner record, `prefix` further down the path."""
        return Location(self.path, self.line, self.prefix + prefix)

    def error(self, field: str | None, found: str, expected: str, reason: str | None = None) -> DataError:
        """A DataError at this location; the arguments are those of `DataError`."""
        name = None if field is None else self.prefix + field
        return DataError(self.path, line=self.line, field=name, found=found, expected=expected, reason=reason)


def tidy(text: str) -> str:
    """A text with one kind of line end, and one code for each letter with marks (NFC), as programs differ in both.

    NULs, and a mark of the encoding at its beginning, are no part of it.
    """
    text = text.removeprefix("\ufeff").replace("\0", "")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def optional_text(record: Mapping[str, Any], name: str, location: Location) -> str | None:
    """The text in the field `name`, if any; numbers are converted, whole ones without decimals, and NaN is no text.

    Raises DataError for anything else.
    """
    value = record.get(name)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise location.error(name, type(value).__name__, "text")
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else tidy(str(value))
    if fault := too_long(text, location, name):
        raise fault
    return text


def too_long(text: str, location: Location, name: str | None = None) -> DataError | None:
    """The error for a text of over `MAX_CHARACTERS`; None for a shorter one. name: the field that it is in."""
    if len(text) <= MAX_CHARACTERS:
        return None
    return location.error(name, f"a text of {len(text):,} characters", f"at most {MAX_CHARACTERS:,}", "text too long")


def optional_id(record: Mapping[str, Any], name: str, location: Location) -> str | None:
    """The id in the field `name`, if any: "17.0", which programs make of a column with gaps, is 17.

    Raises DataError as `optional_text` does.
    """
    text = (optional_text(record, name, location) or "").strip()
    return (text[: text.index(".")] if _WHOLE.fullmatch(text) else text) or None


def required_id(record: Mapping[str, Any], name: str, location: Location) -> str:
    """As `optional_id`. Raises DataError where it is missing or only white space."""
    found = optional_id(record, name, location)
    return found if found is not None else required_text(record, name, location)


def required_text(record: Mapping[str, Any], name: str, location: Location) -> str:
    """The text in the field `name`. Raises DataError where it is missing or only white space."""
    text = optional_text(record, name, location)
    if text is None:
        raise location.error(name, "nothing", "text")
    if not text.strip():
        raise location.error(name, "empty text", "text")
    return text


def written_before(document: Document, moment: str) -> bool:
    """Whether a document is known to have been written before `moment`, a date; a year is not before its own days."""
    return document.date is not None and document.date < moment and not moment.startswith(document.date)


def optional_number(record: Mapping[str, Any], name: str, location: Location) -> float | None:
    """The number in the field `name`, if any; it may be written as text. Raises DataError for anything else."""
    value = record.get(name)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        number = float(value.replace(",", ".") if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value) else value)
        if isinstance(value, bool) or not math.isfinite(number) or "_" in str(value):
            raise ValueError
        return number
    except (TypeError, ValueError, OverflowError):
        raise location.error(name, repr(value)[:80], "a number") from None


def list_of_records(value: Any, name: str, location: Location) -> list[Any]:
    """`value`, the list in the field `name`; an empty list for None. Raises DataError for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise location.error(name, type(value).__name__, "a list of documents")
    return value
