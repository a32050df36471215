"""Copies are told from other texts by their definition; the quick look never changes the answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penname.data.duplicates import MIN_SHARE, CopyDetector, N, ngrams_of, without_copies
from penname.data.records import Document
from penname.words import plain_words

TEXT = "The committee met on Tuesday and agreed that the old bridge should be closed before the winter rains come."


@pytest.mark.parametrize(
    ("other", "copied"),
    [
        (TEXT, True),
        (TEXT.upper().replace(" ", "\n "), True),
        (f"> He wrote: {TEXT} -- I agree with all of it, and would add much more of my own here.", True),
        (TEXT.replace("committee", "council"), True),
        (TEXT.replace("e", "e\u200b"), True),
        (TEXT.replace("mm", "m\u00adm"), True),
        (TEXT.replace("Tuesday", "Monday").replace("bridge", "road").replace("rains", "snow"), False),
        ("The committee met on Tuesday and agreed.", False),
        ("", False),
    ],
)
def test_a_copy_survives_case_marks_quotes_and_a_word_or_two(other, copied):
    assert CopyDetector(TEXT).in_text(other) == copied


def test_short_and_empty_originals():
    assert CopyDetector("Great product!").in_text("great PRODUCT")
    assert not CopyDetector("Great product!").in_text("A great product")
    assert CopyDetector("!!!").in_text("!!!")
    assert not CopyDetector(" ").in_text(" ")
    assert CopyDetector("Works great at home").in_text("My title: works  GREAT at home, really.")
    assert CopyDetector("cafe\u0301 \U0001f44d").in_text("caf\u00e9 \U0001f44d")
    assert not CopyDetector("\U0001f44d").in_text("\U0001f389")


def test_titles_and_descriptions_count():
    for fields in ({"text": TEXT}, {"text": "x", "title": TEXT}, {"text": "x", "description": f"So: {TEXT}"}):
        assert CopyDetector(TEXT).in_document(Document("u", **fields))
    assert not CopyDetector(TEXT).in_document(Document("u", "x", title="y"))


def test_texts_without_words_are_told_apart():
    assert [*without_copies(["\U0001f44d", "\U0001f389", "\U0001f44d"])] == [0, 1]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from("abcde"), max_size=30), st.lists(st.sampled_from("abcde"), max_size=40), st.data())
def test_copies_are_those_of_the_definition(one, other, data):
    if data.draw(st.booleans()):  # texts that share most of their words
        other = one[: data.draw(st.integers(0, len(one)))] + other + one
    a, b = " ".join(one), " ".join(other)
    if len(one) < N:
        expected = bool(one) and one == other
    else:
        expected = len(ngrams_of(plain_words(a)) & ngrams_of(plain_words(b))) >= MIN_SHARE * len(
            ngrams_of(plain_words(a))
        )
    assert CopyDetector(a).in_text(b) == expected


def test_near_duplicates_are_left_out_once():
    texts = [
        TEXT,
        "Another text of a different kind altogether.",
        TEXT.replace(".", "!"),
        TEXT + " Yes.",
        "Short.",
        "short",
    ]
    assert [*without_copies(texts)] == [0, 1, 4]


def test_copies_of_texts_long_ago_are_not_looked_for():
    others = [f"{n} of the {n + 1} boats came home in the {n + 2} days of rain." for n in range(100, 200)]
    assert [*without_copies([TEXT, *others, TEXT])] == list(range(101))
    assert [*without_copies([TEXT, *others, TEXT], compared=300)] == list(range(102))
    assert [*without_copies([TEXT, TEXT, *others, TEXT.upper()], compared=1)] == [0, *range(2, 103)]
