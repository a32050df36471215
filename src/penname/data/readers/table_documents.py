"""Makes documents of a table's rows, and tells which of them are no texts of an author."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from penname.data.dates import DateColumn
from penname.data.load_report import LoadReport
from penname.data.readers.base import if_valid
from penname.data.readers.table_columns import Columns
from penname.data.readers.table_markup import plain_text, plain_title
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

REMOVED = ("[deleted]", "[removed]", "[deleted by user]", "[removed by reddit]", "[ removed by reddit ]")
"""Texts that stand where one was deleted."""

NOBODY = re.compile(r"\[(?:deleted|removed)\]|AutoModerator|.*[a-z0-9]Bot|.*[-_][Bb]ot")
"""Names of accounts that are no author: deleted ones, and robots."""

_ACCOUNT = re.compile(r"\A/?u/([\w-]{3,20})\Z")
"""How Reddit shows the name of an account."""


def document_of(
    record: Mapping[str, Any],
    columns: Columns,
    dates: DateColumn,
    location: Location,
    report: LoadReport,
    author: str,
    is_html: bool,
) -> Document:
    """A row as a document; an invalid date or rating is noted and ignored.

    record: the row's values, by the names of the table's columns.
    dates: how its date is read.
    author: who wrote the texts of a table without a column for them.
    is_html: whether its texts are HTML.

    Raises DataError for a bad user or text.
    """
    user, item = columns.get("user"), columns.get("item")
    rating = if_valid("rating", optional_number, record, columns.get("rating"), location, report)
    is_unrated = columns.layout is not None and columns.layout.zero_is_none and not rating
    return Document(
        user_id=author if user is None else _ACCOUNT.sub(r"\1", required_id(record, user, location)),
        text=_text(record, columns, location, is_html),
        title=_title(record, columns.get("title"), location, is_html),
        date=if_valid("date", dates.read, record, columns.get("date"), location, report),
        item_id=None if item is None else optional_id(record, item, location),
        rating=None if is_unrated else rating,
    )


def reason_to_skip(document: Document, columns: Columns, location: Location) -> DataError | None:
    """Why a row's document is no text by its author; None where it is one."""
    if NOBODY.fullmatch(document.user_id):
        found = repr(document.user_id)
        return location.error(columns.get("user"), found, "an author", "deleted, or of a robot")
    if document.text.lower() in REMOVED:
        return location.error(columns.of_kinds["text"], repr(document.text), "a text", "deleted, or of a robot")
    if not document.text:  # a rating alone, a link, or a quote
        return location.error(columns.of_kinds["text"], "no text by its author", "a text", "row without text")
    return None


def _text(record: Mapping[str, Any], columns: Columns, location: Location, is_html: bool) -> str:
    """A row's text, of which there may be nothing where others' words in it are left out."""
    column = columns.of_kinds["text"]
    own_words = columns.layout.own_words if columns.layout else str.strip
    if is_html and own_words is str.strip:
        own_words = plain_text
    if columns.layout is None:
        return own_words(required_text(record, column, location))
    return own_words(optional_text(record, column, location) or "")


def _title(record: Mapping[str, Any], column: str | None, location: Location, is_html: bool) -> str | None:
    title = (None if column is None else optional_text(record, column, location)) or ""
    return (plain_title(title) if is_html else title).strip() or None
