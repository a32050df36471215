"""The parser takes apart what the model wrote, and marks what it cannot."""

import pytest

from penname.prompts.completion import ANSWER_PHRASE, OPENING_PHRASE, compose, parse


def test_the_fixed_phrases_are_those_of_figure_8():
    assert OPENING_PHRASE == "To summarize the writing style of the user, we can consider the following aspects:"
    assert ANSWER_PHRASE == "Now, considering the style summary, we can generate the final answer:"


def test_compose_and_parse_are_inverse():
    parts = parse(compose("- short\n- dry", "It rained."), with_reasoning=True)
    assert (parts.reasoning, parts.response) == ("- short\n- dry", "It rained.")


@pytest.mark.parametrize(
    "text",
    [
        "to SUMMARIZE the writing style of the user, we can  consider the following aspects:\n\nr\n\n"
        "now,  considering the\nstyle summary, we can generate the FINAL answer:\ny",
        "r Now, considering the style summary, we can generate the final answer: y",
    ],
)
def test_case_and_white_space_do_not_matter(text):
    parts = parse(text, with_reasoning=True)
    assert (parts.reasoning, parts.response) == ("r", "y")


@pytest.mark.parametrize("text", ["", "just text", OPENING_PHRASE + " r", ANSWER_PHRASE, ANSWER_PHRASE + "  \n"])
def test_without_phrase_or_response_it_is_malformed(text):
    assert parse(text, with_reasoning=True).response is None


def test_the_first_answer_phrase_counts():
    assert parse(f"r {ANSWER_PHRASE} a {ANSWER_PHRASE} b", with_reasoning=True).response == f"a {ANSWER_PHRASE} b"


def test_without_reasoning_all_is_response():
    assert parse(f"r {ANSWER_PHRASE} a", with_reasoning=False).response == f"r {ANSWER_PHRASE} a"
    assert parse("  ", with_reasoning=False).response is None


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ('Review text: "It broke."', "It broke."),
        ("review title: 'Broken' ", "Broken"),
        ("Rating: 4", "4"),
        ('It said "no"', 'It said "no"'),
        ("My Rating: 4", "My Rating: 4"),
        ('"', '"'),
        ("Review text:", None),
    ],
)
def test_pgraphrags_labels_and_quotation_marks_are_taken_off(text, response):
    assert parse(text, with_reasoning=False, label=True).response == response
    assert parse(text, with_reasoning=False).response == text.strip()
