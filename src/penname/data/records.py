"""Documents and examples, which every method reads, and how they are parsed from the fields of a row."""

from __future__ import annotations

import math
import re
import unicodedata
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from penname.errors import DataError

LayoutName = Literal[
    "plain", "email", "abstract", "review", "topic", "pgraphrag_long", "pgraphrag_short", "pgraphrag_rating"
]

_WHOLE = re.compile(r"-?\d+\.0+")
_AMERICAN_DATE = re.compile(r"(\d\d?) (\d\d?), (\d{4})")

_SLASHED_DATE = re.compile(r"\d{4}/\d\d/\d\d\b")
_GERMAN_DATE = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})")
_WORDED_DATE = re.compile(r"[A-Z][a-z]{2}")
_WORDED_DATES = ("%a %b %d %H:%M:%S %z %Y", "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y")
"""Moments of Goodreads and Twitter, days of IMDb and of app stores."""

_ZONED = re.compile(r"(?<=\d) ?(UTC|GMT|[+-]\d\d:?\d\d)$")
_BLOG_DATE = re.compile(r"(\d\d?),([A-Z][a-z]{2})[a-z]*,(\d{4})")

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
    """A text with one kind of line end, and one code for each letter with marks (NFC), as programs differ in both."""
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
    if len(text) > MAX_CHARACTERS:
        raise location.error(
            name, f"a text of {len(text):,} characters", f"at most {MAX_CHARACTERS:,}", "text too long"
        )
    return text


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


def optional_date(record: Mapping[str, Any], name: str, location: Location) -> str | None:
    """The date in the field `name`, if any, in ISO 8601 and, where it has a time zone, in UTC; it sorts as text.

    A year alone, seconds or milliseconds since 1970, Amazon's "04 20, 2013", the Blog corpus's "14,May,2004", days as
    in "31.05.2024" or "31 May 2024", "Fri May 31 12:00:00 +0200 2024" and the dates of mails are accepted too. Raises
    DataError for other values.
    """
    text = (optional_text(record, name, location) or "").strip()
    if not text or (text.isascii() and text.isdigit() and len(text) == 4):
        return text or None
    try:
        integer = text.split(".")[0]
        if text.replace(".", "", 1).isdigit() and 8 < len(integer) < 14:
            seconds = float(text) / (1000 if len(integer) > 11 else 1)
            return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        if american := _AMERICAN_DATE.fullmatch(text):
            month, day, year = map(int, american.groups())
            return date(year, month, day).isoformat()
        if german := _GERMAN_DATE.fullmatch(text):
            day, month, year = map(int, german.groups())
            return date(year, month, day).isoformat()
        if blog := _BLOG_DATE.fullmatch(text):
            return datetime.strptime(" ".join(blog.groups()), "%d %b %Y").date().isoformat()
        if _WORDED_DATE.search(text) and (worded := _worded_date(text)):
            return worded
        if _SLASHED_DATE.match(text):
            text = text.replace("/", "-")
        if len(text) == 7:  # a month
            return datetime.fromisoformat(f"{text}-01").strftime("%Y-%m")
        if len(text) <= 10:
            return date.fromisoformat(text).isoformat()
        return _in_utc(datetime.fromisoformat(_ZONED.sub(_zone, text)))
    except (ValueError, OverflowError, OSError):
        raise location.error(name, repr(text)[:40], "a date as in 2024-05-31 or 2024-05-31T12:00:00") from None


def _worded_date(text: str) -> str | None:
    """A date with a month's English name; None for one of another form."""
    for form in _WORDED_DATES:
        with suppress(ValueError):
            moment = datetime.strptime(text, form)
            return _in_utc(moment) if moment.tzinfo else moment.date().isoformat()
    with suppress(ValueError, TypeError, IndexError):
        return _in_utc(parsedate_to_datetime(text)) if "," in text else None
    return None


def _zone(match: re.Match[str]) -> str:
    """A time zone as ISO 8601 writes it."""
    return match[1] if match[1][0] in "+-" else "+00:00"


def _in_utc(moment: datetime) -> str:
    return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None).isoformat()


def written_before(document: Document, moment: str) -> bool:
    """Whether a document is known to have been written before `moment`, a date; a year is not before its own days."""
    return document.date is not None and document.date < moment and not moment.startswith(document.date)


def optional_number(record: Mapping[str, Any], name: str, location: Location) -> float | None:
    """The number in the field `name`, if any; it may be written as text. Raises DataError for anything else."""
    value = record.get(name)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        number = float(value)
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
