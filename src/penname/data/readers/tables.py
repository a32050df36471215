"""Reads tables (CSV, TSV, JSON, JSON lines, Parquet) with a row for each text; columns are known by their names."""

from __future__ import annotations

from collections.abc import Iterator

from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, owner
from penname.data.readers.table_documents import document_of, reason_to_skip
from penname.data.readers.table_rows import Table
from penname.data.rows import table_suffix
from penname.errors import DataError


def recognizes(file: SourceFile) -> bool:
    """Whether its name is a table's; any JSON may be one, so exports are to be told first."""
    return table_suffix(file.path) is not None


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The rows as texts.

    Raises DataError for a table without a column for the user or the text.
    """
    table = Table(file, settings)
    author = owner(file, settings)
    for location, record, columns in table.known_rows(report):
        dates = table.dates_of(columns)
        try:
            document = document_of(record, columns, dates, location, report, author, table.is_html(columns))
        except DataError as error:
            report.reject(error)
            continue
        if reason := reason_to_skip(document, columns, location):
            report.skip(reason)
            continue
        report.kept += 1
        ids = columns.layout.ids(record) if columns.layout else ()
        others = (f"u/{document.user_id}",) if columns.layout and columns.layout.thing else ()
        yield SourceText(document, None, others, *ids)


READER = Reader("a table", "a CSV, TSV, JSON, JSONL or Parquet file", recognizes, read)
