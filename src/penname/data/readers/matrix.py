"""Reads rooms of Matrix that Element has exported as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import json_items, json_paths, text_in

_TEXTS = ("m.text", "m.emote")
_FILES = ("m.image", "m.file", "m.audio", "m.video")
_FALLBACK = re.compile(r"\A(?:> [^\n]*\n)+\n?")


def recognizes(file: SourceFile) -> bool:
    """Whether it is an object with messages that are events of Matrix."""
    fields = {"type", "sender", "event_id", "origin_server_ts"}
    return {f"messages.item.{field}" for field in fields} <= json_paths(file)


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages, in the words in which they were first sent where the room has them edited by further ones."""
    names = _names(file)
    chat = Chat()
    for location, record, _ in json_items(file, ("messages.item",), report):
        content = record.get("content") if isinstance(record, dict) else None
        if not isinstance(content, dict) or text_in(record, "type") != "m.room.message":
            report.skip(location.error(None, "an event of the room", "a message", "no message of a user"))
            continue
        if text_in(content, "msgtype") == "m.notice" or text_in(content, "m.relates_to", "rel_type") == "m.replace":
            reason = "sent by a bot" if text_in(content, "msgtype") == "m.notice" else "an edit of another message"
            report.skip(location.error(None, reason, "a message", reason))
            continue
        date = if_valid("date", optional_date, record, "origin_server_ts", location, report)
        account = text_in(record, "sender")
        reply_to = text_in(content, "m.relates_to", "m.in_reply_to", "event_id")
        text = _text(content, is_reply=reply_to is not None)
        shown = names.get(account or "", account)
        known = settings.accounts.names(shown, account) if shown else ()
        document = message(location, report, known[0] if known else None, text, date)
        if document is not None:
            name = text_in(record, "event_id")
            answers = chat.add(document.user_id, document.text, name, reply_to)
            yield SourceText(document, answers, known[1:], name, reply_to, account=account)


def _names(file: SourceFile) -> dict[str, str]:
    """The names of members by their accounts, as the room's events tell them; none that several have."""
    names: dict[str, str] = {}
    for _, record, _ in json_items(file, ("messages.item",), LoadReport()):
        account, name = text_in(record, "state_key"), text_in(record, "content", "displayname")
        if text_in(record, "type") == "m.room.member" and account and name:
            names[account] = name
    counts = Counter(names.values())
    return {account: name for account, name in names.items() if counts[name] == 1}


def _text(content: dict[str, Any], is_reply: bool) -> str | None:
    """What a message says: without the lines of what it answers, and of a file only what is written below it."""
    kind, text = text_in(content, "msgtype"), text_in(content, "body") or ""
    if kind in _FILES:
        return text if text_in(content, "filename") not in (None, text) else None
    return (_FALLBACK.sub("", text, count=1) if is_reply else text) if kind in _TEXTS else None


READER = Reader("a Matrix room", "Element's JSON with events that have a sender and an event_id", recognizes, read)
