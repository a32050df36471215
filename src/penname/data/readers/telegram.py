"""Reads Telegram's exports in JSON (`result.json`): of one chat, or of all of an account's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import json_items, text_in
from penname.data.records import optional_date


def recognizes(file: SourceFile) -> bool:
    """Whether it is an object with `messages` that have Telegram's `from_id`."""
    head = file.head
    return head.lstrip().startswith(b"{") and b'"messages"' in head and b'"from_id"' in head and b'"type"' in head


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; what the program says, such as who has joined, is counted as skipped."""
    all_chats = b'"chats"' in file.head.partition(b'"messages"')[0]
    within, place = ("chats.list.item", "chats.list.item.messages.item") if all_chats else ("", "messages.item")
    chat, chat_around = Chat(), None
    for location, record, around in json_items(file, (place,), report, within=within):
        if around is not chat_around:
            chat, chat_around = Chat(), around
        if not isinstance(record, dict) or record.get("type") != "message":
            report.skip(location.error("type", repr(text_in(record, "type")), "'message'", "no message of a user"))
            continue
        if record.get("forwarded_from"):
            report.skip(location.error(None, "a forwarded message", "one of its sender", "forwarded"))
            continue
        author, account = text_in(record, "from"), text_in(record, "from_id")
        seconds = "date_unixtime" if record.get("date_unixtime") else "date"
        date = if_valid("date", optional_date, record, seconds, location, report)
        document = message(location, report, author or account, _text(record.get("text")), date)
        if document is not None:
            reply_to = text_in(record, "reply_to_message_id")
            answers = chat.add(document.user_id, document.text, text_in(record, "id"), reply_to)
            yield SourceText(document, answers, (account,) if account else ())


def _text(found: Any) -> str:
    """A message's text, which is a list where parts of it are links, bold and the like."""
    parts = found if isinstance(found, list) else [found]
    return "".join(part if isinstance(part, str) else text_in(part, "text") or "" for part in parts)


READER = Reader("a Telegram export", "JSON with messages that have from_id", recognizes, read)
