"""Long runs of words that generated texts have in common with others: what was copied, and what was learned by heart.

People who write of the same subject share phrases, but hardly ever twelve words in a row. Only what is looked for is in
memory, so there may be any amount of texts to look through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from penname.words import plain_words

WORDS = 12
"""Length from which on a run of words counts."""
COMMON_USERS, COMMON_TEXTS = 3, 4
"""Numbers of users, or of texts, from which on a run is a common phrase, such as a disclaimer: nobody's own words."""


class Origin(NamedTuple):
    """Where a run of words comes from: a text of a user, and what it is, such as a target."""

    user: str
    text: str
    kind: str


@dataclass(frozen=True)
class WordRun:
    """A run of words in a generated text.

    text: the text's index.
    words: the words, in lower case.
    origins: the texts that it comes from, `COMMON_TEXTS` at most; none where it comes from the text's own prompt.
    """

    text: int
    words: tuple[str, ...]
    origins: tuple[Origin, ...] = ()

    @property
    def is_common(self) -> bool:
        """Whether so many have it that it is nobody's own."""
        return len(self.origins) >= COMMON_TEXTS or len({origin.user for origin in self.origins}) >= COMMON_USERS


class WordRuns:
    """Finds the runs of words that texts have from their own prompts, and from other texts.

    texts: the generated texts.
    inputs: the input of each, whose words are not looked for: repeating them is no copying.
    prompts: the whole prompt of each, which shows documents too.
    """

    def __init__(self, texts: Sequence[str], inputs: Sequence[str], prompts: Sequence[str]) -> None:
        self._words = [plain_words(text) for text in texts]
        self._prompted: dict[tuple[int, int], list[Origin]] = {}
        self._found: dict[tuple[int, int], list[Origin]] = {}
        self._places: dict[str, list[tuple[int, int]]] = {}
        for number, words in enumerate(self._words):
            asked, shown = set(_sequences(plain_words(inputs[number]))), set(_sequences(plain_words(prompts[number])))
            for start, sequence in enumerate(_sequences(words)):
                if sequence in asked:
                    continue
                if sequence in shown:
                    self._prompted[number, start] = []
                else:
                    self._places.setdefault(sequence, []).append((number, start))

    def look_through(self, text: str, origin: Origin) -> None:
        """Look for the texts' words, other than those of their prompts, in a text. origin: says which it is."""
        for sequence in _sequences(plain_words(text)):
            for place in self._places.get(sequence, ()):
                origins = self._found.setdefault(place, [])
                if len(origins) < COMMON_TEXTS and origin not in origins:
                    origins.append(origin)

    def from_prompts(self) -> list[WordRun]:
        """The longest run of each text that its own prompt shows, outside the input."""
        return self._longest(self._prompted)

    def from_others(self, of_user: Sequence[str] | None = None, *, own: bool = False) -> list[WordRun]:
        """The longest run of each text that was looked through for, common phrases left out.

        of_user: the user that each text was written for; with it, only runs from texts of this user where `own`, else
            only those that none of this user's texts has.
        """
        kept = {}
        for place, origins in self._found.items():
            users = {origin.user for origin in origins}
            is_own = of_user is not None and of_user[place[0]] in users
            if not WordRun(place[0], (), tuple(origins)).is_common and (of_user is None or is_own == own):
                kept[place] = origins
        return self._longest(kept)

    def _longest(self, places: dict[tuple[int, int], list[Origin]]) -> list[WordRun]:
        runs: dict[int, WordRun] = {}
        for (number, _), group in groupby(enumerate(sorted(places)), lambda item: (item[1][0], item[1][1] - item[0])):
            starts = [start for _, (_, start) in group]
            words = self._words[number][starts[0] : starts[-1] + WORDS]
            if number not in runs or len(words) > len(runs[number].words):
                runs[number] = WordRun(number, tuple(words), tuple(places[number, starts[0]]))
        return list(runs.values())


def _sequences(words: Sequence[str]) -> Iterator[str]:
    """The sequences of `WORDS` words, as text."""
    return (" ".join(words[start : start + WORDS]) for start in range(len(words) - WORDS + 1))


def longest(runs: Iterable[WordRun]) -> WordRun | None:
    """The longest of runs, if there is any."""
    return max(runs, key=lambda run: len(run.words), default=None)
