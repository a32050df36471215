"""Open WebUI's jobs beside a conversation, done without the model: its title, tags and the like are no user's texts.

Open WebUI asks the conversation's own model for them, as a user's turn that it fills in from a template. All but one
have the conversation between `<chat_history>` marks, and before it the JSON that is expected. By these they are
recognised, so that an administrator's own wording is too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from penname.serve.requests import Message
from penname.words import split_words, word_ends

WORDS_OF_TITLE = 6
LETTERS_OF_TITLE = 60
LETTERS_OF_QUERY = 200

NO_TITLE = "New Chat"
FACE = "\N{SLIGHTLY SMILING FACE}"

_TASK = "### Task:"
_HISTORY = "<chat_history>"
_END = "</chat_history>"
_COMPACTED = "### Messages Being Compacted:"
_EMOJI = re.compile(r"Your task is .{,200}\bemojis?\b.*\n\s*Message: ```.*```", re.DOTALL)
_TURN = re.compile(r"^(USER|ASSISTANT|SYSTEM|TOOL): ", re.MULTILINE)


def job_reply(messages: Sequence[Message]) -> str | None:
    """The reply to one of Open WebUI's jobs; None for a conversation that is none."""
    asked = [message.text for message in messages if message.role != "system"]
    if len(asked) != 1:
        return None
    text = asked[0].strip()
    if _EMOJI.fullmatch(text):
        return FACE
    if not text.startswith(_TASK):
        return None
    if _COMPACTED in text:
        return ""  # then Open WebUI shortens the conversation by itself
    instructions, mark, conversation = text.partition(_HISTORY)
    expected = _EXPECTED.search(instructions)
    if not mark or expected is None:
        return None
    turns = _turns_of_user(conversation.rpartition(_END)[0])
    name = expected[1]
    return json.dumps({name: _JOBS[name](turns)}, ensure_ascii=False)


def _turns_of_user(conversation: str) -> list[str]:
    """What the user said, without white space around it."""
    parts = _TURN.split(conversation)
    turns = [text.strip() for role, text in zip(parts[1::2], parts[2::2], strict=True) if role == "USER"]
    return [turn for turn in turns if turn]


def _title(turns: list[str]) -> str:
    """The first words of the first turn."""
    if not turns:
        return NO_TITLE
    line = turns[0].splitlines()[0]
    words = split_words(line)[:WORDS_OF_TITLE]
    ends = [end for end in word_ends(line, words) if end <= LETTERS_OF_TITLE]
    return line[: ends[-1] if ends else LETTERS_OF_TITLE].strip().rstrip(".,;:!?") or NO_TITLE


def _query(turns: list[str]) -> str:
    """The last turn, as far as a search takes it."""
    return " ".join(turns[-1].split())[:LETTERS_OF_QUERY].strip()


_JOBS: Mapping[str, Callable[[list[str]], str | list[str]]] = {
    "title": _title,
    "tags": lambda turns: ["General"],
    "follow_ups": lambda turns: [],
    "queries": lambda turns: [_query(turns)] if turns else [],
    "text": lambda turns: "",
    "prompt": lambda turns: turns[-1] if turns else "",
}
_EXPECTED = re.compile(r"\{\s*\"(" + "|".join(_JOBS) + r")\"\s*:")
