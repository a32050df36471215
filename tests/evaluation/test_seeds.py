"""Runs with several seeds, taken as one, against numbers worked out by hand."""

import statistics

import pytest

from penname.evaluation.seeds import between_seeds, over_seeds


def run(**methods):
    return {
        name: {i: {"task": "t", "metrics": {"reward": value}} for i, value in own.items()}
        for name, own in methods.items()
    }


RUNS = [run(sft={"1": 0.25, "2": 0.75}, rag={"1": 0.5}), run(sft={"1": 0.75, "2": None, "3": 0.125})]


def test_each_example_that_all_seeds_have_is_the_mean_of_its_scores():
    assert over_seeds(RUNS) == run(sft={"1": 0.5, "2": 0.75})
    assert over_seeds([run(sft={"1": None})] * 2) == run(sft={"1": None})


def test_seeds_differ_by_the_deviation_of_their_averages():
    found = between_seeds(RUNS)
    assert found == {"sft": {"reward": pytest.approx(statistics.stdev([0.5, 0.4375]))}}
