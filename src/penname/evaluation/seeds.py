"""Several runs that differ in their seed only, taken as one: each example's mean over seeds, and how seeds differ."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from penname.evaluation.table import Results, Scored, averages


def over_seeds(runs: Sequence[Results]) -> Results:
    """The methods that all runs have, and of these the examples that all have, with each metric's mean over the runs.

    A metric that failed in some runs is the mean of the others, one that failed in all is None.
    """
    return {name: _mean_examples([run[name] for run in runs]) for name in runs[0] if all(name in run for run in runs)}


def _mean_examples(runs: Sequence[Mapping[str, Scored]]) -> dict[str, Scored]:
    return {i: _mean([run[i] for run in runs]) for i in runs[0] if all(i in run for run in runs)}


def _mean(found: Sequence[Scored]) -> Scored:
    names = dict.fromkeys(name for scored in found for name in scored["metrics"])
    values = {name: [v for s in found if (v := s["metrics"].get(name)) is not None] for name in names}
    metrics = {name: statistics.fmean(own) if own else None for name, own in values.items()}
    return {"task": found[0]["task"], "metrics": metrics}


def between_seeds(runs: Sequence[Results]) -> dict[str, dict[str, float]]:
    """For each method that all of two or more runs have, and each metric, the standard deviation of their averages."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for name, entry in averages(run).items():
            for metric, mean in entry.items():
                if isinstance(mean, float):
                    found.setdefault(name, {}).setdefault(metric, []).append(mean)
    return {
        name: {metric: statistics.stdev(means) for metric, means in own.items() if len(means) == len(runs)}
        for name, own in found.items()
        if all(name in run for run in runs)
    }
