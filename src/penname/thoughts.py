"""Thoughts that a chat model writes before its reply; they are no part of a completion.

They have marks around them. Where the marks are control tokens, their letters in a user's text are letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple


class Marks(NamedTuple):
    """What a thought begins with, and what ends it."""

    opening: str
    closing: str


MARKS = (
    Marks("<think>", "</think>"),  # Qwen, DeepSeek, GLM, SmolLM, Phi, Kimi, MiniMax and most others
    Marks("<thinking>", "</thinking>"),  # fine-tuned models
    Marks("<thought>", "</thought>"),  # EXAONE Deep
    Marks("<reasoning>", "</reasoning>"),  # fine-tuned models
    Marks("[THINK]", "[/THINK]"),  # Magistral
    Marks("<seed:think>", "</seed:think>"),  # Seed-OSS
    Marks("◁think▷", "◁/think▷"),  # Kimi-VL
    Marks("<|START_THINKING|>", "<|END_THINKING|>"),  # Command A
    Marks("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    Marks("<|channel>", "<channel|>"),  # Gemma 4
    Marks("<|channel|>", "<|channel|>final<|message|>"),  # gpt-oss: whatever is not in the channel `final`
)

_BEGINS = re.compile(rf"\s*(?:{'|'.join(re.escape(marks.opening) for marks in MARKS)})", re.IGNORECASE)
_ENDS = re.compile("|".join(re.escape(marks.closing) for marks in MARKS), re.IGNORECASE)


def opened(text: str) -> Marks | None:
    """The marks of the thought that a text ends in the beginning of; None where it does not."""
    end = text.rstrip()
    return next((marks for marks in MARKS if end.endswith(marks.opening)), None)


def marked(text: str) -> bool:
    """Whether there are marks of thoughts in a text."""
    return any(mark in text for marks in MARKS for mark in marks)


def without_thoughts(text: str) -> str:
    """A model's reply behind its last thought that ends; nothing where another one begins there and does not end.

    text: the reply as a server or an export has it, where marks are letters. The one that opens a thought may be
        missing, as it may stand in the prompt.
    """
    ends = [match.end() for match in _ENDS.finditer(text)]
    reply = text[ends[-1] :].lstrip() if ends else text
    return "" if _BEGINS.match(reply) else reply


class ThoughtCutter:
    """Cuts thoughts off what a model wrote.

    template: the model's chat template.
    control_tokens: the control tokens of its tokenizer.
    encode: the token ids of a text that may have control tokens.

    Marks that are control tokens, or that the template names, are obeyed wherever they are; any others only where a
    text begins with a thought, since a user may have written them.
    """

    def __init__(self, template: str, control_tokens: Collection[str], encode: Callable[[str], list[int]]) -> None:
        in_tokens = [marks for marks in MARKS if marks.opening in control_tokens]
        self._ids = [(encode(marks.opening), encode(marks.closing)) for marks in in_tokens]
        self._named = [marks for marks in MARKS if marks not in in_tokens and any(mark in template for mark in marks)]

    def cut_tokens(self, tokens: Sequence[int]) -> list[int]:
        """The token ids behind the last thought that ends, up to one that does not."""
        kept = list(tokens)
        for opening, closing in self._ids:
            ends = _places(kept, closing)
            kept = kept[ends[-1] + len(closing) :] if ends else kept
            begins = _places(kept, opening)
            kept = kept[: begins[0]] if begins else kept
        return kept

    def cut_text(self, text: str) -> str:
        """The text without thoughts whose marks are no control tokens."""
        for marks in MARKS:
            if marks in self._named or text.lstrip().startswith(marks.opening):
                text = text.rpartition(marks.closing)[2].partition(marks.opening)[0]
        return text


def _places(tokens: Sequence[int], part: Sequence[int]) -> list[int]:
    """Where a sequence of token ids begins in another."""
    return [i for i in range(len(tokens) - len(part) + 1) if list(tokens[i : i + len(part)]) == list(part)]
