"""What a conversation asks to be written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from penname.serve.errors import ApiError
from penname.serve.requests import Message

_NAMES = {"user": "User", "assistant": "Assistant", "tool": "Tool", "function": "Tool"}


class Task(NamedTuple):
    """What is to be written, and what documents are searched for with."""

    prompt: str
    query: str


def task_of(messages: Sequence[Message]) -> Task:
    """The last turn, behind the instructions and the turns before it, where there are any.

    Raises ApiError for a conversation whose last turn is not the user's.
    """
    *before, last = messages
    if last.role != "user" or not last.text.strip():
        found = repr(last.role) if last.role != "user" else "one without text"
        raise ApiError(
            400, f"messages: found {found}, expected a last turn of 'user' with text", "invalid_value", "messages"
        )
    instructions = [turn.text for turn in before if turn.role in ("system", "developer") and turn.text.strip()]
    turns = [f"{_NAMES[turn.role]}: {turn.text}" for turn in before if turn.role in _NAMES and turn.text.strip()]
    return Task("\n\n".join((*instructions, *turns, last.text)), last.text)
