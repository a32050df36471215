"""Which samples of an expectation step are kept."""

import math

import pytest

from penname.config import ExpectationConfig
from penname.prompts.copying import longest_common_span
from penname.rest_pg.selection import select, threshold_of, weigh


def sample(example, number, reward, finish="stop", text=None, task="notes"):
    completion = text or f"{example} {number}"
    return {
        "example_id": example, "task": task, "sample": number, "reward": reward, "finish_reason": finish,
        "completion": completion, "response": None if reward is None else completion,
    }  # fmt: skip


def kept_of(selection):
    return [(s["example_id"], s["sample"]) for s in selection.kept]


def test_threshold_keeps_at_or_above_and_counts_the_rest():
    samples = [
        sample("a", 0, 0.5),
        sample("a", 1, 0.7),
        sample("a", 2, None),
        sample("b", 0, 0.69),
        sample("c", 0, 1.0, "length"),
    ]
    selection = select(samples, ExpectationConfig(threshold=0.7))
    assert [(s["example_id"], s["sample"]) for s in selection.kept] == [("a", 1)]
    assert selection.counts == {
        "samples": 5, "kept": 1, "malformed": 1, "unrewarded": 0, "unfinished": 1, "repeated": 0,
        "inputs": 3, "inputs_without_kept": 2,
    }  # fmt: skip


def test_at_most_max_kept_per_input_the_best_first_then_the_lower_index():
    samples = [sample("a", i, 1.0 if i % 2 else 0.9) for i in range(30)]
    kept = select(samples, ExpectationConfig(threshold=0.5)).kept
    assert [s["sample"] for s in kept] == list(range(1, 20, 2))


def test_the_same_completion_is_kept_once():
    samples = [sample("a", 0, 1.0, text="t"), sample("a", 1, 1.0, text="t"), sample("b", 0, 1.0, text="t")]
    assert kept_of(select(samples, ExpectationConfig(threshold=1.0))) == [("a", 0), ("b", 0)]


@pytest.mark.parametrize(("quantile", "kept"), [(0.0, 8), (0.5, 4), (0.75, 2), (1.0, 1)])
def test_a_quantile_sets_the_threshold_from_the_rewards(quantile, kept):
    samples = [sample("ab"[i % 2], i, i / 10) for i in range(8)]
    assert len(select(samples, ExpectationConfig(quantile=quantile)).kept) == kept


def test_a_quantile_is_of_the_rewards_of_each_task():
    high = [sample("a", i, 0.5 + i / 100) for i in range(4)]
    low = [sample("b", i, 0.1 + i / 100, task="mails") for i in range(4)]
    selection = select(high + low, ExpectationConfig(quantile=0.5))
    assert [(s["example_id"], s["sample"]) for s in selection.kept] == [("a", 3), ("a", 2), ("b", 3), ("b", 2)]
    assert selection.thresholds == pytest.approx({"notes": 0.52, "mails": 0.12})
    assert select(high + low, ExpectationConfig(threshold=0.3)).thresholds == {"notes": 0.3, "mails": 0.3}


def test_a_quantile_may_be_of_the_rewards_of_each_input():
    """Then every input with a finished, well-formed sample keeps one, however hard it is."""
    samples = [sample(name, i, base + i / 100) for name, base in (("easy", 0.5), ("hard", 0.1)) for i in range(4)]
    of_task = select(samples, ExpectationConfig(quantile=0.5))
    of_input = select(samples, ExpectationConfig(quantile=0.5, quantile_of="input"))
    assert [s["example_id"] for s in of_task.kept] == ["easy"] * 4
    assert kept_of(of_input) == [("easy", 3), ("easy", 2), ("hard", 3), ("hard", 2)]
    assert of_input.thresholds == pytest.approx({"notes": 0.32})


def test_a_completion_that_repeats_itself_is_not_kept():
    circle = "we have had and shall continue to have " * 4
    samples = [sample("a", 0, 0.9, text=circle), sample("a", 1, 0.8)]
    selection = select(samples, ExpectationConfig(threshold=0.5, max_repeated=0.2))
    assert [s["sample"] for s in selection.kept] == [1]
    assert selection.counts["repeated"] == 1
    assert len(select(samples, ExpectationConfig(threshold=0.5)).kept) == 2


def test_weights_are_rewards_or_advantages_over_the_inputs_mean():
    samples = [sample("a", 0, 0.2), sample("a", 1, 0.4), sample("a", 2, 0.9), sample("b", 0, 0.7), sample("b", 1, 0.9)]
    selection = select(samples, ExpectationConfig(threshold=0.3))
    assert selection.means == pytest.approx({"a": 0.5, "b": 0.8})
    plain = weigh(selection.kept, selection.means, "reward")
    assert [s["weight"] for s in plain] == [0.9, 0.4, 0.9, 0.7]
    relative = weigh(selection.kept, selection.means, "advantage")
    assert [(s["example_id"], s["sample"]) for s in relative] == [("a", 2), ("b", 1)]
    assert [s["weight"] for s in relative] == pytest.approx([1.6, 0.4])


def test_without_any_reward_nothing_reaches_the_threshold():
    samples = [sample("a", 0, None)]
    assert threshold_of([], None, 0.5) == math.inf
    assert select(samples, ExpectationConfig(quantile=0.5)).kept == []


@pytest.mark.parametrize(
    ("a", "b", "run"), [([], [1], 0), ([1, 2, 3], [0, 2, 3, 4], 2), ([1, 2, 1, 2, 3], [1, 2, 3], 3), ([1], [2], 0)]
)
def test_longest_common_span(a, b, run):
    assert longest_common_span(a, b) == run
    assert longest_common_span(b, a) == run
