"""Reads the data that Discord gives a user on request: the user's own messages, a folder for each channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.discord import plain
from penname.data.readers.json_items import bytes_of, json_items, json_paths, json_records, text_in
from penname.data.records import Location
from penname.data.rows import read_rows
from penname.errors import DataError

_COLUMNS = ("ID", "Timestamp", "Contents", "Attachments")


def recognizes(file: SourceFile) -> bool:
    """Whether it has the four fields that messages have in such a package, as JSON or as a table."""
    is_table = file.suffix == ".csv" and file.head.removeprefix(b"\xef\xbb\xbf").startswith(",".join(_COLUMNS).encode())
    return is_table or {f"item.{column}" for column in _COLUMNS} <= json_paths(file)


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages, all by the user that the package names; it has nobody else's, so what they answer is not known."""
    user = _user(file)
    names = [name for name in (text_in(user, "username"), text_in(user, "global_name"), text_in(user, "id")) if name]
    author = names[0] if names else settings.author or "me"
    for location, record in _rows(file, report):
        if not isinstance(record, dict):
            report.reject(location.error(None, type(record).__name__, "a message", "no message"))
            continue
        date = if_valid("date", optional_date, record, "Timestamp", location, report)
        document = message(location, report, author, plain(text_in(record, "Contents") or "", {}), date)
        if document is not None:
            yield SourceText(document, other_names=tuple(names[1:]))


def _rows(file: SourceFile, report: LoadReport) -> Iterator[tuple[Location, Any]]:
    if file.suffix == ".csv":
        with suppress(DataError):  # of a channel without messages
            for line, record in read_rows(file.place, report):
                yield Location(file.path, line), record
    else:
        for location, record, _ in json_items(file, ("item",), report):
            yield location, record


def _user(file: SourceFile) -> dict[str, Any]:
    """What the package says of its user, in a folder beside that of all messages."""
    found = (file.beside("..", "..", folder, "user.json") for folder in ("account", "Account"))
    records = (record for user in found for record in json_records(bytes_of(user)))
    return next(records, {})


READER = Reader(
    "a Discord data package",
    "messages.json or messages.csv with ID, Timestamp and Contents",
    recognizes,
    read,
    companions=("channel.json", "index.json", "user.json"),
)
