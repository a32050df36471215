"""Guessing how a text goes on: as it did where its newest tokens stood before (prompt lookup decoding, Saxena, 2023).

Users repeat themselves and models repeat their prompts. Several tokens are read in the time of one, so guesses are read
along with the newest token; whoever samples keeps them while the tokens that it samples are the same.
"""

from __future__ import annotations

from penname.engines.base import TokenIds

NGRAMS = (3, 2)
"""So many of the newest tokens are looked up, the most first."""

FIRST, MOST = 4, 15
"""Tokens that are guessed at first, and at most; as many more as proved right, one more than did otherwise."""


class Lookup:
    """One text, the prompt included, and where each of its n-grams stood last.

    prompt: what the text begins with.
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
        """The next tokens, at most `most`; none where the newest tokens are new to the text."""
        for n in NGRAMS:
            place = self._next.get(tuple(self._tokens[-n:]))
            if place is not None:
                return self._tokens[place : place + min(most, self._most)]
        return []

    def learn(self, guessed: int, right: int) -> None:
        """Guess more or fewer tokens from now on, as so many of those guessed last were right."""
        if guessed:
            self._most = min(2 * guessed, MOST) if right == guessed else right + 1
