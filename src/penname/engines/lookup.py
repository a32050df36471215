"""Prompt lookup decoding (Saxena, 2023): drafts are the tokens after an earlier occurrence of the newest n-gram.

Users repeat themselves, and models repeat their prompts. A forward pass over several tokens takes hardly longer than
over one, so drafts are verified together with the newest token; the sampler accepts them as long as they equal the
tokens that it samples.
"""

from __future__ import annotations

from penname.engines.base import TokenIds

NGRAM_LENGTHS = (3, 2)
"""Lengths of the n-grams that are looked up, longest first."""

FIRST_LENGTH, MAX_LENGTH = 4, 15
"""Lengths of the first and of the longest draft. The length is doubled after a draft that was accepted as a whole;
otherwise it becomes the number of accepted tokens plus one."""


class PromptLookup:
    """The tokens of one text, prompt included, and the latest occurrence of each of its n-grams.

    prompt: token ids that the text begins with.
    """

    def __init__(self, prompt: TokenIds) -> None:
        self._tokens: list[int] = []
        self._next: dict[tuple[int, ...], int] = {}
        self._length = FIRST_LENGTH
        for token in prompt:
            self.add(token)

    def add(self, token: int) -> None:
        """Append a token to the text."""
        for n in NGRAM_LENGTHS:
            if len(self._tokens) >= n:
                self._next[tuple(self._tokens[-n:])] = len(self._tokens)
        self._tokens.append(token)

    def draft(self, max_tokens: int) -> list[int]:
        """A draft of the next tokens; empty where the newest n-grams have not occurred before.

        max_tokens: the longest draft that is of use, in tokens.
        """
        for n in NGRAM_LENGTHS:
            start = self._next.get(tuple(self._tokens[-n:]))
            if start is not None:
                return self._tokens[start : start + min(max_tokens, self._length)]
        return []

    def adapt(self, drafted: int, accepted: int) -> None:
        """Adapt the length of future drafts to how many tokens of the last one were accepted.

        drafted: length of the last draft, in tokens.
        accepted: number of its tokens that were accepted.
        """
        if drafted:
            self._length = min(2 * drafted, MAX_LENGTH) if accepted == drafted else accepted + 1
