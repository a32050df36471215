"""ROUGE against the library that defines it, and what all overlap metrics share."""

from __future__ import annotations

import random
from itertools import pairwise, product

import pytest
from rouge_score.rouge_scorer import RougeScorer

from penname.rewards.meteor import meteor
from penname.rewards.overlap import METRICS, rouge1, rouge_l

REAL = [
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in "
    "Liberty, and dedicated to the proposition that all men are created equal.",
    "Now we are engaged in a great civil war, testing whether that nation, or any nation so conceived and so "
    "dedicated, can long endure. We are met on a great battle-field of that war.",
    "It is rather for us to be here dedicated to the great task remaining before us — that from these "
    "honored dead we take increased devotion to that cause for which they gave the last full measure of "
    "devotion.",
    "I bought this pedal for my daughter's birthday; she didn't like it at first, but after 3 weeks she's "
    "playing it every day! 5/5 stars.\n\nWould buy again.",
]
ODD = [
    "",
    " \n\t",
    "...!?—",
    "word",
    "Word WORD word word",
    "a b a b a b a b a c",
    "naïve café — 北京 Ünïcödé",
    "İstanbul ß ﬁne",
    "1.5 2,000 3rd x_y",
    "\ud83d\ude00 emoji 😀 text",
]
PAIRS = list(product(REAL + ODD, repeat=2))


def random_texts(count: int) -> list[str]:
    """Texts over few words, so that words repeat and subsequences cross, of up to 90 words."""
    rng = random.Random(3)
    words = ["the", "cat", "cats", "sat", "sitting", "on", "mat", "Mat", "x1", "-", "é"]
    return [" ".join(rng.choices(words, k=rng.randrange(90))) for _ in range(count)]


def test_rouge_is_that_of_rouge_score() -> None:
    scorer = RougeScorer(["rouge1", "rougeL"], use_stemmer=False)
    texts = random_texts(60)
    for reference, response in PAIRS + list(pairwise(texts)):
        expected = scorer.score(reference, response)
        assert rouge1(reference, response) == pytest.approx(expected["rouge1"].fmeasure, abs=1e-9)
        assert rouge_l(reference, response) == pytest.approx(expected["rougeL"].fmeasure, abs=1e-9)


def test_rouge_by_hand() -> None:
    # 3 words shared of 4 and 6; "the cat sat" keeps its order, with "the" and "sat" around.
    assert rouge1("the cat sat down", "sat the cat on the mat") == pytest.approx(2 * 3 / (4 + 6))
    assert rouge_l("the cat sat down", "sat the cat on the mat") == pytest.approx(2 * 2 / (4 + 6))


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_stays_within_bounds(metric: str) -> None:
    for reference, response in PAIRS:
        assert 0.0 <= METRICS[metric](reference, response) <= 1.0


@pytest.mark.parametrize("text", REAL)
def test_a_text_against_itself(text: str) -> None:
    assert rouge1(text, text) == 1.0
    assert rouge_l(text, text) == 1.0
    assert 0.999 < meteor(text, text) < 1.0


def test_texts_without_words_score_nothing() -> None:
    for metric in METRICS.values():
        assert metric("", "") == metric("", REAL[0]) == metric(REAL[0], "") == 0.0
