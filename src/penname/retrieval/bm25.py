"""BM25 of many profiles at once, scored as rank_bm25's BM25Okapi scores (Trotman et al., 2014, "ATIRE").

Each profile is a corpus of its own. A word's inverse document frequency is log((N - n + 0.5) / (n + 0.5)) for a word in
n of the profile's N documents; where that is negative, a quarter of the average over all of the profile's words.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from penname.errors import UserError
from penname.retrieval.compiled import compiled
from penname.retrieval.store import Store, key_of
from penname.retrieval.tokens import TokensName, cut

logger = logging.getLogger(__name__)

K1, B, EPSILON = 1.5, 0.75, 0.25
WORTH_KEEPING = 7 * 2**20
"""Characters of different texts, which a whole block of searches has: less is ranked in a tenth of a second."""


def rank_and_keep(
    queries: Sequence[str], profiles: Sequence[Sequence[str]], tokens: TokensName
) -> list[npt.NDArray[np.intp]]:
    """As `rank`, with the cache: where there is much text, what was ranked before is read from there.

    A cache that cannot be used is named in a warning, and all ranked.
    """
    if sum(map(len, dict.fromkeys(chain.from_iterable(profiles)))) < WORTH_KEEPING:
        return rank(queries, profiles, tokens)
    key = _key(queries, profiles)
    store = Store(f"bm25 {K1} {B} {EPSILON} {tokens}")
    orders = None
    try:
        kept = store.read("rankings", [key]).get(key)
        if kept is not None:
            places = np.frombuffer(kept, np.int32).astype(np.intp)
            return np.split(places, np.cumsum([len(profile) for profile in profiles[:-1]]))
        orders = rank(queries, profiles, tokens)
        store.write("rankings", {key: np.concatenate(orders).astype(np.int32).tobytes()})
    except UserError as error:
        logger.warning("%s", error)
    return rank(queries, profiles, tokens) if orders is None else orders


def _key(queries: Sequence[str], profiles: Sequence[Sequence[str]]) -> bytes:
    """Of all searches together: queries, profiles, and each text once."""
    places: dict[str, int] = {}
    digest = hashlib.sha256()
    for query, profile in zip(queries, profiles, strict=True):
        digest.update(key_of(query) + len(profile).to_bytes(8))
        for text in profile:
            new = text not in places
            digest.update(places.setdefault(text, len(places)).to_bytes(8))
            if new:
                digest.update(key_of(text))
    return digest.digest()


def rank(queries: Sequence[str], profiles: Sequence[Sequence[str]], tokens: TokensName) -> list[npt.NDArray[np.intp]]:
    """For each query the places of its profile's texts, best first; equal scores in the profile's order."""
    return [np.argsort(-own, kind="stable") for own in score(queries, profiles, tokens)]


def score(
    queries: Sequence[str], profiles: Sequence[Sequence[str]], tokens: TokensName
) -> list[npt.NDArray[np.float64]]:
    """For each query the scores of its profile's texts."""
    texts = list(chain.from_iterable(profiles))
    distinct = {text: len(queries) + place for place, text in enumerate(dict.fromkeys(texts))}
    rows = np.fromiter(map(distinct.__getitem__, texts), np.int64, len(texts))
    ends = np.cumsum([len(profile) for profile in profiles], dtype=np.int64)
    found = cut([*queries, *distinct], tokens)
    scores = _score(found.words, np.append(0, found.ends), rows, ends)
    return np.split(scores, ends[:-1]) if len(ends) else []


@compiled
def _score(words: Any, starts: Any, rows: Any, ends: Any) -> Any:
    """The scores of all profiles' texts.

    words: of the queries and of the profiles' texts; those of text t are from starts[t] to starts[t + 1].
    rows: the profiles' texts; those of profile p end at ends[p], and its query is text p.
    """
    scores = np.zeros(len(rows))
    logarithms = np.array([math.log(number + 0.5) for number in range(len(rows) + 1)])
    vocabulary = words.max() + 1 if len(words) else 0
    own_words = np.empty(vocabulary + 1, np.int32)
    texts_with = np.zeros(vocabulary, np.int32)
    last_row = np.full(vocabulary, -1, np.int32)  # of those that have the word
    asked = np.zeros(vocabulary, np.int32)  # the word's place in the query, from 1; 0 where it is not there
    first = 0
    for profile in range(len(ends)):
        texts = ends[profile] - first
        length = own = 0
        for row in range(first, ends[profile]):
            text = words[starts[rows[row]] : starts[rows[row] + 1]]
            length += len(text)
            for word in text:  # without branches: a processor would guess every other one wrong
                own_words[own] = word
                own += texts_with[word] == 0
                texts_with[word] += last_row[word] != row
                last_row[word] = row
        query = words[starts[profile] : starts[profile + 1]]
        weights = np.zeros(len(query))
        for place in range(len(query)):
            asked[query[place]] = place + 1
            here = texts_with[query[place]]
            if here:
                weights[place] = logarithms[texts - here] - logarithms[here]
        if np.any(weights < 0):
            total = 0.0
            for word in own_words[:own]:
                total += logarithms[texts - texts_with[word]] - logarithms[texts_with[word]]
            weights = np.where(weights < 0, EPSILON * total / own, weights)
        mean = length / texts if texts else 0.0
        times = np.zeros(len(query) + 1)
        for row in range(first, ends[profile]):
            text = words[starts[rows[row]] : starts[rows[row] + 1]]
            times[:] = 0
            for word in text:
                times[asked[word]] += 1
            for place in range(len(query)):
                here = times[asked[query[place]]]
                if here:  # term by term as rank_bm25, so that equal scores are equal
                    scores[row] += weights[place] * (here * (K1 + 1) / (here + K1 * (1 - B + B * len(text) / mean)))
        asked[query] = 0
        texts_with[own_words[:own]] = 0
        first = ends[profile]
    return scores
