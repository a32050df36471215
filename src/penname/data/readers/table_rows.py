"""Reads the rows of a table, each with the columns that are read of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from penname.data.dates import DateColumn, told_column
from penname.data.load_report import LoadReport
from penname.data.readers.base import ReadingSettings, SourceFile
from penname.data.readers.json_items import json_items, json_paths
from penname.data.readers.table_columns import Columns, columns_of
from penname.data.readers.table_markup import markup_in
from penname.data.records import Location
from penname.data.rows import read_rows, table_suffix
from penname.errors import DataError

NO_VALUE = frozenset(("nan", "NaN", "NaT", "<NA>", "None", "null", "NULL", "N/A", "#N/A"))
"""What pandas, databases and spreadsheets write for a cell without a value; `Nan` is a name."""

MAX_UNKNOWN_ROWS = 1000
"""How many rows of JSON may come before the first one that has the required fields."""


class Table:
    """A table, and what becomes known of its columns as its rows are read.

    file: where it is.
    settings: what the user says of its columns, and how it is read.
    """

    def __init__(self, file: SourceFile, settings: ReadingSettings) -> None:
        self._file = file
        self._settings = settings
        self._has_header = table_suffix(file.path) not in (".jsonl", ".json")  # in JSON each row names its own fields
        self._list = None if self._has_header else list_of_rows(file, settings)
        self._columns: dict[tuple[str, ...], Columns] = {}
        self._dates: dict[str, DateColumn] = {}
        self._html: dict[str, bool] = {}

    def known_rows(self, report: LoadReport) -> Iterator[tuple[Location, dict[str, Any], Columns]]:
        """The rows that have the required columns, each with its values, without `NO_VALUE`, and its columns.

        Other rows of JSON are rejected.

        Raises DataError where no row has them, or more than `MAX_UNKNOWN_ROWS` on end do not.
        """
        unknown: list[DataError] = []
        for location, record in self.rows(report):
            try:
                columns = self._columns_of(record, location)
            except DataError as error:
                if self._has_header or len(unknown) == MAX_UNKNOWN_ROWS:
                    raise
                unknown.append(error)
                continue
            _reject(unknown, report)
            yield location, {name: _value(cell) for name, cell in record.items()}, columns
        if unknown and not self._columns:
            raise unknown[0]
        _reject(unknown, report)

    def dates_of(self, columns: Columns) -> DateColumn:
        """How the dates of a column are read: as the user says, or as its rows show before any of them is taken."""
        column = columns.get("date")
        if column is None or self._settings.dates is not None:
            return self._settings.dates or DateColumn()
        if column not in self._dates:
            cells = (_value(record.get(column)) for _, record in self.rows(LoadReport()))
            self._dates[column], said = told_column(str(cell) for cell in cells if cell is not None)
            if said is not None:
                self._settings.say(f"{self._file.path}: {column}: {said}")
        return self._dates[column]

    def is_html(self, columns: Columns) -> bool:
        """Whether the texts of a column are HTML, as its rows show before any of them is taken."""
        column = columns.of_kinds["text"]
        if column not in self._html:
            cells = (_value(record.get(column)) for _, record in self.rows(LoadReport()))
            marks = markup_in(cell for cell in cells if isinstance(cell, str))
            self._html[column] = marks is not None
            if marks is not None:
                self._settings.say(f"{self._file.path}: {column}: read as HTML, as {marks}")
        return self._html[column]

    def rows(self, report: LoadReport) -> Iterator[tuple[Location, Mapping[str, Any]]]:
        """The rows as they are, each with its place."""
        if self._list is not None:
            for location, record, _ in json_items(self._file, (self._list,), report):
                if isinstance(record, dict):
                    yield location, record
                else:
                    report.reject(location.error(None, type(record).__name__, "a JSON object", "not a JSON object"))
            return
        encoding, delimiter = self._settings.encoding_of(self._file.place), self._settings.delimiter
        for line, record in read_rows(self._file.place, report, encoding=encoding, delimiter=delimiter):
            yield Location(self._file.path, line), record

    def _columns_of(self, record: Mapping[str, Any], location: Location) -> Columns:
        """The columns that are read of a row; those of the first one are said."""
        names = tuple(map(str, record))
        if names not in self._columns:
            where = Location(self._file.path, 1) if self._has_header else location
            self._columns[names] = columns_of(
                names, dict(self._settings.columns), where, author_known=self._is_of_one_author()
            )
            if len(self._columns) == 1:
                self._settings.say(f"{self._file.path}: {self._columns[names].said}")
        return self._columns[names]

    def _is_of_one_author(self) -> bool:
        """Whether texts that name no author are by the one whom the user names; not beside rows that name theirs."""
        return self._settings.author is not None and not any(known.get("user") for known in self._columns.values())


def list_of_rows(file: SourceFile, settings: ReadingSettings) -> str | None:
    """Where the rows are of JSON whose objects have a list of them, as ijson's path; None where they are themselves."""
    paths = json_paths(file)
    places = {path.partition(".item.")[0] for path in paths if ".item." in path and not path.startswith("item.")}
    lists = [place for place in sorted(places) if _has_columns(paths, f"{place}.item.", settings)]
    return f"{lists[0]}.item" if len(lists) == 1 and not _has_columns(paths, "", settings) else None


def _has_columns(paths: Iterable[str], prefix: str, settings: ReadingSettings) -> bool:
    """Whether objects have a user and a text.

    paths: those of a document.
    prefix: where the objects are.
    """
    names = [path.removeprefix(prefix) for path in paths if path.startswith(prefix) and path != prefix]
    try:
        columns_of([name for name in names if "." not in name], dict(settings.columns), Location(Path(), 1))
    except DataError:
        return False
    return True


def _value(cell: Any) -> Any:
    """What a cell holds; None for one of `NO_VALUE`."""
    return None if isinstance(cell, str) and len(cell) < 10 and cell.strip() in NO_VALUE else cell


def _reject(faults: list[DataError], report: LoadReport) -> None:
    for fault in faults:
        report.reject(fault)
    faults.clear()
