"""METEOR against nltk, which defines it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path
from types import SimpleNamespace

import pytest
from nltk.stem.porter import PorterStemmer
from nltk.tokenize import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer
from nltk.translate.meteor_score import single_meteor_score

from penname.rewards.meteor import _sentence_words, meteor, meteor_name

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


def nltk_meteor(reference: Sequence[str], response: Sequence[str]) -> float:
    """nltk's score of words; without synonyms where this machine has none."""
    given = {} if meteor_name() == "meteor" else {"wordnet": SimpleNamespace(synsets=lambda word: [])}
    return float(single_meteor_score(reference, response, stemmer=PorterStemmer(), **given))


def nltk_words(text: str) -> list[str]:
    sentences = PunktSentenceTokenizer().tokenize(text)
    return [word for sentence in sentences for word in NLTKWordTokenizer().tokenize(sentence)]


def test_meteor_is_that_of_nltk_on_the_words_of_its_tokenizer() -> None:
    for (reference, expected), (response, found) in product(WORDS, repeat=2):
        assert meteor(reference, response) == pytest.approx(nltk_meteor(expected, found), abs=1e-9)


def test_meteor_is_that_of_nltk_on_texts_whose_words_repeat_and_cross() -> None:
    rng = random.Random(3)
    words = ["the", "cat", "cats", "sat", "sitting", "sits", "on.", "mat", "Mat", "x1", "-", "é"]
    texts = [" ".join(rng.choices(words, k=rng.randrange(90))) for _ in range(100)]
    for reference, response in pairwise(texts):
        expected = nltk_meteor(nltk_words(reference), nltk_words(response))
        assert meteor(reference, response) == pytest.approx(expected, abs=1e-9)


SENTENCES = 5000
MARKS = [
    *"aB9é²٣_~!#$%&()*+,-./:;<=>?@[]^{|}\\\"\"''`»”’«“‘„—",
    *(
        "the",
        "the",
        "1.5",
        "n",
        "n't",
        "N'T",
        "'s",
        "'S",
        "'ll",
        "'re",
        "d'ye",
        "more'n",
        "cannot",
        "wanna",
        "g\u0131mme",
        "G\u0130MME",
        "\n",
        " ",
    ),
]


def test_words_are_those_of_nltk_whatever_marks_they_hold() -> None:
    rng = random.Random(4)
    for _ in range(SENTENCES):
        piece, more = ("".join(rng.choices(MARKS, k=rng.randrange(1, 9))) for _ in range(2))
        for sentence in (f"the {piece}", f"{piece} x {more}"):
            assert _sentence_words(sentence) == NLTKWordTokenizer().tokenize(sentence), sentence


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
from penname.rewards.meteor import meteor, meteor_name

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
