"""Which of several candidates is chosen without a reference."""

from penname.rewards.base import RewardInput
from penname.rewards.overlap import rouge1
from penname.session.choice import choose_by_consensus


def candidates(*texts):
    return [None if text is None else RewardInput("Write.", "never looked at", text) for text in texts]


def reward(items):
    assert all(item.expected_output != "never looked at" for item in items)
    return [rouge1(item.expected_output, item.response) for item in items]


def test_the_candidate_most_like_the_others_is_chosen_for_each_input():
    chosen = choose_by_consensus(
        [candidates("snow fell", "rain fell here today", "rain fell today"), candidates("a b", "a c", "x y")], reward
    )
    assert chosen == [2, 0]


def test_malformed_candidates_are_neither_chosen_nor_compared_with():
    assert choose_by_consensus([candidates(None, "rain", "snow", "snow")], reward) == [2]
    assert choose_by_consensus([candidates(None, "rain"), candidates(None, None)], reward) == [1, 0]


def test_a_judge_without_an_answer_counts_as_zero():
    assert choose_by_consensus([candidates("a", "b", "b")], lambda items: [None] * len(items)) == [0]
