"""The text of a completion that grows: with each token only the last ones are decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""What a tokenizer writes for the first bytes of a character."""


class GrowingText:
    """The text of token ids that become more, as `decode` gives it for all of them.

    decode: the text of token ids. What it makes of a token may depend on the one before, and of some on those behind.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._begin_anew()

    def __call__(self, tokens: Sequence[int]) -> str:
        """The text of all token ids. tokens: those of the call before, in most cases, and further ones."""
        if list(tokens[: len(self._known)]) != self._known:
            self._begin_anew()
        text = self._text_of(tokens)
        if text is None:
            self._begin_anew()
            text = self._decode(tokens)
        return text

    def _begin_anew(self) -> None:
        self._known: list[int] = []
        self._text = ""
        self._start = 0
        self._before = ""

    def _text_of(self, tokens: Sequence[int]) -> str | None:
        """The text, from what is known and the last tokens; None where these change what is known."""
        end = self._decode(tokens[self._start :])
        if not end.startswith(self._before):
            return None
        new = end[len(self._before) :]
        text = self._text + new
        if not end.endswith(UNFINISHED):
            # Decoding goes on from a piece with letters, since some tokenizers drop white space at the beginning.
            if new.strip():
                self._start = len(self._known)
            self._known, self._text = list(tokens), text
            self._before = self._decode(self._known[self._start :])
        return text
