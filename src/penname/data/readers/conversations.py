"""Reads chats with language models: ShareGPT's, those for OpenAI's interface and Claude's, as JSON or lines of JSON."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Chat, Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import json_items, json_paths, json_values, text_in
from penname.data.records import Location
from penname.thoughts import without_thoughts

_LISTS = ("conversations", "conversation", "messages", "chat_messages")
_ROLES = ("from", "role", "sender")
_TEXTS = ("value", "content", "text")
_NOBODY = (
    *("system", "developer", "tool", "tool_call", "tool_calls", "tool_response", "function", "function_call"),
    *("function_response", "observation", "ipython", "environment"),
)

_OF_PEOPLE = ("user", "human", "prompter")


def recognizes(file: SourceFile) -> bool:
    """Whether it has lists of turns, each with a role and a text."""
    paths = json_paths(file)
    lists = [f"{outer}{name}.item" for outer in ("", "item.") for name in _LISTS]
    pairs = (("from", "value"), ("role", "content"), ("sender", "text"))
    turns = [(f"{place}.{role}", f"{place}.{text}") for place in lists for role, text in pairs]
    return any(paths.issuperset(turn) for turn in (*turns, ("item.role", "item.content"), ("item.from", "item.value")))


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The turns of both sides, each by its name or its role; those of the system and of tools are skipped."""
    chat = Chat()
    for location, value in _values(file, report):
        turns = _turns(value)
        if turns is None:
            turns = [value]  # of one conversation that is the whole file
        else:
            chat = Chat()
            report.rows += len(turns) - 1
            if not turns:
                report.rows += 1
                report.skip(location.error(None, "no turns", "a conversation", "conversation without messages"))
        for number, turn in enumerate(turns):
            yield from _texts(turn, location.inside(f"turn {number}: "), chat, report)


def _texts(turn: Any, location: Location, chat: Chat, report: LoadReport) -> Iterator[SourceText]:
    role = next((role for name in _ROLES if (role := text_in(turn, name))), None)
    if not isinstance(turn, dict) or role is None:
        report.reject(location.error(None, "no role", "a turn with a role and a text", "bad turn"))
    elif role.lower() in _NOBODY:
        report.skip(location.error(None, f"a turn of {role!r}", "one of a user", "of the system or a tool"))
    else:
        name = text_in(turn, "name")
        date = if_valid("date", optional_date, turn, "created_at" if turn.get("created_at") else None, location, report)
        text = _text(turn) if role.lower() in _OF_PEOPLE else without_thoughts(_text(turn))
        document = message(location, report, name or role, text, date)
        if document is not None:
            yield SourceText(document, chat.add(document.user_id, document.text), (role,) if name else ())


def _values(file: SourceFile, report: LoadReport) -> Iterator[tuple[Location, Any]]:
    """The conversations of a list or of lines; of a file that is one conversation, its turns."""
    head = file.head.removeprefix(codecs.BOM_UTF8).lstrip()
    try:
        is_lines = isinstance(json.loads(head.partition(b"\n")[0]), dict)
    except (ValueError, RecursionError):
        is_lines = False
    if is_lines or head.startswith(b"["):
        yield from json_values(file, report)
    else:
        for location, value, _ in json_items(file, tuple(f"{name}.item" for name in _LISTS), report):
            yield location, value


def _turns(value: Any) -> list[Any] | None:
    """The turns of a conversation; None for what is none."""
    lists = (value.get(name) for name in _LISTS) if isinstance(value, dict) else (value,)
    return next((turns for turns in lists if isinstance(turns, list)), None)


def _text(turn: Mapping[str, Any]) -> str:
    """A turn's text, of which there may be several parts, some of them pictures."""
    found = next((turn[name] for name in _TEXTS if turn.get(name)), None)
    parts = found if isinstance(found, list) else [found]
    texts = (part if isinstance(part, str) else text_in(part, "text") for part in parts)
    return "\n".join(text for text in texts if text)


READER = Reader("chats with a language model", "turns with from and value, or role and content", recognizes, read)
