"""BM25 of many profiles at once, scored as rank_bm25's BM25Okapi scores (Trotman et al., 2014, "ATIRE").

Each profile is a corpus of its own. A word's inverse document frequency is log((N - n + 0.5) / (n + 0.5)) for a word in
n of the profile's N documents; where that is negative, a quarter of the average over all of the profile's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from penname.retrieval.tokens import Tokens, TokensName, cut

K1, B, EPSILON = 1.5, 0.75, 0.25

Ints = npt.NDArray[np.intp]
Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def rank(queries: Sequence[str], profiles: Sequence[Sequence[str]], tokens: TokensName) -> list[Ints]:
    """For each query the places of its profile's texts, best first; equal scores in the profile's order."""
    return [np.argsort(-own, kind="stable") for own in score(queries, profiles, tokens)]


def score(queries: Sequence[str], profiles: Sequence[Sequence[str]], tokens: TokensName) -> list[Floats]:
    """For each query the scores of its profile's texts."""
    texts = list(chain.from_iterable(profiles))
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    sizes = np.array([len(profile) for profile in profiles], np.intp)
    rows = _Rows(
        np.repeat(np.arange(len(profiles)), sizes),
        np.fromiter(map(places.__getitem__, texts), np.intp, len(texts)),
        sizes,
    )
    scores = _score_rows(cut(queries, tokens), rows, cut(list(places), tokens))
    return [scores[end - size : end] for end, size in zip(np.cumsum(sizes), sizes, strict=True)]


@dataclass(frozen=True)
class _Rows:
    """A row for each text of each profile: the profile, and the text as a place among the distinct texts.

    sizes: the number of texts of each profile.
    """

    profile: Ints
    text: Ints
    sizes: Ints


@dataclass(frozen=True)
class _Counts:
    """How often (`times`) a word stands in a text, sorted by text; the pairs of text t start at `starts[t]`."""

    word: Ints
    times: Ints
    starts: Ints


def _score_rows(asked: list[Tokens], rows: _Rows, texts: list[Tokens]) -> Floats:
    query_lengths = np.concatenate([piece.counts for piece in asked])
    vocabulary, word = np.unique(np.concatenate([piece.words for piece in asked]), return_inverse=True)
    width = max(1, len(vocabulary))
    # A term is a word of a profile's query.
    terms, asked_times = np.unique(
        np.repeat(np.arange(len(query_lengths)), query_lengths) * width + word, return_counts=True
    )
    counts = _count_known(texts, vocabulary)
    row, pair = _words_of_rows(rows.text, counts)
    hit, term = _Finder(terms).find(rows.profile[row] * width + counts.word[pair])
    row, times = row[hit], counts.times[pair[hit]]

    profile = terms // width
    texts_with = np.bincount(term, minlength=len(terms))
    weight = np.where(texts_with, _idf(rows.sizes[profile], texts_with), 0.0)
    floored = np.unique(profile[weight < 0])
    if len(floored):
        floor = np.zeros(len(rows.sizes))
        floor[floored] = EPSILON * _average_idf(floored, rows, texts)
        weight = np.where(weight < 0, floor[profile], weight)
    lengths = np.concatenate([piece.counts for piece in texts])[rows.text].astype(float)
    mean_length = np.bincount(rows.profile, lengths, len(rows.sizes)) / np.maximum(rows.sizes, 1)
    relative = lengths[row] / mean_length[rows.profile[row]]
    gain = (asked_times * weight)[term] * times * (K1 + 1) / (times + K1 * (1 - B + B * relative))
    return np.bincount(row, gain, len(rows.text)).astype(float)  # integers where there is no row at all


def _idf(texts: Ints, texts_with: Ints) -> Floats:
    logarithm = np.log(np.arange(texts.max(initial=0) + 1) + 0.5)
    found: Floats = logarithm[texts - texts_with] - logarithm[texts_with]
    return found


def _average_idf(profiles: Ints, rows: _Rows, texts: list[Tokens]) -> Floats:
    """Mean over all distinct words of each of the `profiles`, which are some of those that have words."""
    wanted = np.zeros(len(rows.sizes), bool)
    wanted[profiles] = True
    used, text = np.unique(rows.text[wanted[rows.profile]], return_inverse=True)
    counts = _count_all(_only(texts, used))
    sizes = rows.sizes[profiles]
    holds = csr_array((np.ones(len(text), np.int32), text, np.append(0, np.cumsum(sizes))))
    has = csr_array((np.ones(len(counts.word), np.int32), counts.word, counts.starts))
    texts_with = holds @ has
    starts = texts_with.indptr
    idf = _idf(np.repeat(sizes, np.diff(starts)), texts_with.data)
    return np.add.reduceat(idf, starts[:-1]) / np.diff(starts)


def _only(texts: list[Tokens], used: Ints) -> list[Tokens]:
    """Those of the texts whose places are in `used`, which is in order."""
    in_use = np.zeros(sum(len(piece.counts) for piece in texts), bool)
    in_use[used] = True
    masks = np.split(in_use, np.cumsum([len(piece.counts) for piece in texts[:-1]]))
    return [
        Tokens(piece.words[np.repeat(mask, piece.counts)], piece.counts[mask])
        for piece, mask in zip(texts, masks, strict=True)
    ]


def _count_known(texts: list[Tokens], vocabulary: Numbers) -> _Counts:
    """The words of the texts that are in the vocabulary, which gives their numbers."""
    finder = _Finder(vocabulary)
    pieces = []
    for piece in texts:
        known, number = finder.find(piece.words)
        known_in_text = np.diff(np.searchsorted(known, np.cumsum(piece.counts)), prepend=0)
        pieces.append(_count(known_in_text, number, len(vocabulary)))
    return _joined(pieces)


def _count_all(texts: list[Tokens]) -> _Counts:
    """All words of the texts, numbered as they come."""
    encoded = pc.dictionary_encode(_column(np.concatenate([piece.words for piece in texts])))
    numbers = np.split(_array(encoded.indices), np.cumsum([len(piece.words) for piece in texts[:-1]]))
    width = len(encoded.dictionary)
    return _joined([_count(piece.counts, own, width) for piece, own in zip(texts, numbers, strict=True)])


def _count(lengths: Ints, words: Ints, width: int) -> _Counts:
    """Count the words of texts that are so many words long; each word is a number under `width`."""
    texts = np.arange(len(lengths) + 1)
    numbers = np.repeat(texts[:-1], lengths) * width + words
    if len(lengths) * width < 2**31:
        numbers = numbers.astype(np.int32)  # half the width in half the time
    pairs, times = np.unique(numbers, return_counts=True)
    return _Counts(pairs % max(1, width), times, np.searchsorted(pairs, texts * width))


def _joined(pieces: list[_Counts]) -> _Counts:
    before = np.cumsum([0, *(len(piece.word) for piece in pieces)])
    starts = [piece.starts[:-1] + start for piece, start in zip(pieces, before, strict=False)]
    return _Counts(
        np.concatenate([piece.word for piece in pieces]),
        np.concatenate([piece.times for piece in pieces]),
        np.concatenate([*starts, before[-1:]]),
    )


def _words_of_rows(texts: Ints, counts: _Counts) -> tuple[Ints, Ints]:
    """For each row, given by its text, the text's pairs in `counts`: the row and the pair."""
    numbers = counts.starts[texts + 1] - counts.starts[texts]
    ends = np.cumsum(numbers)
    pair = np.arange(ends[-1] if len(ends) else 0) + np.repeat(counts.starts[texts] - ends + numbers, numbers)
    return np.repeat(np.arange(len(texts)), numbers), pair


class _Finder:
    """Finds the values that stand among others."""

    def __init__(self, among: Numbers) -> None:
        # Most values stand there not, and most of these are told by 16 bits of a hash.
        self._possible = np.zeros(2**16, bool)
        self._possible[_hash(among)] = True
        self._among = _column(among)

    def find(self, values: Numbers) -> tuple[Ints, Ints]:
        """The places of the values that were found, and where they stand among the others."""
        place = np.flatnonzero(self._possible[_hash(values)])
        found = pc.index_in(_column(values[place]), value_set=self._among)
        return place[_array(pc.is_valid(found).cast(pa.uint8())).astype(bool)], _array(found.drop_null())


def _hash(values: Numbers) -> Numbers:
    """16 bits of each."""
    return (values * 0x61C8864680B583EB >> 48) + 2**15


def _column(values: Numbers) -> pa.Array:
    # pa.array and to_numpy would load pandas, which takes seconds.
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def _array(column: pa.Array) -> Ints:
    return np.from_dlpack(column).astype(np.intp)
