"""Makes documents of a table's rows, and tells which of them are no texts of an author."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from penname.data.dates import DateColumn
from penname.data.load_report import LoadReport
from penname.data.readers.base import if_valid
from penname.data.readers.table_columns import Columns
from penname.data.records import (
    Document,
    Location,
    optional_id,
    optional_number,
    optional_text,
    required_id,
    required_text,
)
from penname.errors import DataError

REMOVED = ("[deleted]", "[removed]")
"""Texts that stand where one was deleted."""

NOBODY = re.compile(r"\[(?:deleted|removed)\]|AutoModerator|.*[a-z0-9]Bot|.*[-_][Bb]ot")
"""Names of accounts that are no author: deleted ones, and robots."""


def document_of(
    record: Mapping[str, Any],
    columns: Columns,
    dates: DateColumn,
    location: Location,
    report: LoadReport,
    author: str,
) -> Document:
    """A row as a document; an invalid date or rating is noted and ignored.

    record: the row's values, by the names of the table's columns.
    dates: how its date is read.
    author: who wrote the texts of a table without a column for them.

    Raises DataError for a bad user or text.
    """
    user, item = columns.get("user"), columns.get("item")
    rating = if_valid("rating", optional_number, record, columns.get("rating"), location, report)
    is_unrated = columns.layout is not None and columns.layout.zero_is_none and not rating
    return Document(
        user_id=author if user is None else required_id(record, user, location),
        text=_text(record, columns, location),
        title=_title(record, columns.get("title"), location),
        date=if_valid("date", dates.read, record, columns.get("date"), location, report),
        item_id=None if item is None else optional_id(record, item, location),
        rating=None if is_unrated else rating,
    )


def reason_to_skip(document: Document, columns: Columns, location: Location) -> DataError | None:
    """Why a row's document is no text by its author; None where it is one."""
    if NOBODY.fullmatch(document.user_id) or document.text in REMOVED:
        found = repr(document.user_id)
        return location.error(columns.get("user"), found, "an author", "deleted, or of a robot")
    if not document.text:  # a rating alone, a link, or a quote
        return location.error(columns.of_kinds["text"], "no text by its author", "a text", "row without text")
    return None


def _text(record: Mapping[str, Any], columns: Columns, location: Location) -> str:
    """A row's text, of which there may be nothing where others' words in it are left out."""
    column = columns.of_kinds["text"]
    if columns.layout is None:
        return required_text(record, column, location).strip()
    return columns.layout.own_words(optional_text(record, column, location) or "")


def _title(record: Mapping[str, Any], column: str | None, location: Location) -> str | None:
    title = None if column is None else optional_text(record, column, location)
    return (title or "").strip() or None
