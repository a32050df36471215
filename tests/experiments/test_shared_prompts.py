"""Three authors who write unlike each other, and what all three have written on."""

import pytest
from tests.authors import STYLES, SUBJECTS, examples

from penname.errors import UserError
from penname.experiments.shared_prompts import AUTHORS, MIN_DOCUMENTS, choose_cases


def always(example):
    return True


def test_the_three_write_unlike_each_other_and_get_the_same_prompt():
    cases = choose_cases(examples(), 1, always, frozenset())
    assert len(cases) == AUTHORS
    assert {"shouting", "plain"} < {case.example.user_id for case in cases}
    assert len({case.example.input for case in cases}) == 1


def test_what_an_author_really_wrote_is_not_shown_to_the_writer():
    cases = choose_cases(examples(), 2, always, frozenset())
    assert [case.number for case in cases] == [0, 0, 0, 1, 1, 1]
    for case in cases:
        asked = case.example.input.removeprefix("Write about ").removesuffix(".")
        assert asked in case.example.output
        assert case.example.output not in {d.text for d in case.example.profile}
        style = STYLES[case.example.user_id]
        assert case.example.output == (f"Of {asked}: {style.format('that')}" if case.exact else style.format(asked))
        assert len(case.example.profile) == (len(SUBJECTS) if case.exact else len(SUBJECTS) - 1)


def test_what_the_model_was_trained_on_is_not_shown_as_the_authors():
    cases = choose_cases(examples(), 1, always, frozenset())
    nearest = next(case.example.output for case in cases if not case.exact)
    again = choose_cases(examples(), 1, always, frozenset([nearest]))
    assert nearest not in {case.example.output for case in again}


def test_a_prompt_that_does_not_fit_is_not_taken():
    cases = choose_cases(examples(), 5, lambda example: "harbour" not in example.input, frozenset())
    assert {case.example.input for case in cases} == {"Write about the forests."}


@pytest.mark.parametrize(
    "found",
    [
        examples({name: STYLES[name] for name in ("solemn", "plain")}),
        examples(subjects=SUBJECTS[: MIN_DOCUMENTS - 1]),
    ],
)
def test_too_few_users_with_documents_are_one_line(found):
    with pytest.raises(UserError, match=r"three_authors: found \d users with 8 documents, expected 3 or more"):
        choose_cases(found, 1, always, frozenset())
