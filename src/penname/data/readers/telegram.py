"""Reads Telegram's exports in JSON (`result.json`): of one chat, or of all of an account's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import json_items, json_paths, text_in

_PLACES = ("messages.item", "chats.list.item.messages.item", "left_chats.list.item.messages.item")

_QUOTES = ("blockquote", "expandable_blockquote")
_ROBOT = re.compile(r".*[a-z0-9]Bot|.*[-_ ][Bb]ot|Group Help|Combot")
"""Names that bots show in groups, of which the export does not say what they are."""

_OF_ACCOUNT = {"personal_information.user_id", "personal_information.phone_number"}
"""What an account's export begins with, before contacts that may fill all of what is looked at."""


def recognizes(file: SourceFile) -> bool:
    """Whether it is an object with messages that have Telegram's fields, or begins as an account's export."""
    paths = json_paths(file)
    return paths >= _OF_ACCOUNT or any(
        f"{place}.type" in paths and (f"{place}.from_id" in paths or f"{place}.actor_id" in paths) for place in _PLACES
    )


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages; what the program says, such as who has joined, is counted as skipped."""
    chat, chat_around = Chat(), None
    for location, record, around in json_items(file, _PLACES, report):
        if around is not chat_around:
            chat, chat_around = Chat(), around
        reason = _not_by_its_sender(record, around)
        if reason is not None:
            report.skip(location.error(None, reason, "a message that its sender wrote", reason))
            continue
        account = text_in(record, "from_id")
        signed = text_in(record, "author") if "channel" in str(around.get("type")) else None
        seconds = "date_unixtime" if record.get("date_unixtime") else "date"
        date = if_valid("date", optional_date, record, seconds, location, report)
        shown = signed or text_in(record, "from")
        names = settings.accounts.names(shown, None if signed else account) if shown else (account,)
        document = message(location, report, names[0], _text(record.get("text")), date)
        if document is not None:
            name = text_in(record, "id")
            reply_to, other_chat = (text_in(record, f"reply_to_{of}_id") for of in ("message", "peer"))
            reply_to = f"{other_chat}/{reply_to}" if reply_to and other_chat else reply_to
            answers = chat.add(document.user_id, document.text, name, reply_to)
            of_chat = f"{around.get('id')}/"
            named = (of_chat + name if name else None, of_chat + reply_to if reply_to else None)
            others = tuple(other for other in (account, shown) if other and other != document.user_id)
            yield SourceText(document, answers, others, *named, account=None if signed else account)


def _not_by_its_sender(record: Any, around: Mapping[str, Any]) -> str | None:
    """Why it is no message that its sender wrote; None where it is one."""
    if not isinstance(record, dict) or record.get("type") != "message":
        return "no message of a user"
    if any(field in record for field in ("forwarded_from", "forwarded_from_id", "saved_from")):
        return "forwarded"  # the field is there, and null, where the first sender's account is deleted
    of_bot = around.get("type") == "bot_chat" and text_in(record, "from_id") == f"user{around.get('id')}"
    by_bot = of_bot or record.get("via_bot") or _ROBOT.fullmatch(text_in(record, "from") or "")
    return "sent by a bot" if by_bot else None


def _text(found: Any) -> str:
    """A message's text without quotes; it is a list where parts of it are links, bold and the like."""
    parts = found if isinstance(found, list) else [found]
    own = [part for part in parts if text_in(part, "type") not in _QUOTES]
    return "".join(part if isinstance(part, str) else text_in(part, "text") or "" for part in own)


READER = Reader("a Telegram export", "JSON with messages that have from_id", recognizes, read)
