"""Reads Slack's exports: a folder or zip with `users.json`, and a folder for each channel with a file for each day."""

from __future__ import annotations

from collections.abc import Iterator

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import bytes_of, json_items, json_paths, text_in
from penname.data.readers.slack_text import plain_text
from penname.data.readers.slack_users import by_id, names_of

_BY_USERS = (None, "thread_broadcast", "me_message", "file_share", "file_comment")
"""Subtypes of messages that users write; others tell who has joined, what a program says, and the like."""


def recognizes(file: SourceFile) -> bool:
    """Whether it is a list of messages with Slack's time stamps."""
    paths = json_paths(file)
    return {"item.type", "item.ts", "item.text"} <= paths and not paths.isdisjoint(
        {"item.user", "item.bot_id", "item.subtype", "item.user_profile"}
    )


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages of a day in a channel; an answer in a thread names the message that the thread is about."""
    users, channels = (by_id(bytes_of(file.beside("..", name))) for name in ("users.json", "channels.json"))
    folder = "/".join(file.parts[:-1])
    chats: dict[str | None, Chat] = {}
    for location, record, _ in json_items(file, ("item",), report):
        if not isinstance(record, dict) or record.get("type") != "message":
            report.reject(location.error("type", repr(text_in(record, "type")), "'message'", "no message"))
            continue
        account, time = text_in(record, "user"), text_in(record, "ts")
        if text_in(record, "subtype") not in _BY_USERS:
            report.skip(location.error("subtype", repr(record["subtype"]), "a user's", "no message of a user"))
            continue
        user = users.get(account or "", {})
        if record.get("bot_id") or user.get("is_bot") or account == "USLACKBOT":
            report.skip(location.error(None, "a message of a bot", "one of a user", "sent by a bot"))
            continue
        date = if_valid("date", optional_date, record, "ts", location, report)
        names = names_of({**user, "profile": user.get("profile") or record.get("user_profile")}, account)
        text = plain_text(text_in(record, "text") or "", users, channels)
        document = message(location, report, names[0] if names else None, text, date)
        if document is not None:
            thread = text_in(record, "thread_ts")
            in_thread = thread is not None and thread != time
            chat = chats.setdefault(thread if in_thread else None, Chat())
            answers = chat.add(document.user_id, document.text)
            if thread == time:
                chats.setdefault(thread, Chat()).add(document.user_id, document.text)
            reply_to = f"{folder}/{thread}" if in_thread and answers is None else None
            yield SourceText(document, answers, tuple(names[1:]), f"{folder}/{time}", reply_to, account=account)


READER = Reader(
    "a Slack export",
    "lists of messages with ts, a file for each day",
    recognizes,
    read,
    companions=("users.json", "channels.json", "groups.json", "dms.json", "mpims.json", "integration_logs.json"),
)
