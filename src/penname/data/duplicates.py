"""Near-duplicate detection: copies of a text that differ in case, punctuation and a few words.

A text contains a copy of a reference where at least four fifths of the reference's word 5-grams occur in it, in any
order. It contains a copy of a reference of fewer than five words if it has the same words, or if it contains the
reference literally and the reference is too long for this to be a coincidence. The definition is our choice.
"""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator

from penname.data.records import Document
from penname.words import plain_words

N = 5
"""Length of the n-grams, in words."""
MIN_SHARE = 0.8
"""Share of a reference's n-grams from which on a text that has them contains a copy."""
MIN_LITERAL_CHARACTERS = 15
"""Length from which on containing a text literally is no coincidence."""

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
"""Invisible characters, such as soft hyphens: a text is a copy with or without them."""


def _without_invisible(text: str) -> str:
    return text if text.isascii() else _INVISIBLE.sub("", text)


def ngrams_of(words: list[str]) -> set[str]:
    """The distinct 5-grams of words; fewer than five words make one n-gram."""
    return {" ".join(words[i : i + N]) for i in range(max(1, len(words) - N + 1))}


def contains_literally(text: str, reference: str) -> bool:
    """Whether `text` contains `reference` up to case and white space; a short reference must be all of the text."""
    text, reference = _normalize(text), _normalize(reference)
    return reference == text if len(reference) < MIN_LITERAL_CHARACTERS else reference in text


def _normalize(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", _without_invisible(text)).casefold().split())


def parts_of(document: Document) -> list[str]:
    """The fields of a document that can contain a copy: its text, title and description."""
    return [part for part in (document.text, document.title, document.description) if part]


class CopyDetector:
    """Detects copies of one reference text, such as an example's expected output.

    reference: the text that others are checked against.
    """

    def __init__(self, reference: str) -> None:
        self._reference = _without_invisible(reference).strip()
        self._words = plain_words(self._reference)
        self._ngrams = ngrams_of(self._words)
        self._max_missing = len(self._ngrams) - math.ceil(MIN_SHARE * len(self._ngrams) - 1e-9)
        self._probes = self._words
        if len(self._words) >= N:
            # Every fifth word is part of five n-grams: if it is missing, so are they. With repeated n-grams they would
            # be counted twice, so such a reference has no quick check.
            repeats = len(self._words) - N + 1 != len(self._ngrams)
            self._probes = [] if repeats else self._words[N - 1 :: N][: len(self._ngrams) // N]

    def in_document(self, document: Document) -> bool:
        """Whether the document's text, title or description contains a copy."""
        return any(map(self.in_text, parts_of(document)))

    def in_text(self, text: str) -> bool:
        """Whether `text` contains a copy; of an empty reference there is none."""
        if not self._reference:
            return False
        text = _without_invisible(text)
        if len(self._words) < N:
            return (bool(self._words) and plain_words(text) == self._words) or contains_literally(text, self._reference)
        if self._lacks_too_much(text.lower()):
            return False
        return len(self._ngrams - ngrams_of(plain_words(text))) <= self._max_missing

    def _lacks_too_much(self, lowered: str) -> bool:
        """A quick check that rejects no copy: whether more n-grams must be missing than a copy may lack."""
        missing = 0
        for probe in self._probes:
            if probe not in lowered:
                missing += N
                if missing > self._max_missing:
                    return True
        return False


COMPARED_NGRAMS = 500_000
"""N-grams of the texts before it that a text is compared with; each takes some 100 bytes of memory."""


def without_copies(texts: Iterable[str], compared: int = COMPARED_NGRAMS) -> Iterator[int]:
    """Indices of the texts that are no near-duplicates of an earlier one.

    A near-duplicate has a Jaccard similarity of n-grams of at least 0.8. Texts without words are compared literally.
    One that is not the same word for word is missed if all n-grams that it shares with its original are in later texts.

    compared: number of n-grams of the last texts that are none which a text is compared with.
    """
    ngrams_of_text: dict[int, array[int]] = {}
    last_with: dict[int, int] = {}
    """The last text with each n-gram."""
    whole_texts: dict[int, None] = {}
    """Hashes of the last texts' words."""
    remembered = 0
    for i, text in enumerate(texts):
        words = plain_words(_without_invisible(text))
        whole = hash(tuple(words) if words else text.strip())
        if whole in whole_texts:
            continue
        ngrams = set(map(hash, ngrams_of(words) if words else [text.strip()]))
        known = [last_with[ngram] for ngram in ngrams if ngram in last_with]
        if len(known) >= MIN_SHARE * len(ngrams) and any(  # otherwise too few are in earlier texts for any similarity
            _are_similar(ngrams, ngrams_of_text[j]) for j in set(known)
        ):
            continue
        yield i
        whole_texts[whole] = None
        ngrams_of_text[i] = array("q", ngrams)
        last_with.update(dict.fromkeys(ngrams, i))
        remembered += len(ngrams)
        while remembered > compared and len(ngrams_of_text) > 1:
            remembered -= _forget(next(iter(ngrams_of_text)), ngrams_of_text, last_with)
            del whole_texts[next(iter(whole_texts))]


def _are_similar(ngrams: set[int], others: array[int]) -> bool:
    shared = len(ngrams.intersection(others))
    return shared >= MIN_SHARE * (len(ngrams) + len(others) - shared)


def _forget(i: int, ngrams_of_text: dict[int, array[int]], last_with: dict[int, int]) -> int:
    """Forget a text; the number of its n-grams."""
    ngrams = ngrams_of_text.pop(i)
    for ngram in ngrams:
        if last_with[ngram] == i:
            del last_with[ngram]
    return len(ngrams)
