"""Reads chats in the JSON that Facebook's Messenger and Instagram export (`message_1.json`)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.facebook_program import is_by_program, is_deleted_account
from penname.data.readers.json_items import json_items, json_paths, text_in
from penname.data.records import Location


def recognizes(file: SourceFile) -> bool:
    """Whether it is an object with messages that name their sender as Facebook does."""
    paths = json_paths(file)
    return "messages.item.sender_name" in paths or {"messages.item.senderName", "participants"} <= paths


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages, the oldest first."""
    chat = Chat()
    for location, record in _oldest_first(file, report):
        sender = repaired(text_in(record, "sender_name") or text_in(record, "senderName") or "")
        text = repaired(text_in(record, "content") or text_in(record, "text") or "").strip()
        if is_by_program(record, sender, text):
            report.skip(location.error(None, "a line of the program", "a message", "no message of a user"))
            continue
        if record.get("is_unsent") or record.get("isUnsent"):
            report.skip(location.error(None, "a message that was taken back", "a message", "deleted"))
            continue
        if is_deleted_account(sender):
            report.skip(location.error(None, repr(sender), "a user", "by a deleted account"))
            continue
        date = if_valid("date", optional_date, record, _time_field(record), location, report)
        document = message(location, report, sender, text, date)
        if document is not None:
            yield SourceText(document, chat.add(document.user_id, document.text))


def repaired(text: str) -> str:
    """A text whose UTF-8 bytes were exported as letters of Latin-1, as it was written; any other as it is."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _time_field(record: dict[str, Any]) -> str:
    return "timestamp_ms" if "timestamp_ms" in record else "timestamp"


def _oldest_first(file: SourceFile, report: LoadReport) -> Iterator[tuple[Location, dict[str, Any]]]:
    """The messages of a file in the order of their time; they are sorted on the disk, as there may be many."""
    with closing(sqlite3.connect("")) as database:
        database.execute("CREATE TABLE messages (time TEXT, number INTEGER, record TEXT)")
        for location, record, _ in json_items(file, ("messages.item",), report):
            if not isinstance(record, dict):
                report.reject(location.error(None, type(record).__name__, "a message", "no message"))
                continue
            time = if_valid("date", optional_date, record, _time_field(record), location, LoadReport())
            row = (time or "", location.line, json.dumps(record))
            database.execute("INSERT INTO messages VALUES (?, ?, ?)", row)
        for number, record in database.execute("SELECT number, record FROM messages ORDER BY time, number DESC"):
            yield Location(file.path, number), json.loads(record)


READER = Reader("a chat of Messenger or Instagram", "JSON with messages that have sender_name", recognizes, read)
