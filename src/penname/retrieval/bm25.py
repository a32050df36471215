"""BM25 for many profiles at once, with the scores of rank_bm25's BM25Okapi (Trotman et al., 2014, "ATIRE").

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
from penname.retrieval.cache import Cache, key_of
from penname.retrieval.compiled import SMALL_INPUT, compiled
from penname.retrieval.known_words import KnownWords
from penname.retrieval.tokens import TokensName, numbered, tokenize
from penname.words import VERSION

logger = logging.getLogger(__name__)

K1, B, EPSILON = 1.5, 0.75, 0.25
MIN_CACHED_CHARACTERS = 7 * 2**20
"""Characters of distinct text from which on rankings are cached; less text is ranked in a tenth of a second."""


def rank_cached(
    queries: Sequence[str], profiles: Sequence[Sequence[str]], tokens: TokensName
) -> list[npt.NDArray[np.intp]]:
    """Rank as `rank` does; where there is much text, rankings are read from the cache or written to it.

    A cache that cannot be used gives a warning, and everything is ranked again.
    """
    if sum(map(len, dict.fromkeys(chain.from_iterable(profiles)))) < MIN_CACHED_CHARACTERS:
        return rank(queries, profiles, tokens)
    key = _key(queries, profiles)
    cache = Cache(f"bm25 {K1} {B} {EPSILON} {tokens} {VERSION}")
    orders = None
    try:
        cached = cache.read("rankings", [key]).get(key)
        if cached is not None:
            indices = np.frombuffer(cached, np.int32).astype(np.intp)
            return np.split(indices, np.cumsum([len(profile) for profile in profiles[:-1]]))
        orders = rank(queries, profiles, tokens)
        cache.write("rankings", {key: np.concatenate(orders).astype(np.int32).tobytes()})
    except UserError as error:
        logger.warning("%s", error)
    return rank(queries, profiles, tokens) if orders is None else orders


def _key(queries: Sequence[str], profiles: Sequence[Sequence[str]]) -> bytes:
    """The cache key of all queries and profiles together; each distinct text is hashed only once."""
    numbers: dict[str, int] = {}
    digest = hashlib.sha256()
    for query, profile in zip(queries, profiles, strict=True):
        digest.update(key_of(query) + len(profile).to_bytes(8))
        for text in profile:
            unseen = text not in numbers
            digest.update(numbers.setdefault(text, len(numbers)).to_bytes(8))
            if unseen:
                digest.update(key_of(text))
    return digest.digest()


def warm_up() -> None:
    """Compile what ranks much text, or load it, which may take seconds."""
    rank(["a"], [["a " * SMALL_INPUT]], "words")


def rank(queries: Sequence[str], profiles: Sequence[Sequence[str]], tokens: TokensName) -> list[npt.NDArray[np.intp]]:
    """For each query, the indices of its profile's texts by descending score; ties keep the profile's order.

    profiles: the texts of each query's profile.
    tokens: how texts are tokenized.
    """
    return [np.argsort(-profile_scores, kind="stable") for profile_scores in score(queries, profiles, tokens)]


def score(
    queries: Sequence[str], profiles: Sequence[Sequence[str]], tokens: TokensName
) -> list[npt.NDArray[np.float64]]:
    """For each query, the BM25 scores of its profile's texts, in the profile's order; arguments as for `rank`."""
    texts = list(chain.from_iterable(profiles))
    numbers = {text: len(queries) + i for i, text in enumerate(dict.fromkeys(texts))}
    text_ids = np.fromiter(map(numbers.__getitem__, texts), np.int64, len(texts))
    ends = np.cumsum([len(profile) for profile in profiles], dtype=np.int64)
    tokenized = tokenize([*queries, *numbers], tokens)
    scores = _score(tokenized.words, np.append(0, tokenized.ends), text_ids, ends)
    return np.split(scores, ends[:-1]) if len(ends) else []


def rank_known(query: str, texts: Sequence[str], tokens: TokensName, known: KnownWords) -> npt.NDArray[np.intp]:
    """As `rank`, for one query. known: has the words of the texts that were ranked before, and will have all."""
    tokenized = numbered(known.hashed(query, texts, tokens))
    text_ids = np.arange(1, len(texts) + 1)
    scores = _score(tokenized.words, np.append(0, tokenized.ends), text_ids, np.array([len(texts)]))
    return np.argsort(-scores, kind="stable")


@compiled
def _score(words: Any, starts: Any, text_ids: Any, ends: Any) -> Any:
    """The scores of all profiles' texts, one profile after the other.

    words: word ids of the queries and of the profiles' distinct texts; text t has words[starts[t]:starts[t + 1]].
    starts: offsets into `words`; text p is the query of profile p.
    text_ids: the number of each profile's texts, profile after profile.
    ends: where each profile ends in `text_ids`.
    """
    scores = np.zeros(len(text_ids))
    logarithms = np.array([math.log(number + 0.5) for number in range(len(text_ids) + 1)])
    vocabulary = words.max() + 1 if len(words) else 0
    distinct_words = np.empty(vocabulary + 1, np.int32)
    texts_with = np.zeros(vocabulary, np.int32)
    last_index = np.full(vocabulary, -1, np.int32)  # index of the last text that has the word
    query_index = np.zeros(vocabulary, np.int32)  # the word's position in the query, from 1; 0: not in the query
    first = 0
    for profile in range(len(ends)):
        texts = ends[profile] - first
        length = distinct = 0
        for index in range(first, ends[profile]):
            text = words[starts[text_ids[index]] : starts[text_ids[index] + 1]]
            length += len(text)
            for word in text:  # branch-free: every other branch would be mispredicted
                distinct_words[distinct] = word
                distinct += texts_with[word] == 0
                texts_with[word] += last_index[word] != index
                last_index[word] = index
        query = words[starts[profile] : starts[profile + 1]]
        weights = np.zeros(len(query))
        for i in range(len(query)):
            query_index[query[i]] = i + 1
            frequency = texts_with[query[i]]
            if frequency:
                weights[i] = logarithms[texts - frequency] - logarithms[frequency]
        if np.any(weights < 0):
            total = 0.0
            for word in distinct_words[:distinct]:
                total += logarithms[texts - texts_with[word]] - logarithms[texts_with[word]]
            weights = np.where(weights < 0, EPSILON * total / distinct, weights)
        mean = length / texts if texts else 0.0
        counts = np.zeros(len(query) + 1)
        for index in range(first, ends[profile]):
            text = words[starts[text_ids[index]] : starts[text_ids[index] + 1]]
            counts[:] = 0
            for word in text:
                counts[query_index[word]] += 1
            for i in range(len(query)):
                count = counts[query_index[query[i]]]
                if count:  # summed term by term as in rank_bm25, so that equal scores are equal
                    scores[index] += weights[i] * (count * (K1 + 1) / (count + K1 * (1 - B + B * len(text) / mean)))
        query_index[query] = 0
        texts_with[distinct_words[:distinct]] = 0
        first = ends[profile]
    return scores
