"""Word-overlap rewards: ROUGE-1, ROUGE-L and METEOR.

Each is a function of the expected output (the reference) and a response, and returns a number in 0..1. They are the
metrics that LongLaMP (Kumar et al., 2024) and PGraphRAG report; ROUGE is computed without stemming, as in these.
Which words they compare is the recipe's `reward.words`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from penname.rewards.meteor import meteor
from penname.text_caches import text_cache
from penname.words import METRIC_WORDS, WordsName, split_words


def rouge1(reference: str, response: str, words: WordsName = "ascii") -> float:
    """ROUGE-1 F-measure (Lin, 2004, section 2), 0..1; 0 where either text has no words.

    With the words `ascii` it equals that of ``rouge_score`` with its default tokenizer and ``use_stemmer=False``: words
    are runs of a-z and 0-9 after lower-casing, so texts in other scripts have none. Texts in ASCII score the same with
    `unicode`.

    words: see `penname.words.WordsName`.
    """
    expected, found = _rouge_words(reference, words), _rouge_words(response, words)
    shared = (Counter(expected) & Counter(found)).total()
    return _f_measure(shared, len(expected), len(found))


def rouge_l(reference: str, response: str, words: WordsName = "ascii") -> float:
    """ROUGE-L F-measure (Lin, 2004, section 3.1) over the whole text as one sequence, 0..1.

    Called ``rougeL`` in recipes and tables. It equals that of ``rouge_score``, with the same words as :func:`rouge1`.
    """
    expected, found = _rouge_words(reference, words), _rouge_words(response, words)
    return _f_measure(_lcs_length(expected, found), len(expected), len(found))


def word_sequences(text: str, length: int) -> list[tuple[str, ...]]:
    """The sequences of `length` consecutive words of a text in lower case, in order."""
    words = split_words(text.lower())
    return [tuple(words[start : start + length]) for start in range(len(words) - length + 1)]


class Metric(Protocol):
    """A metric of this module."""

    def __call__(self, reference: str, response: str, words: WordsName = "ascii") -> float:
        """The response's score against the expected output, 0..1. words: see `penname.words.WordsName`."""
        ...


METRICS: Mapping[str, Metric] = {"rouge1": rouge1, "rougeL": rouge_l, "meteor": meteor}
"""The metrics of this module by the names that recipes and JSON use."""


# ROUGE-1 and ROUGE-L tokenize the same texts, and m samples of one input are scored against one reference.
@text_cache(maxsize=1024)
def _rouge_words(text: str, words: WordsName) -> list[str]:
    return METRIC_WORDS[words](text)


def _f_measure(shared: int, expected: int, found: int) -> float:
    return 2 * shared / (expected + found) if shared else 0.0


def _lcs_length(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence.

    The algorithm is bit-parallel (Hyyrö, 2004): one integer encodes a row of the dynamic program, with a zero bit
    wherever the row increases by one, so that n words take n additions of big integers instead of n squared steps.
    """
    occurrences: dict[str, int] = {}  # the indices of each word in `a`, a bit each
    for i, word in enumerate(a):
        occurrences[word] = occurrences.get(word, 0) | 1 << i
    all_ones = (1 << len(a)) - 1
    row = all_ones
    for word in b:
        matches = row & occurrences.get(word, 0)
        row = (row + matches | row - matches) & all_ones
    return len(a) - row.bit_count()
