"""What passages are about: subject words, not style words, and never so much of a passage that it is given away."""

import re

import pytest

from penname.data import presidents
from penname.data.subjects import (
    MAX_SHARED_WORDS,
    MIN_AUTHORS,
    Subjects,
    find_subjects,
    listed,
    longest_shared_sequence,
)

STYLE = (
    "earnestly respectfully indispensable hereby tonight folks let's great gratifying believe recommend continue must "
    "shall upon should deem"
).split()


@pytest.fixture(scope="module")
def passages():
    return presidents.read_passages()


def test_subject_words_are_terms_and_style_words_are_not():
    terms = presidents.subjects().weights
    assert {"navy", "treasury", "taxes", "schools", "public lands", "social security", "foreign commerce"} <= set(terms)
    assert not [word for word in STYLE if any(word in term.split() for term in terms)]


def test_no_word_of_a_subject_is_one_authors_own(passages):
    by_author = {}
    for passage in passages:
        by_author.setdefault(passage.author, set()).update(re.findall(r"[a-z'’-]+", passage.text.lower()))
    for word in [term for term in presidents.subjects().weights if " " not in term]:
        assert sum(word in own for own in by_author.values()) >= MIN_AUTHORS, word


@pytest.mark.parametrize("split", presidents.SPLITS)
def test_a_prompt_holds_no_long_run_of_its_passage(split):
    for example in presidents.load_examples(split):
        subject = re.fullmatch(r"Write the passage of an annual message about (.+)\.", example.input)[1]
        assert longest_shared_sequence(subject, example.output) <= MAX_SHARED_WORDS
        for term in re.split(", | and ", subject):
            assert term.lower() in example.output.lower()


def test_a_subject_is_of_the_terms_that_tell_a_passage_from_others():
    weights = {"navy": 2.0, "public debt": 3.0, "debt": 1.5, "law": 0.5, "ships": 1.0}
    subjects = Subjects(weights, {term: term for term in weights} | {"navy": "Navy"})
    text = "The navy needs ships. A law on the public debt will pay for ships, ships and the navy."
    assert subjects.of(text) == ["Navy", "public debt", "ships"]  # "debt" says nothing beside "public debt"
    assert subjects.of("Nothing of that.") == []


def test_terms_that_follow_each_other_in_the_passage_are_turned_round():
    weights = {"public debt": 3.0, "sinking fund": 2.0}
    subjects = Subjects(weights, {term: term for term in weights})
    assert subjects.of("On the public debt and sinking fund.") == ["sinking fund", "public debt"]
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert longest_shared_sequence("a b c d", "x b C. d y") == 3


def test_terms_are_counted_in_the_corpus_it_is_given():
    """A noun that comes in bursts is a term; one that every passage has once is not, nor is a verb."""
    about = "The tariff is high. Of the tariff we speak, and they sustain the tariff in earnest of necessity."
    other = "The season is fair. Of the harvest we speak, and they sustain the hope in earnest of necessity."
    passages = [(f"author {n % 7}", about if n % 2 else other) for n in range(48)]
    terms = find_subjects(passages).weights
    assert "tariff" in terms
    assert not {"necessity", "sustain", "harvest", "season"} & set(terms)
