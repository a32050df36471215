"""Reads the conversations that ChatGPT exports (`conversations.json`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from penname.data.dates import optional_date
from penname.data.load_report import LoadReport
from penname.data.readers.base import Reader, ReadingSettings, SourceFile, SourceText, if_valid, message
from penname.data.readers.json_items import json_items, json_paths, text_in
from penname.data.records import tidy
from penname.thoughts import without_thoughts

_SIDES = ("user", "assistant")
_NO_SIDE = "of the system or a tool"


def recognizes(file: SourceFile) -> bool:
    """Whether it is a list of conversations that are trees of messages."""
    return {"item.mapping", "item.title"} <= json_paths(file)


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The messages of the user and of the assistant, in all branches of each conversation."""
    for location, record, _ in json_items(file, ("item",), report):
        nodes = _nodes(record)
        report.rows += len(nodes) - 1
        if not nodes:
            report.rows += 1
            report.skip(location.error(None, "no messages", "a conversation", "conversation without messages"))
        for name, node in nodes.items():
            where, said = location.inside(f"mapping[{name}]."), node["message"]
            if _side(said) is None:
                report.skip(
                    where.error(None, "a hidden message, or one of a tool", "a turn", "of the system or a tool")
                )
                continue
            date = if_valid("date", optional_date, said, "create_time", where, report)
            document = message(where, report, _side(said), _text(said), date)
            if document is not None:
                yield SourceText(document, _answered(node, nodes))


def _nodes(record: Any) -> dict[str, dict[str, Any]]:
    """The nodes of a conversation's tree that have messages, by their names."""
    mapping = record.get("mapping") if isinstance(record, dict) else None
    nodes = mapping.items() if isinstance(mapping, dict) else ()
    return {name: node for name, node in nodes if isinstance(node, dict) and isinstance(node.get("message"), dict)}


def _side(said: Mapping[str, Any]) -> str | None:
    """Who wrote a message that is shown: `user` or `assistant`; None for one between the assistant and its tools."""
    metadata, role = said.get("metadata"), text_in(said, "author", "role")
    is_hidden = isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation")
    is_call = text_in(said, "recipient") not in (None, "all")
    is_text = text_in(said, "content", "content_type") in (None, "text", "multimodal_text")
    return role if role in _SIDES and is_text and not is_hidden and not is_call else None


def _text(said: Mapping[str, Any]) -> str:
    """A message's text, of which there may be several parts, some of them pictures."""
    content = said.get("content")
    parts = content.get("parts") if isinstance(content, dict) else None
    found = parts if isinstance(parts, list) else [text_in(content, "text")]
    texts = (part if isinstance(part, str) else text_in(part, "text") for part in found)
    text = "\n".join(text for text in texts if text)
    return without_thoughts(text) if text_in(said, "author", "role") == "assistant" else text


def _answered(node: Mapping[str, Any], nodes: Mapping[str, dict[str, Any]]) -> str | None:
    """What the other side wrote right before a message, in its branch."""
    texts: list[str] = []
    side, seen = _side(node["message"]), {id(node)}
    while (before := nodes.get(text_in(node, "parent") or "")) is not None and id(before) not in seen:
        node = before
        seen.add(id(node))
        other = _side(node["message"])
        if other == side:
            break
        texts += [text] if other and (text := tidy(_text(node["message"])).strip()) else []
    return "\n".join(reversed(texts)) or None


READER = Reader("ChatGPT's conversations", "a list of conversations with mapping", recognizes, read)
