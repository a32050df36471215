"""Probabilities of numbers as replies, out of the most probable tokens at each place of a chat server's reply.

A number's probability is that of a reply that begins with it, after white space at most, and goes on with no other
digit. A server shows 20 tokens or fewer at each place, and only along the reply that it wrote, so:

- where "10" is a token, or the reply begins with "1" and more is shown, all is known but what is too improbable to be
  shown;
- where "10" is the token "1" and another, and the reply begins with "7", say, only the sum of 1 and 10 is known: the
  digit is open. The server may tell how it would continue it, see `ChatEngine`.

What ends a reply after the number is not part of it, since no server shows that for numbers it did not write.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LONGEST_LEAD = 2
"""Number of tokens of white space and asterisks that may be before the number."""

NEGLIGIBLE = 0.01
"""Share of the numbers' probability up to which an open digit counts as the number of that digit alone."""


@dataclass(frozen=True)
class Place:
    """A place of a reply.

    token: what the server wrote there.
    probabilities: those of the most probable tokens, by their text.
    """

    token: str
    probabilities: Mapping[str, float]


def places_of(log_probs: Sequence[Any]) -> list[Place]:
    """The places of a reply.

    log_probs: as the client has them, `choices[0].logprobs.content`.
    """
    return [
        Place(_text(entry.token), _sums((_text(top.token), math.exp(top.logprob)) for top in entry.top_logprobs or ()))
        for entry in log_probs
    ]


class NumberScores:
    """The probabilities of numbers as a reply.

    places: those of the reply.
    numbers: the numbers, of one digit or two.
    """

    def __init__(self, places: Sequence[Place], numbers: Sequence[str]) -> None:
        self._numbers = numbers
        lead = next((i for i, place in enumerate(places) if place.token.strip(" \n\t*")), len(places))
        number_is_there = lead <= LONGEST_LEAD and lead < len(places)
        first = places[lead] if number_is_there else Place("", {})
        self._begins = _sums((text.lstrip(), p) for text, p in first.probabilities.items())
        self._after: dict[str, Place] = {}
        if lead + 1 < len(places):
            self._after[first.token.strip()] = places[lead + 1]
        self._written = first.token.strip()

    @property
    def open_digit(self) -> str | None:
        """A digit that several numbers begin with, after which it is not known what follows; None where there is none.

        It is None too where that hardly matters, see `NEGLIGIBLE`.
        """
        if any(text[:2].isdigit() and len(text) > 1 for text in self._begins):
            return None  # numbers of two digits are tokens here
        total = sum(self._begins.get(number, 0.0) for number in self._numbers)
        for digit in self._numbers:
            if self._longer(digit) and digit not in self._after and self._begins.get(digit, 0.0) > NEGLIGIBLE * total:
                return digit
        return None

    def add(self, digit: str, after: Place) -> None:
        """Tell what follows a digit."""
        self._after[digit] = after

    def is_written(self, digit: str) -> bool:
        """Whether the reply begins with a digit; if that is open, it is the whole reply, whose end is not shown."""
        return self._written == digit

    def probabilities(self) -> dict[str, float]:
        """The probability of each number, 0 for one that is not shown.

        That of an open digit is divided equally among the numbers that begin with it, unless it is the whole reply.
        """
        found = {number: self._begins.get(number, 0.0) for number in self._numbers}
        for digit in self._numbers:
            longer, begins = self._longer(digit), self._begins.get(digit, 0.0)
            if digit in self._after:
                after = self._after[digit].probabilities
                found[digit] = begins * max(0.0, 1 - sum(p for text, p in after.items() if text[:1].isdigit()))
                for number in longer:
                    found[number] += begins * after.get(number[1:], 0.0)
            elif self.open_digit == digit and not self.is_written(digit):
                found |= dict.fromkeys([digit, *longer], begins / (1 + len(longer)))
        return found

    def _longer(self, digit: str) -> list[str]:
        """The numbers that begin with a number, and are longer."""
        return [number for number in self._numbers if number != digit and number.startswith(digit)]


def _sums(pairs: Any) -> dict[str, float]:
    """The sum of the probabilities of each text."""
    sums: dict[str, float] = {}
    for text, probability in pairs:
        sums[text] = sums.get(text, 0.0) + probability
    return sums


def _text(token: str) -> str:
    """A token as text: some servers show the letters that stand for a space."""
    return token.replace("▁", " ").replace("Ġ", " ")
