"""ROUGE and METEOR against the libraries that define them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace

import pytest
from nltk.stem.porter import PorterStemmer
from nltk.translate.meteor_score import single_meteor_score
from rouge_score.rouge_scorer import RougeScorer

from penname.rewards.overlap import METRICS, meteor, meteor_name, rouge1, rouge_l

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


WORDS = [
    ("He left early.", ["He", "left", "early", "."]),
    ("He left. She didn't stay!", ["He", "left", ".", "She", "did", "n't", "stay", "!"]),
    (
        '"Why?" she asked; he shrugged...',
        ["``", "Why", "?", "''", "she", "asked", ";", "he", "shrugged", "..."],
    ),
    ("It cost $3.50 (a lot).\nNever!", ["It", "cost", "$", "3.50", "(", "a", "lot", ")", ".", "Never", "!"]),
    ("Leaving early, they were stayed.", ["Leaving", "early", ",", "they", "were", "stayed", "."]),
    ("", []),
]


def test_meteor_is_that_of_nltk_on_the_words_of_its_tokenizer() -> None:
    given = {} if meteor_name() == "meteor" else {"wordnet": SimpleNamespace(synsets=lambda word: [])}
    for (reference, expected), (response, found) in product(WORDS, repeat=2):
        assert meteor(reference, response) == single_meteor_score(expected, found, stemmer=PorterStemmer(), **given)


def test_meteor_of_the_example_in_evaluates_documentation() -> None:
    score = meteor(
        "It is a guide to action that ensures that the military will forever heed Party commands",
        "It is a guide to action which ensures that the military always obeys the commands of the party",
    )
    assert round(score, 4) == 0.6944


def test_meteor_matches_stems() -> None:
    assert meteor("he walked", "he walking") == meteor("he walked", "he walked") > meteor("he walked", "he ran")


def write_tiny_wordnet(folder: Path) -> None:
    """A dictionary in WordNet's format with one synset: car, auto."""
    folder.mkdir(parents=True)
    header = "  1 One synset in the format of WordNet 3.0 Copyright 2006 by Princeton University  \n"
    place = f"{len(header):08d}"
    for part in ("noun", "verb", "adj", "adv"):
        data, index = "", ""
        if part == "noun":
            data = f"{place} 06 n 02 car 0 auto 0 000 | a vehicle  \n"
            index = f"auto n 1 0 1 0 {place}  \ncar n 1 0 1 0 {place}  \n"
        (folder / f"data.{part}").write_text(header + data)
        (folder / f"index.{part}").write_text(header + index)
        (folder / f"{part}.exc").write_text("")
    (folder / "lexnames").write_text("".join(f"{i:02d}\tnoun.{i}\t1\n" for i in range(45)))
    (folder / "index.sense").write_text(f"auto%1:06:00:: {place} 1 0\ncar%1:06:00:: {place} 1 0\n")


OFFLINE_METEOR = """
import sys
import nltk

def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise AssertionError(event)

sys.addaudithook(refuse)
nltk.data.path[:] = [sys.argv[1]]
from penname.rewards.overlap import meteor, meteor_name

print(meteor_name(), meteor("the car stopped", "the auto stopped"))
"""


@pytest.mark.parametrize(("with_data", "name", "matches"), [(True, "meteor", 3), (False, "meteor-no-synonyms", 2)])
def test_synonyms_count_where_wordnet_is_and_nothing_is_downloaded(
    tmp_path: Path, with_data: bool, name: str, matches: int
) -> None:
    if with_data:
        write_tiny_wordnet(tmp_path / "corpora" / "wordnet")
    # A process of its own, for nltk remembers which WordNet it found, and data outside its path is refused.
    process = subprocess.run(
        [sys.executable, "-c", OFFLINE_METEOR, str(tmp_path)],
        env={**os.environ, "NLTK_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    found_name, score = process.stdout.split()
    chunks = 1 if matches == 3 else 2
    assert found_name == name
    assert float(score) == pytest.approx(matches / 3 * (1 - 0.5 * (chunks / matches) ** 3))
