"""Reads Slack's exports: a folder or zip with `users.json`, and a folder for each channel with a file for each day."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import bytes_of, json_items, json_paths, json_records, text_in

_BY_USERS = (None, "thread_broadcast", "me_message", "file_share", "file_comment")
"""Subtypes of messages that users write; others tell who has joined, what a program says, and the like."""

_MARKUP = re.compile(r"<([^<>|]+)(?:\|([^<>]*))?>")
_QUOTED = re.compile(r"^&gt;.*\n?", re.MULTILINE)


def recognizes(file: SourceFile) -> bool:
    """Whether it is a list of messages with Slack's time stamps."""
    paths = json_paths(file)
    return {"item.type", "item.ts", "item.text"} <= paths and not paths.isdisjoint(
        {"item.user", "item.bot_id", "item.subtype", "item.user_profile"}
    )


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages of a day in a channel; an answer in a thread names the message that the thread is about."""
    users, channels = (_by_id(bytes_of(file.beside("..", name))) for name in ("users.json", "channels.json"))
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
        names = _names_of({**user, "profile": user.get("profile") or record.get("user_profile")}, account)
        text = _plain(text_in(record, "text") or "", users, channels)
        document = message(location, report, names[0] if names else None, text, date)
        if document is not None:
            thread = text_in(record, "thread_ts")
            in_thread = thread is not None and thread != time
            chat = chats.setdefault(thread if in_thread else None, Chat())
            answers = chat.add(document.user_id, document.text)
            if thread == time:
                chats.setdefault(thread, Chat()).add(document.user_id, document.text)
            reply_to = f"{folder}/{thread}" if in_thread and answers is None else None
            yield SourceText(document, answers, tuple(names[1:]), f"{folder}/{time}", reply_to)


@lru_cache(maxsize=2)
def _by_id(content: bytes) -> dict[str, dict[str, Any]]:
    """The users or channels in a list of them, by their ids, with the names that are shown.

    A name that several users have is made theirs by what they log in with.
    """
    records = {str(record.get("id")): record for record in json_records(content)}
    counts = Counter(_shown(record) for record in records.values())
    for record in records.values():
        shown = _shown(record)
        record["shown"] = f"{shown} ({record.get('name')})" if shown and counts[shown] > 1 else shown
    return records


def _shown(user: dict[str, Any]) -> str | None:
    """The name that others see."""
    keys = (("profile", "display_name"), ("profile", "real_name"), ("real_name",), ("name",))
    return next((name for name in (text_in(user, *key) for key in keys) if name), None)


def _names_of(user: dict[str, Any], account: str | None) -> list[str]:
    """A user's names, the one that others see first."""
    keys = (("name",), ("real_name",), ("profile", "real_name"), ("profile", "email"))
    names = [text_in(user, "shown") or _shown(user), account, *(text_in(user, *key) for key in keys)]
    return [name for name in dict.fromkeys(names) if name]


def _plain(text: str, users: dict[str, dict[str, Any]], channels: dict[str, dict[str, Any]]) -> str:
    """A message without quoted lines, and with mentions and links as they are shown."""

    def shown(match: re.Match[str]) -> str:
        target, label = match[1], match[2]
        if target[0] in "@#":
            known = (users if target[0] == "@" else channels).get(target[1:])
            return target[0] + (text_in(known, "shown") or label or target[1:])
        if target[0] == "!":
            return label or "@" + target[1:].partition("^")[0]
        return label or target.removeprefix("mailto:")

    return html.unescape(_MARKUP.sub(shown, _QUOTED.sub("", text)))


READER = Reader(
    "a Slack export",
    "lists of messages with ts, a file for each day",
    recognizes,
    read,
    companions=("users.json", "channels.json", "groups.json", "dms.json", "mpims.json", "integration_logs.json"),
)
