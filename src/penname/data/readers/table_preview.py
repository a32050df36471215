"""How a table is understood, for people who look at it before it is read: its columns, what each is, first rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings, SourceFile
from penname.data.readers.table_columns import COLUMNS, columns_of
from penname.data.readers.table_rows import Table
from penname.data.records import Location
from penname.errors import DataError

ROWS, LETTERS = 3, 80
"""How many rows are shown, and how many letters of a cell."""

_LOOKED_AT = 50


@dataclass(frozen=True)
class TablePreview:
    """A table as it is understood.

    names: its columns.
    of_kinds: the column of each kind that one is read for, see `COLUMNS`; some where the table cannot be read so.
    rows: the first cells of each column, a row each.
    """

    names: list[str]
    of_kinds: Mapping[str, str]
    rows: list[list[str]]


def preview_table(file: SourceFile, settings: ReadingSettings) -> TablePreview:
    """How a table is understood. Raises DataError where it has no row."""
    records = [dict(record) for _, record in islice(Table(file, settings).rows(LoadReport()), _LOOKED_AT)]
    names = list(dict.fromkeys(str(name) for record in records for name in record))
    chosen = dict(settings.columns)
    try:
        of_kinds = columns_of(names, chosen, Location(file.path, 1), author_known=settings.author is not None).of_kinds
    except DataError:
        of_kinds = _told(names, chosen)
    rows = [[_short(record.get(name)) for name in names] for record in records[:ROWS]]
    return TablePreview(names, of_kinds, rows)


def _told(names: list[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """The columns that are chosen, or known by their names, of a table that lacks others."""
    lowered = {name.lower(): name for name in reversed(names)}
    usual = {kind: next((lowered[name] for name in known if name in lowered), "") for kind, known in COLUMNS.items()}
    return {kind: name for kind, name in {**usual, **chosen}.items() if name in names}


def _short(cell: object) -> str:
    text = "" if cell is None else " ".join(str(cell)[: 4 * LETTERS].split())
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}…"
