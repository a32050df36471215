"""Leaks are found where they are, whoever chose the context."""

import pytest

from penname.data.leaks import (
    COPY,
    COPY_IN_PROFILE,
    FUTURE,
    SAME_TIME,
    TWO_SPLITS,
    Leaks,
    find_copies,
    find_future,
    find_shared_users,
)
from penname.data.records import Document, Example

OUTPUT = "The committee met on Tuesday and agreed that the old bridge should be closed."


def example(output=OUTPUT, date=None, profile=()):
    return Example("e", "u", "t", "Write.", output, tuple(profile), date=date)


@pytest.mark.parametrize(
    ("output", "fields"),
    [
        (OUTPUT, {"text": f"> {OUTPUT.upper()}"}),
        (OUTPUT, {"text": "x", "title": OUTPUT}),
        (OUTPUT, {"text": "x", "description": OUTPUT}),
        ("\U0001f44d\U0001f44d", {"text": "\U0001f44d\U0001f44d"}),
        ("Works great at home", {"text": "I can say: works great at home, and elsewhere."}),
    ],
)
def test_a_copy_in_a_context_is_a_leak_wherever_it_stands(output, fields):
    copy, other = Document("u", **fields), Document("u", "Another text.")
    found = Leaks()
    find_copies("train", example(output, profile=[copy, other]), [other, copy], found)
    assert found.counts == {COPY: 1, COPY_IN_PROFILE: 1}
    found = Leaks()
    find_copies("train", example(output, profile=[other]), [other], found)
    assert not found.counts


def test_documents_of_later_and_of_the_same_day():
    profile = [Document("u", "x", date=date) for date in ("2023-12-31", "2024", "2024-03-01", "2024-03-02")]
    found = Leaks()
    find_future("test", example(date="2024-03-01", profile=profile), found)
    assert found.counts == {FUTURE: 1, SAME_TIME: 2}


def test_users_in_two_splits():
    found = Leaks()
    find_shared_users({"train": ["a", "b", "b"], "val": ["c"], "test": ["b"]}, found)
    assert found.counts == {TWO_SPLITS: 1}
    assert found.lines == ["user in two splits: 'b' in train, test"]
