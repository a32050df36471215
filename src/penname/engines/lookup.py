"""Prompt lookup decoding (Saxena, 2023): drafts are the tokens after an earlier occurrence of the newest n-gram.

Users repeat themselves, and models repeat their prompts. A forward pass over several tokens takes hardly longer than
over one, so drafts are verified together with the newest token; the sampler accepts them as long as they equal the
tokens that it samples.
"""

from __future__ import annotations

from penname.engines.base import TokenIds

NGRAMS = (3, 2)
"""Lengths of the n-grams that are looked up, longest first."""

FIRST, MOST = 4, 15
"""Length of the first draft and of the longest: doubled after a correct one, else the correct part plus one token."""


class Lookup:
    """The tokens of one text, prompt included, and the latest occurrence of each of its n-grams.

    prompt: the tokens that the text begins with.
    """

    def __init__(self, prompt: TokenIds) -> None:
        self._tokens: list[int] = []
        self._next: dict[tuple[int, ...], int] = {}
        self._most = FIRST
        for token in prompt:
            self.add(token)

    def add(self, token: int) -> None:
        """Append a token."""
        for n in NGRAMS:
            if len(self._tokens) >= n:
                self._next[tuple(self._tokens[-n:])] = len(self._tokens)
        self._tokens.append(token)

    def guess(self, most: int) -> list[int]:
        """A draft of at most `most` tokens; empty where the newest n-grams have not occurred before."""
        for n in NGRAMS:
            start = self._next.get(tuple(self._tokens[-n:]))
            if start is not None:
                return self._tokens[start : start + min(most, self._most)]
        return []

    def learn(self, guessed: int, right: int) -> None:
        """Adapt the length of drafts.

        guessed: length of the last draft.
        right: how many of its tokens were accepted.
        """
        if guessed:
            self._most = min(2 * guessed, MOST) if right == guessed else right + 1
