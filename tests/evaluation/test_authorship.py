"""Whose text it sounds like, and how that is summed up."""

import math

import pytest

from penname.evaluation.authorship import AttributionCase, AuthorClassifier, attribution

OLD = [f"It is with great satisfaction that I lay before you the {thing} of the Union." for thing in "abcdefgh"]
NEW = [f"Folks, look: we're gonna build the {thing}. And guess what? It's working!" for thing in "abcdefgh"]


def test_texts_of_two_authors_are_told_apart_by_how_they_are_written():
    classifier = AuthorClassifier({"old": OLD, "new": NEW[:4]})
    asked = ["Look, folks, it's gonna be built.", "I lay the treaty before you with satisfaction."]
    assert classifier.authors_of(asked) == ["new", "old"]
    assert classifier.authors_of([]) == []


def voice(author, sounds_like, **rewards):
    text = {"response": "text", "sounds_like": sounds_like, "rewards": rewards}
    return AttributionCase(0, author, "Write.", "really", True, author, {"sft": text})


def test_a_methods_texts_are_counted_and_their_rewards_set_side_by_side():
    voices = [
        voice("a", "a", a=0.5, b=0.1, c=0.3),
        voice("b", "a", a=0.4, b=0.4, c=0.2),
        voice("c", None, a=0.0, b=0.0, c=0.0),
    ]
    found = attribution(voices, "sft")
    assert (found.correct, found.texts) == (1, 3)
    assert found.author_reward == pytest.approx(0.3)
    assert found.other_reward == pytest.approx((0.2 + 0.3 + 0) / 3)
    assert 0 < found.p < 1
    assert math.isnan(attribution(voices[:1], "sft").p)
