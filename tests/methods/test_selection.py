"""What is kept of an expectation step."""

import math

import pytest

from penname.methods.reasoning import longest_common_run
from penname.methods.selection import select, threshold_of


def sample(example, number, reward, finish="stop", text=None, task="notes"):
    completion = text or f"{example} {number}"
    return {
        "example_id": example, "task": task, "sample": number, "reward": reward, "finish_reason": finish,
        "completion": completion, "response": None if reward is None else completion,
    }  # fmt: skip


def test_threshold_keeps_at_or_above_and_counts_the_rest():
    samples = [
        sample("a", 0, 0.5),
        sample("a", 1, 0.7),
        sample("a", 2, None),
        sample("b", 0, 0.69),
        sample("c", 0, 1.0, "length"),
    ]
    selection = select(samples, 0.7, None, 10)
    assert [(s["example_id"], s["sample"]) for s in selection.kept] == [("a", 1)]
    assert selection.counts == {
        "samples": 5, "kept": 1, "malformed": 1, "unrewarded": 0, "unfinished": 1,
        "inputs": 3, "inputs_without_kept": 2,
    }  # fmt: skip


def test_at_most_max_kept_an_input_the_best_first_then_the_lower_number():
    samples = [sample("a", i, 1.0 if i % 2 else 0.9) for i in range(30)]
    kept = select(samples, 0.5, None, 10).kept
    assert [s["sample"] for s in kept] == list(range(1, 20, 2))


def test_the_same_completion_is_kept_once():
    samples = [sample("a", 0, 1.0, text="t"), sample("a", 1, 1.0, text="t"), sample("b", 0, 1.0, text="t")]
    assert [(s["example_id"], s["sample"]) for s in select(samples, 1.0, None, 10).kept] == [("a", 0), ("b", 0)]


@pytest.mark.parametrize(("quantile", "kept"), [(0.0, 8), (0.5, 4), (0.75, 2), (1.0, 1)])
def test_a_quantile_sets_the_threshold_from_the_rewards(quantile, kept):
    samples = [sample("ab"[i % 2], i, i / 10) for i in range(8)]
    assert len(select(samples, None, quantile, 10).kept) == kept


def test_a_quantile_is_of_the_rewards_of_each_task():
    high = [sample("a", i, 0.5 + i / 100) for i in range(4)]
    low = [sample("b", i, 0.1 + i / 100, task="mails") for i in range(4)]
    selection = select(high + low, None, 0.5, 10)
    assert [(s["example_id"], s["sample"]) for s in selection.kept] == [("a", 3), ("a", 2), ("b", 3), ("b", 2)]
    assert selection.thresholds == pytest.approx({"notes": 0.52, "mails": 0.12})
    assert select(high + low, 0.3, None, 10).thresholds == {"notes": 0.3, "mails": 0.3}


def test_without_any_reward_nothing_reaches_the_threshold():
    samples = [sample("a", 0, None)]
    assert threshold_of([], None, 0.5) == math.inf
    assert select(samples, None, 0.5, 10).kept == []


@pytest.mark.parametrize(
    ("a", "b", "run"), [([], [1], 0), ([1, 2, 3], [0, 2, 3, 4], 2), ([1, 2, 1, 2, 3], [1, 2, 3], 3), ([1], [2], 0)]
)
def test_longest_common_run(a, b, run):
    assert longest_common_run(a, b) == run
    assert longest_common_run(b, a) == run
