"""Control tokens, such as `<|im_end|>`: those of a template are obeyed; in users' texts their letters are letters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

WELL_KNOWN = re.compile(
    r"<\|[A-Za-z][A-Za-z0-9_]*\|>"  # ChatML, Llama 3, Phi, Qwen
    r"|<｜[^<>｜]{1,40}｜>"  # DeepSeek
    r"|</?s>|\[/?INST\]|<</?SYS>>"  # Llama 2, Mistral
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad)>"  # Gemma
)
"""Control tokens of widespread models."""

MARKS = "".join(map(chr, range(0xE000, 0xE100)))
"""Characters of which one that a text does not have can stand for another one; they have no meaning of their own."""


class ControlTokens:
    """The control tokens of a tokenizer.

    tokenizer: of transformers, or one with its `added_tokens_decoder` and `chat_template`.

    They are its special tokens and those of its added tokens that its chat template writes, as `<think>`; `strings` has
    them by their ids.
    """

    def __init__(self, tokenizer: Any) -> None:
        template = str(tokenizer.chat_template or "")
        self.strings = {
            token_id: str(token.content)
            for token_id, token in tokenizer.added_tokens_decoder.items()
            if len(token.content) > 1 and not token.content.isspace() and (token.special or token.content in template)
        }
        longest_first = sorted(map(re.escape, self.strings.values()), key=len, reverse=True)
        self._pattern = re.compile(f"(?={'|'.join(longest_first)})") if longest_first else None

    def places(self, text: str) -> list[int]:
        """Where control tokens begin in a text, also within others."""
        return [] if self._pattern is None else [match.start() for match in self._pattern.finditer(text)]

    def pieces(self, text: str) -> list[str]:
        """The text in pieces that hold no control token: each of those that it has is cut after its first letter."""
        cuts = [0, *(place + 1 for place in self.places(text)), len(text)]
        return [text[a:b] for a, b in pairwise(cuts)]

    def mark(self, text: str) -> MarkedText:
        """The text with a mark in place of the first letter of each control token, for a template to be put around."""
        places = self.places(text)
        mark = next((mark for mark in MARKS if mark not in text), "") if places else ""
        letters = list(text)
        for place in places:
            letters[place] = mark
        return MarkedText("".join(letters), mark, [text[place] for place in places])


class MarkedText:
    """A text whose control tokens are marked, also after a template was put around it.

    text: the text.
    mark: the mark; empty where there is no control token.
    letters: those that the marks stand for, in order.
    """

    def __init__(self, text: str, mark: str, letters: Sequence[str]) -> None:
        self.text, self._mark, self._letters = text, mark, letters

    def pieces(self, wrapped: str) -> list[str]:
        """The text with a template around it, in pieces between which no control token is to be read.

        wrapped: what the template made of `text`.
        """
        if not self._mark:
            return [wrapped]
        first, *others = wrapped.split(self._mark)
        # A template may have repeated or dropped what is marked; then the letters come again, or some are left.
        letters = [self._letters[i % len(self._letters)] for i in range(len(others))]
        return [piece + letter for piece, letter in zip([first, *others], [*letters, ""], strict=True)]
