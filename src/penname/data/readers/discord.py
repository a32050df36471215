"""Reads channels of Discord that DiscordChatExporter has written as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Accounts, Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import json_items, json_paths, text_in

_BY_USERS = ("Default", "Reply", "0", "19", "ThreadStarterMessage")
_MENTION = re.compile(r"<@!?(\d+)>")
_EMOJI = re.compile(r"<a?(:\w+:)\d+>")
_NOBODY = re.compile(r"Deleted User|deleted_user_\w+", re.IGNORECASE)
_QUOTED = re.compile(r"^>(?:>> (?s:.*)| .*\n?)", re.MULTILINE)


def recognizes(file: SourceFile) -> bool:
    """Whether it is an object about a channel with messages as Discord has them."""
    paths = json_paths(file)
    return "channel.id" in paths and ("guild.id" in paths or "messages.item.author.isBot" in paths)


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; those of bots and of Discord itself, and forwarded ones, are counted as skipped."""
    chat = Chat()
    for location, record, _ in json_items(file, ("messages.item",), report):
        reason = _not_by_a_user(record)
        if reason is not None:
            report.skip(location.error(None, reason, "a message of a user", reason))
            continue
        date = if_valid("date", optional_date, record, "timestamp", location, report)
        names = _names(record.get("author"), settings.accounts)
        text = plain(text_in(record, "content") or "", _mentioned(record))
        document = message(location, report, names[0] if names else None, text, date)
        if document is not None:
            name, reply_to = text_in(record, "id"), text_in(record, "reference", "messageId")
            answers = chat.add(document.user_id, document.text, name, reply_to)
            account = text_in(record, "author", "id")
            yield SourceText(document, answers, tuple(names[1:]), name, reply_to, account=account)


def plain(text: str, mentioned: dict[str, str]) -> str:
    """A message without quoted lines, and with mentions and emojis as they are shown.

    mentioned: names by ids.
    """
    text = _MENTION.sub(lambda match: "@" + mentioned.get(match[1], match[1]), _QUOTED.sub("", text))
    return _EMOJI.sub(r"\1", text)


def _not_by_a_user(record: Any) -> str | None:
    """Why it is no message of a user; None where it is one."""
    if not isinstance(record, dict) or text_in(record, "type") not in _BY_USERS:
        return "no message of a user"
    author = record.get("author")
    if isinstance(author, dict) and author.get("isBot"):
        return "sent by a bot"
    if _NOBODY.fullmatch(text_in(author, "name") or ""):
        return "by a deleted account"
    return "forwarded" if record.get("forwardedMessage") else None


def _names(author: Any, accounts: Accounts) -> list[str]:
    """An author's names: the unique one first, which once had a number, and then what is shown and the account's id."""
    name, number = text_in(author, "name"), text_in(author, "discriminator")
    full = f"{name}#{number}" if name and number and number.strip("0") else name
    unique = accounts.names(full, text_in(author, "id")) if full else ()
    names = (*unique[:1], name, text_in(author, "nickname"), text_in(author, "id"))
    return [found for found in dict.fromkeys(names) if found]


def _mentioned(record: dict[str, Any]) -> dict[str, str]:
    found = record.get("mentions")
    people = found if isinstance(found, list) else []
    shown = {text_in(user, "id"): text_in(user, "nickname") or text_in(user, "name") for user in people}
    return {account: name for account, name in shown.items() if account and name}


READER = Reader("a Discord channel", "DiscordChatExporter's JSON with guild and channel", recognizes, read)
