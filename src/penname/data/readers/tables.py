"""Reads tables (CSV, TSV, JSON, JSON lines, Parquet) with a row for each text; columns are known by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from penname.data.dates import DateColumn, told_column
from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, if_valid, owner
from penname.data.readers.table_layouts import Layout, layout_of
from penname.data.records import (
    Document,
    Location,
    optional_id,
    optional_number,
    optional_text,
    required_id,
    required_text,
)
from penname.data.rows import read_rows, table_suffix
from penname.errors import DataError

COLUMNS = {
    "user": (
        *("user_id", "user", "author", "name", "reviewerid", "username", "user_name", "from"),
        *("customer_id", "reviewer_id", "reviewer"),
    ),
    "text": ("text", "body", "content", "reviewtext", "review_text", "review", "output", "abstract", "review_body"),
    "title": ("title", "subject", "summary", "headline", "review_title", "review_headline", "review_summary"),
    "date": (
        *("date", "timestamp", "time", "year", "created_at", "reviewtime", "unixreviewtime", "created_utc"),
        *("date_added", "created", "review_date"),
    ),
    "item": (
        *("item_id", "item", "product_id", "parent_asin", "asin", "pid", "business_id", "book_id"),
        *("movie_id", "app_id"),
    ),
    "rating": ("rating", "overall", "stars", "star_rating", "review_rating"),
}
"""Names, in lower case, by which a table's columns are recognized where the user does not name them."""

NOBODY = re.compile(r"\[(?:deleted|removed)\]|AutoModerator|.*[a-z0-9]Bot|.*[-_][Bb]ot")
"""Names of accounts that are no author: deleted ones, and robots."""

MAX_UNKNOWN_ROWS = 1000
"""How many rows of JSON may come before the first one that has the required fields."""

NO_VALUE = frozenset(("nan", "NaN", "NaT", "<NA>", "None", "null", "NULL", "N/A", "#N/A"))
"""What pandas, databases and spreadsheets write for a cell without a value; `Nan` is a name."""

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
    layouts: dict[tuple[str, ...], Layout | None] = {}
    author = owner(file, settings)
    how: dict[str, Any] = {"encoding": settings.encoding_of(file.place), "delimiter": settings.delimiter}
    dates: dict[str, DateColumn] = {}
    pending: list[DataError] = []  # faults before the first row that has the required columns
    for line, record in read_rows(file.place, report, **how):
        location = Location(file.path, line)
        names = tuple(map(str, record))
        if names not in columns:
            try:
                where = Location(file.path, 1) if has_header else location
                columns[names] = columns_of(names, dict(settings.columns), where)
            except DataError as error:
                if has_header or len(pending) == MAX_UNKNOWN_ROWS:
                    raise
                pending.append(error)
                continue
            layouts[names] = layout_of(names)
            if len(columns) == 1:
                settings.say(f"{file.path}: {_taken(columns[names], layouts[names])}")
        for fault in pending:
            report.reject(fault)
        pending.clear()
        record = {name: _value(value) for name, value in record.items()}
        layout, column = layouts[names], columns[names].get("date")
        if column is not None and column not in dates:
            dates[column] = settings.dates or _dates_of(column, file, how, settings)
        try:
            document = _of_row(record, columns[names], dates.get(column or ""), location, report, layout, author)
        except DataError as error:
            report.reject(error)
            continue
        if NOBODY.fullmatch(document.user_id) or document.text in REMOVED:
            found = repr(document.user_id)
            report.skip(location.error(columns[names].get("user"), found, "an author", "deleted, or of a robot"))
            continue
        if not document.text:  # a rating alone, a link, or a quote
            report.skip(location.error(columns[names]["text"], "no text by its author", "a text", "row without text"))
            continue
        report.kept += 1
        yield SourceText(document, None, (), *(layout.ids(record) if layout else ()))
    if pending and not columns:
        raise pending[0]
    for fault in pending:
        report.reject(fault)


def _taken(columns: dict[str, str], layout: Layout | None) -> str:
    """Which columns are read, and as what."""
    taken = ", ".join(f"{kind} from {name!r}" for kind, name in columns.items())
    return f"{layout.name}: {taken}" if layout else taken


def columns_of(names: Sequence[str], chosen: dict[str, str], location: Location) -> dict[str, str]:
    """The column of each key of `COLUMNS`.

    names: the table's columns.
    chosen: column names that the user gave, by key.

    Raises DataError where there is no column for the user or the text, or a chosen one does not exist.
    """
    columns = {}
    lowered = {str(name).lower(): name for name in reversed(names)}
    layout = layout_of(names)
    for kind, known in (COLUMNS if layout is None else layout.columns_or(COLUMNS)).items():
        name = chosen.get(kind) or next((lowered[k] for k in known if k in lowered), None)
        if name is not None and name not in names:
            raise location.error(None, f"the columns {', '.join(names)}"[:300], f"a column {name!r}", "missing column")
        if name is not None:
            columns[kind] = name
    for kind in ("user", "text"):
        if kind not in columns and (layout is None or kind in layout.columns):
            expected = f"one for the {kind}: --{kind} NAME, or a column named {', '.join(COLUMNS[kind])}"
            raise location.error(None, f"the columns {', '.join(names)}"[:300], expected, "missing column")
    return columns


def _value(cell: Any) -> Any:
    """What a cell holds; None for one of `NO_VALUE`."""
    return None if isinstance(cell, str) and len(cell) < 10 and cell.strip() in NO_VALUE else cell


def _dates_of(column: str, file: SourceFile, how: dict[str, Any], settings: ReadingSettings) -> DateColumn:
    """How the dates of a column are read, told by its rows before any of them is taken."""
    rows = read_rows(file.place, LoadReport(), **how)
    dates, said = told_column(str(value) for _, record in rows if (value := _value(record.get(column))) is not None)
    if said is not None:
        settings.say(f"{file.path}: {column}: {said}")
    return dates


def _of_row(
    record: dict[str, Any],
    columns: dict[str, str],
    dates: DateColumn | None,
    location: Location,
    report: LoadReport,
    layout: Layout | None,
    author: str,
) -> Document:
    """A row as a document; an invalid date or rating is noted and ignored. Raises DataError for a bad user or text.

    author: who wrote the texts of a table without a column for them.
    """

    def optional(kind: str) -> str | None:
        return optional_text(record, columns[kind], location) if kind in columns else None

    rating = if_valid("rating", optional_number, record, columns.get("rating"), location, report)
    return Document(
        user_id=required_id(record, columns["user"], location) if "user" in columns else author,
        text=layout.own_words(optional("text") or "")
        if layout
        else required_text(record, columns["text"], location).strip(),
        title=(optional("title") or "").strip() or None,
        date=if_valid("date", (dates or DateColumn()).read, record, columns.get("date"), location, report),
        item_id=optional_id(record, columns["item"], location) if "item" in columns else None,
        rating=None if layout is not None and layout.zero_is_none and not rating else rating,
    )


READER = Reader("a table", "a CSV, TSV, JSON, JSONL or Parquet file", recognizes, read)
