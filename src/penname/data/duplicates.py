"""Copies: texts that are the same but for case, marks and a few words.

A text is copied in another where at least four fifths of its runs of five words stand there too, in any order; a text
of fewer than five words where the other has the same words, or holds it letter for letter if it is long enough to be no
accident. What counts as a copy is our choice.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable

from penname.data.records import Document

RUN = 5
SHARE = 0.8
NO_ACCIDENT = 15
"""Characters that two texts do not share by accident."""

_WORD = re.compile(r"[^\W_]+")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
"""Characters that are not shown, such as soft hyphens: a text is a copy with or without them."""


def _shown(text: str) -> str:
    return text if text.isascii() else _UNSEEN.sub("", text)


def words_of(text: str) -> list[str]:
    """Lower-cased words: letters and digits of any alphabet."""
    return _WORD.findall(text.lower())


def runs_of(words: list[str]) -> set[str]:
    """The distinct runs of five words; of fewer words all of them as one run."""
    return {" ".join(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1))}


def stands_in(text: str, other: str) -> bool:
    """Whether `text` stands in the other letter for letter, but for case and white space; a short one as all of it."""
    own, other = _plain(text), _plain(other)
    return own == other if len(own) < NO_ACCIDENT else own in other


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", _shown(text)).casefold().split())


def parts_of(document: Document) -> list[str]:
    """All texts in which a document can show another: its text, title and description."""
    return [part for part in (document.text, document.title, document.description) if part]


class Original:
    """A text that copies are looked for of."""

    def __init__(self, text: str) -> None:
        self._text = _shown(text).strip()
        self._words = words_of(self._text)
        self._runs = runs_of(self._words)
        self._missing_runs = len(self._runs) - math.ceil(SHARE * len(self._runs) - 1e-9)
        self._marks = self._words
        if len(self._words) >= RUN:
            # A word every five stands for the five runs around it: where it is missing, these are too. Runs that
            # repeat would be counted twice, so such a text has no quick look.
            repeats = len(self._words) - RUN + 1 != len(self._runs)
            self._marks = [] if repeats else self._words[RUN - 1 :: RUN][: len(self._runs) // RUN]

    def held_by(self, document: Document) -> bool:
        """Whether the document's text, title or description holds a copy."""
        return any(map(self.copied_in, parts_of(document)))

    def copied_in(self, text: str) -> bool:
        """Whether `text` holds a copy. Nothing is a copy of an empty text."""
        if not self._text:
            return False
        text = _shown(text)
        if len(self._words) < RUN:
            return (bool(self._words) and words_of(text) == self._words) or stands_in(self._text, text)
        return not self._cannot_be(text.lower()) and len(self._runs - runs_of(words_of(text))) <= self._missing_runs

    def _cannot_be(self, lowered: str) -> bool:
        """A quick look that never misses a copy: more marks are missing than a copy may lack."""
        missing = 0
        for mark in self._marks:
            if mark not in lowered:
                missing += RUN
                if missing > self._missing_runs:
                    return True
        return False


def without_copies(texts: Iterable[str]) -> list[int]:
    """Places of the texts of which no earlier one is a near-duplicate (Jaccard similarity of runs of at least 0.8).

    Found with datasketch's locality-sensitive hashing, which can miss one; each find is checked against the definition.
    Texts without words are compared as they are.
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=SHARE * 0.65, num_perm=128)
    kept: dict[int, set[str]] = {}
    for place, text in enumerate(texts):
        words = words_of(_shown(text))
        runs = runs_of(words) if words else {text.strip()}
        signature = MinHash(num_perm=128)
        signature.update_batch([run.encode() for run in runs])
        if any(len(runs & kept[i]) >= SHARE * len(runs | kept[i]) for i in index.query(signature)):
            continue
        index.insert(place, signature)
        kept[place] = runs
    return list(kept)
