"""Combines runs that differ only in their seed: each example's mean over seeds, and the deviation between seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from penname.evaluation.table import Results, Scored, averages


def over_seeds(runs: Sequence[Results]) -> Results:
    """Each metric's mean over the runs, for the methods and examples that all runs have.

    A metric that is missing in some runs is the mean over the others; one that is missing in all runs is None.

    runs: the results of each seed's run.
    """
    return {name: _mean_examples([run[name] for run in runs]) for name in runs[0] if all(name in run for run in runs)}


def _mean_examples(runs: Sequence[Mapping[str, Scored]]) -> dict[str, Scored]:
    return {i: _mean([run[i] for run in runs]) for i in runs[0] if all(i in run for run in runs)}


def _mean(examples: Sequence[Scored]) -> Scored:
    names = dict.fromkeys(name for example in examples for name in example["metrics"])
    values = {name: [v for e in examples if (v := e["metrics"].get(name)) is not None] for name in names}
    metrics = {name: statistics.fmean(present) if present else None for name, present in values.items()}
    return {"task": examples[0]["task"], "metrics": metrics}


def between_seeds(runs: Sequence[Results]) -> dict[str, dict[str, float]]:
    """The standard deviation between seeds of each method's averages, by method and metric.

    runs: the results of each seed's run, two or more. Only methods and metrics that all runs have are included.
    """
    averages_of: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for name, entry in averages(run).items():
            for metric, mean in entry.items():
                if isinstance(mean, float):
                    averages_of.setdefault(name, {}).setdefault(metric, []).append(mean)
    return {
        name: {metric: statistics.stdev(means) for metric, means in by_metric.items() if len(means) == len(runs)}
        for name, by_metric in averages_of.items()
        if all(name in run for run in runs)
    }
