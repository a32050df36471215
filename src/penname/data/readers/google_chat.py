"""Reads the chats of Google Chat that Takeout exports (`messages.json`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, message
from penname.data.readers.calendar_words import hour_of_day, month_of
from penname.data.readers.json_items import json_items, json_paths, text_in

_TIME = re.compile(r"(\d{1,2})[:.](\d\d)[:.](\d\d)")
_YEAR = re.compile(r"\b\d{4}\b")
_DAY = re.compile(r"\b\d{1,2}\b")


def recognizes(file: SourceFile) -> bool:
    """Whether it is an object with messages that have a creator."""
    paths = json_paths(file)
    return {"messages.item.creator", "messages.item.created_date"} <= paths


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; those of bots and deleted ones are counted as skipped."""
    chat = Chat()
    for location, record, _ in json_items(file, ("messages.item",), report):
        if text_in(record, "message_state") == "DELETED" or text_in(record, "creator", "user_type") == "Bot":
            reason = "deleted" if text_in(record, "message_state") == "DELETED" else "sent by a bot"
            report.skip(location.error(None, reason, "a message of a user", reason))
            continue
        said = text_in(record, "created_date")
        date = _date(said or "")
        if said is not None and date is None:
            report.note(location.error("created_date", repr(said)[:60], "a date", "invalid date, ignored"))
        address, shown = text_in(record, "creator", "email"), text_in(record, "creator", "name")
        names = settings.accounts.names(shown, address) if shown else (address,)
        document = message(location, report, names[0], text_in(record, "text"), date)
        if document is not None:
            name, reply_to = (text_in(record, *field, "message_id") for field in ((), ("quoted_message_metadata",)))
            answers = chat.add(document.user_id, document.text, name, reply_to)
            yield SourceText(document, answers, tuple(filter(None, names[1:])), account=address)


def _date(said: str) -> str | None:
    """The date in a line such as `Tuesday, August 13, 2024 at 1:56:54 PM UTC`, in the account's language."""
    time, year = _TIME.search(said), _YEAR.search(said)
    if time is None or year is None:
        return None
    day = _DAY.search(said.replace(time[0], "").replace(year[0], ""))
    month = next((number for word in re.findall(r"[^\W\d_]+", said) if (number := month_of(word))), None)
    if day is None or month is None:
        return None
    hour = hour_of_day(int(time[1]), re.sub(r"\bUTC\b|\W+$", "", said[time.end() :]))
    try:
        return datetime(int(year[0]), month, int(day[0]), hour, int(time[2]), int(time[3])).isoformat()
    except ValueError:
        return None


READER = Reader(
    "a chat of Google Chat",
    "JSON with messages that have creator and created_date",
    recognizes,
    read,
    companions=("group_info.json", "user_info.json"),
)
