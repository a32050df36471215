"""Near-duplicate detection: copies of a text that differ in case, punctuation and a few words.

Another text holds a copy where at least four fifths of the text's 5-grams of words occur in it, in any order. Of a text
of fewer than five words it holds a copy if it has the same words, or contains the text literally and the text is long
enough for this to be no coincidence. The definition is our choice.
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
"""Length in characters from which on containing a text literally is no coincidence."""

_WORD = re.compile(r"[^\W_]+")
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
"""Invisible characters, such as soft hyphens: a text is a copy with or without them."""


def _shown(text: str) -> str:
    return text if text.isascii() else _UNSEEN.sub("", text)


def words_of(text: str) -> list[str]:
    """Lower-cased words: letters and digits of any alphabet."""
    return _WORD.findall(text.lower())


def runs_of(words: list[str]) -> set[str]:
    """The distinct 5-grams of words; fewer than five words make one run."""
    return {" ".join(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1))}


def stands_in(text: str, other: str) -> bool:
    """Whether `other` contains `text` up to case and white space; a short text must be all of it."""
    text, other = _plain(text), _plain(other)
    return text == other if len(text) < NO_ACCIDENT else text in other


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", _shown(text)).casefold().split())


def parts_of(document: Document) -> list[str]:
    """The fields of a document that can hold a copy: its text, title and description."""
    return [part for part in (document.text, document.title, document.description) if part]


class Original:
    """A reference text that documents are checked against for copies."""

    def __init__(self, text: str) -> None:
        self._text = _shown(text).strip()
        self._words = words_of(self._text)
        self._runs = runs_of(self._words)
        self._missing_runs = len(self._runs) - math.ceil(SHARE * len(self._runs) - 1e-9)
        self._marks = self._words
        if len(self._words) >= RUN:
            # Every fifth word is part of five runs: if it is missing, so are they. With repeated runs they would be
            # counted twice, so such a text has no quick check.
            repeats = len(self._words) - RUN + 1 != len(self._runs)
            self._marks = [] if repeats else self._words[RUN - 1 :: RUN][: len(self._runs) // RUN]

    def held_by(self, document: Document) -> bool:
        """Whether the document's text, title or description holds a copy."""
        return any(map(self.copied_in, parts_of(document)))

    def copied_in(self, text: str) -> bool:
        """Whether `text` holds a copy; an empty reference has none."""
        if not self._text:
            return False
        text = _shown(text)
        if len(self._words) < RUN:
            return (bool(self._words) and words_of(text) == self._words) or stands_in(self._text, text)
        return not self._cannot_be(text.lower()) and len(self._runs - runs_of(words_of(text))) <= self._missing_runs

    def _cannot_be(self, lowered: str) -> bool:
        """A quick check that rejects no copy: whether more runs must be missing than a copy may lack."""
        missing = 0
        for mark in self._marks:
            if mark not in lowered:
                missing += RUN
                if missing > self._missing_runs:
                    return True
        return False


def without_copies(texts: Iterable[str]) -> list[int]:
    """Indices of the texts that are no near-duplicate of an earlier one (Jaccard similarity of runs of at least 0.8).

    Candidates come from datasketch's locality-sensitive hashing, which can miss one; each is checked against the
    definition. Texts without words are compared literally.
    """
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=SHARE * 0.65, num_perm=128)
    kept: dict[int, set[str]] = {}
    for i, text in enumerate(texts):
        words = words_of(_shown(text))
        runs = runs_of(words) if words else {text.strip()}
        signature = MinHash(num_perm=128)
        signature.update_batch([run.encode() for run in runs])
        if any(len(runs & kept[other]) >= SHARE * len(runs | kept[other]) for other in index.query(signature)):
            continue
        index.insert(i, signature)
        kept[i] = runs
    return list(kept)
