"""Reads tables (CSV, TSV, JSON, JSON lines, Parquet) with a row for each text; columns are known by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, if_valid
from penname.data.records import (
    Document,
    Location,
    optional_date,
    optional_id,
    optional_number,
    optional_text,
    required_id,
    required_text,
)
from penname.data.rows import read_rows, table_suffix
from penname.errors import DataError

COLUMNS = {
    "user": ("user_id", "user", "author", "name", "reviewerid", "username", "user_name", "from"),
    "text": ("text", "body", "content", "reviewtext", "review_text", "review", "output", "abstract"),
    "title": ("title", "subject", "summary", "headline"),
    "date": (
        *("date", "timestamp", "time", "year", "created_at", "reviewtime", "unixreviewtime", "created_utc"),
        *("date_added", "created"),
    ),
    "item": ("item_id", "item", "product_id", "parent_asin", "asin", "pid", "business_id", "book_id"),
    "rating": ("rating", "overall", "stars"),
}
"""Names, in lower case, by which a table's columns are recognized where the user does not name them."""

BLOG_CORPUS = ("id", "gender", "age", "topic", "sign", "date", "text")
"""The columns of the Blog Authorship Corpus (Schler et al., 2006), whose `id` is the author."""

NOBODY = re.compile(r"\[(?:deleted|removed)\]|AutoModerator|.*[a-z0-9]Bot|.*[-_][Bb]ot")
"""Names of accounts that are no author: deleted ones, and robots."""

REMOVED = ("[deleted]", "[removed]")
"""Texts that stand where one was deleted."""


def recognizes(file: SourceFile) -> bool:
    """Whether its name is a table's; any JSON may be one, so exports are to be told first."""
    return table_suffix(file.path) is not None


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The rows as texts.

    Raises DataError for a table without a column for the user or the text.
    """
    has_header = table_suffix(file.path) not in (".jsonl", ".json")  # in JSON each row names its own fields
    columns: dict[tuple[str, ...], dict[str, str]] = {}
    pending: list[DataError] = []  # faults before the first row that has the required columns
    for line, record in read_rows(file.place, report):
        location = Location(file.path, line)
        names = tuple(map(str, record))
        if names not in columns:
            try:
                where = Location(file.path, 1) if has_header else location
                columns[names] = columns_of(names, dict(settings.columns), where)
            except DataError as error:
                if has_header:
                    raise
                pending.append(error)
                continue
            if len(columns) == 1:
                taken = ", ".join(f"{kind} from {name!r}" for kind, name in columns[names].items())
                settings.say(f"{file.path}: {taken}")
        for fault in pending:
            report.reject(fault)
        pending.clear()
        try:
            document = _of_row(record, columns[names], location, report)
        except DataError as error:
            report.reject(error)
            continue
        if NOBODY.fullmatch(document.user_id) or document.text in REMOVED:
            found = repr(document.user_id)
            report.skip(location.error(columns[names]["user"], found, "an author", "deleted, or of a robot"))
            continue
        report.kept += 1
        yield SourceText(document)
    if pending and not columns:
        raise pending[0]
    for fault in pending:
        report.reject(fault)


def columns_of(names: Sequence[str], chosen: dict[str, str], location: Location) -> dict[str, str]:
    """The column of each key of `COLUMNS`.

    names: the table's columns.
    chosen: column names that the user gave, by key.

    Raises DataError where there is no column for the user or the text, or a chosen one does not exist.
    """
    columns = {"user": "id"} if tuple(names) == BLOG_CORPUS and "user" not in chosen else {}
    lowered = {str(name).lower(): name for name in reversed(names)}
    for kind, known in COLUMNS.items():
        name = chosen.get(kind) or next((lowered[k] for k in known if k in lowered), None)
        if name is not None and name not in names:
            raise location.error(None, f"the columns {', '.join(names)}"[:300], f"a column {name!r}", "missing column")
        if name is not None:
            columns[kind] = name
    for kind in ("user", "text"):
        if kind not in columns:
            expected = f"one for the {kind}: --{kind} NAME, or a column named {', '.join(COLUMNS[kind])}"
            raise location.error(None, f"the columns {', '.join(names)}"[:300], expected, "missing column")
    return columns


def _of_row(record: dict[str, Any], columns: dict[str, str], location: Location, report: LoadReport) -> Document:
    """A row as a document; an invalid date or rating is noted and ignored. Raises DataError for a bad user or text."""

    def optional(kind: str) -> str | None:
        return optional_text(record, columns[kind], location) if kind in columns else None

    return Document(
        user_id=required_id(record, columns["user"], location),
        text=required_text(record, columns["text"], location).strip(),
        title=(optional("title") or "").strip() or None,
        date=if_valid("date", optional_date, record, columns.get("date"), location, report),
        item_id=optional_id(record, columns["item"], location) if "item" in columns else None,
        rating=if_valid("rating", optional_number, record, columns.get("rating"), location, report),
    )


READER = Reader("a table", "a CSV, TSV, JSON, JSONL or Parquet file", recognizes, read)
