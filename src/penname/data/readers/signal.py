"""Reads Signal's chats as JSON, of signal-export (`data.json`) and of sigtop."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import json_paths, json_values, text_in

ME = "Me"
"""The name of the one who has exported a chat, whom signal-export and sigtop do not name."""

CALL = re.compile(r"(Incoming|Outgoing|Missed) (voice |video )?call\b.*")

_SHAPES = (
    {"sender", "body", "date", "quote", "reactions"},  # signal-export's
    {"conversationId", "body", "sent_at", "type"},  # sigtop's, as in Signal Desktop
)


class _Found(NamedTuple):
    """A message as it was found.

    names: other names of its author.
    account: the one of the author whom the file is named for.
    date: the field of its date.
    chat: the chat that it is in.
    name: what others name it by.
    """

    author: str | None
    names: tuple[str | None, ...]
    text: str | None
    date: str
    chat: str = ""
    name: str | None = None
    reply_to: str | None = None
    account: str | None = None


def recognizes(file: SourceFile) -> bool:
    """Whether it is a list, or lines, of messages of one of the two."""
    paths = json_paths(file)
    return any({prefix + field for field in shape} <= paths for shape in _SHAPES for prefix in ("", "item."))


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; calls, receipts, reactions and what Signal says itself are counted as skipped."""
    chats: dict[str, Chat] = {}
    for location, record in json_values(file, report):
        found = _found(record, file) if isinstance(record, dict) else None
        if found is None:
            report.skip(location.error(None, "no message of a user", "a message", "no message of a user"))
            continue
        date = if_valid("date", optional_date, record, found.date, location, report)
        unique = settings.accounts.names(found.author, found.account)[:1] if found.author else ()
        document = message(location, report, unique[0] if unique else None, found.text, date)
        if document is not None:
            chat = chats.setdefault(found.chat, Chat())
            answers = chat.add(document.user_id, document.text, found.name, found.reply_to)
            names = (found.author, *found.names)
            others = tuple(dict.fromkeys(name for name in names if name and name != document.user_id))
            yield SourceText(document, answers, others, account=found.account)


def _found(record: dict[str, Any], file: SourceFile) -> _Found | None:
    """The message of a record; None for one that has none."""
    if "sender" in record:
        text, sender = text_in(record, "body"), text_in(record, "sender")
        is_said = record.get("deleted") or record.get("call") or CALL.fullmatch((text or "").strip())
        return None if is_said else _Found(None if sender == "No-Sender" else sender, (), text, "date")
    if text_in(record, "type") not in ("incoming", "outgoing") or record.get("deletedForEveryone"):
        return None
    accounts = [text_in(record, field) for field in ("source", "sourceServiceId", "sourceUuid")]
    account = next(filter(None, accounts), None)
    in_name = account is not None and f"({account})" in file.name  # Ann (+441632960123).json
    own = text_in(record, "type") == "outgoing"
    quoted = text_in(record, "quote", "id")
    chat, name = text_in(record, "conversationId") or "", text_in(record, "sent_at")
    text = text_in(record, "body")
    if own or not in_name:
        return _Found(ME if own else account, tuple(accounts), text, "sent_at", chat, name, quoted)
    return _Found(file.name.partition(" (")[0], tuple(accounts), text, "sent_at", chat, name, quoted, account)


READER = Reader(
    "a Signal chat",
    "signal-export's or sigtop's JSON",
    recognizes,
    read,
    companions=("chat.md", "index.html", "style.css"),
)
