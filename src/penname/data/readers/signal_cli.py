"""Reads what signal-cli receives, as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import json_paths, json_values, text_in


def recognizes(file: SourceFile) -> bool:
    """Whether it has envelopes as Signal's servers send them."""
    paths = json_paths(file)
    return any({f"{prefix}envelope.source", f"{prefix}envelope.timestamp"} <= paths for prefix in ("", "item."))


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages, those that were sent on another device too; receipts, reactions and the like are skipped."""
    chats: dict[str, Chat] = {}
    for location, record in json_values(file, report):
        envelope = _within(record, "envelope")
        sent = _within(envelope, "syncMessage", "sentMessage") or _within(envelope, "dataMessage")
        if sent is None:
            report.skip(location.error(None, "an envelope without a message", "a message", "no message of a user"))
            continue
        names = [text_in(envelope, field) for field in ("sourceName", "sourceNumber", "source", "sourceUuid")]
        known = [name for name in dict.fromkeys(names) if name]
        account = next(filter(None, (names[3], *names[1:3])), None)
        unique = settings.accounts.names(known[0], account)[:1] if known else ()
        date = if_valid("date", optional_date, sent, "timestamp", location, report)
        document = message(location, report, unique[0] if unique else None, text_in(sent, "message"), date)
        if document is not None:
            chat = chats.setdefault(_chat(record, sent), Chat())
            name, quoted = text_in(sent, "timestamp"), text_in(sent, "quote", "id")
            others = tuple(other for other in known if other != document.user_id)
            answers = chat.add(document.user_id, document.text, name, quoted)
            yield SourceText(document, answers, others, account=account)


def _chat(record: Any, sent: dict[str, Any]) -> str:
    """The group that a message is in, or the other side's account."""
    group = text_in(sent, "groupInfo", "groupId") or text_in(sent, "groupV2", "id")
    return group or text_in(sent, "destination") or text_in(record, "envelope", "source") or ""


def _within(record: Any, *keys: str) -> dict[str, Any] | None:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record if isinstance(record, dict) else None


READER = Reader("messages of signal-cli", "lines of JSON with an envelope", recognizes, read)
