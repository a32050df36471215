"""A picture of how a user writes: lengths, favoured words, subjects over time, and who writes most alike.

All of it is counted anew each time, so that nothing is left to forget, and within about a second: of very many
documents the latest are counted, and of other users a sample.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from penname.data.records import Document
from penname.reporting.histograms import counts_by_range
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.store import Store
from penname.serve.style import LONGEST, texts_of_others
from penname.session.style_card import SUBJECT_LETTERS, favoured_words, lower_words
from penname.words import split_words

OWN_LETTERS, OTHERS_LETTERS, MOST_OTHERS = 600_000, 12_000, 200
"""About so many letters of the user's documents are counted, and of each of so many others at most."""

SECONDS_FOR_OTHERS = 0.5
"""How long others' documents are read; the rest of them is not compared with."""

WORDS, WORDS_OF_SPAN, SPANS, NEAREST = 24, 6, 24, 6
"""How many favoured words are shown in all and of a span of time, how many spans, and how many other users."""

FEWEST_TEXTS, TIMES_AS_OFTEN = 2, 2
"""A word stands out in a span of time that is in so many of its texts, and so many times as often as in the others."""

FEWEST_YEARS = 3
"""From so many years with documents on the spans are years, else months."""

COMMON_WORDS = 150
"""How many of the most frequent words tell who writes alike."""


class FavouredWord(NamedTuple):
    """A word that a user favours. times: how often it is in the documents that were counted."""

    word: str
    times: int


class Span(NamedTuple):
    """A month or a year. words: those that stand out in it among the user's documents."""

    name: str
    documents: int
    words: list[str]


class Near(NamedTuple):
    """Another user. likeness: from -1 to 1."""

    user: str
    likeness: float


@dataclass(frozen=True)
class Picture:
    """How a user writes.

    documents: number of all documents. counted: number of those that were counted, the latest.
    others: number of users that were compared with.
    undated: number of counted documents without a date.
    """

    documents: int
    counted: int
    others: int
    lengths: list[tuple[str, int]]
    words: list[FavouredWord]
    spans: list[Span]
    undated: int
    nearest: list[Near]


def picture_of(store: Store, user: str) -> Picture:
    """How a user writes. Raises UnknownUser."""
    known = store.user(LOCAL_TENANT, user).id
    own = store.latest_documents(LOCAL_TENANT, known, OWN_LETTERS)[::-1]
    texts = [document.text[:LONGEST] for document in own]
    others = _others(store, known) if own else {}
    usual = _together(others.values())
    words = Counter(word for text in texts for word in lower_words(text))
    favoured = favoured_words(texts, usual)[:WORDS] if others else []
    return Picture(
        documents=store.count_documents(LOCAL_TENANT, [known]).get(known, 0),
        counted=len(own),
        others=len(others),
        lengths=counts_by_range([len(split_words(text)) for text in texts]),
        words=[FavouredWord(word, words[word]) for word, _ in favoured],
        spans=_spans(own),
        undated=sum(document.date is None for document in own),
        nearest=_nearest(words, others),
    )


def _others(store: Store, user: str) -> dict[str, Counter[str]]:
    """How often each of some other users has used each word."""
    end = time.monotonic() + SECONDS_FOR_OTHERS
    found: dict[str, Counter[str]] = {}
    for other, texts in texts_of_others(store, LOCAL_TENANT, user, OTHERS_LETTERS):
        found[other] = Counter(word for text in texts for word in lower_words(text))
        if len(found) == MOST_OTHERS or time.monotonic() > end:
            break
    return found


def _together(counts: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return total


def _spans(documents: Sequence[Document]) -> list[Span]:
    """The latest months or years with documents, in their order."""
    dates = [document.date for document in documents if document.date]
    years = {date[:4] for date in dates}
    length = 7 if len(years) < FEWEST_YEARS and all(len(date) >= 7 for date in dates) else 4
    texts: dict[str, list[set[str]]] = defaultdict(list)
    for document in documents:
        if document.date:
            texts[document.date[:length]].append(set(lower_words(document.text[:LONGEST])))
    everywhere = Counter(word for found in texts.values() for words in found for word in words)
    return [
        Span(name, len(texts[name]), _subjects(texts[name], everywhere, len(dates))) for name in sorted(texts)[-SPANS:]
    ]


def _subjects(texts: Sequence[set[str]], everywhere: Counter[str], count: int) -> list[str]:
    """The words that stand out in texts: of the style words others of the user's texts have as many.

    texts: the words of each. everywhere: in how many texts each word is, these and others. count: number of all texts.
    """
    scores: dict[str, float] = {}
    for word, times in Counter(word for words in texts for word in words).items():
        here, elsewhere = times / len(texts), (everywhere[word] - times) / max(1, count - len(texts))
        if times >= FEWEST_TEXTS and here >= TIMES_AS_OFTEN * elsewhere:
            scores[word] = times * math.log(here / (elsewhere + 1 / count))
    return sorted(scores, key=lambda word: (len(word) <= SUBJECT_LETTERS, -scores[word], word))[:WORDS_OF_SPAN]


def _nearest(own: Counter[str], others: Mapping[str, Counter[str]]) -> list[Near]:
    """Who uses the most frequent words most alike: cosine Delta (Smith and Aldridge, 2011, after Burrows, 2002)."""
    users = [own, *others.values()]
    totals = np.array([max(1, counts.total()) for counts in users])
    common = [word for word, _ in _together(users).most_common(COMMON_WORDS)]
    if len(users) < 3 or not common:  # of two alone every difference is as large as can be
        return []
    rates = np.array([[counts[word] for word in common] for counts in users]) / totals[:, None]
    deviations = rates.std(axis=0)
    scores = (rates - rates.mean(axis=0)) / np.where(deviations > 0, deviations, 1)
    scores /= np.maximum(np.linalg.norm(scores, axis=1, keepdims=True), 1e-12)
    likeness = scores[1:] @ scores[0]
    names = list(others)
    return [Near(names[place], float(likeness[place])) for place in np.argsort(-likeness, kind="stable")[:NEAREST]]
