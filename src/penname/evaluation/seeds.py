"""Several runs that differ in their seed only, taken as one: each example's mean over seeds, and how seeds differ."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from penname.evaluation.table import Results, Scored, averages


def over_seeds(runs: Sequence[Results]) -> Results:
    """Each method's examples with the mean of each metric over the runs that have it, for tests of paired examples.

    A metric that failed in some runs is the mean of the others, one that failed in all is None.
    """
    methods = dict.fromkeys(name for run in runs for name in run)
    return {name: _mean_examples([run[name] for run in runs if name in run]) for name in methods}


def _mean_examples(runs: Sequence[Mapping[str, Scored]]) -> dict[str, Scored]:
    ids = dict.fromkeys(example_id for run in runs for example_id in run)
    return {example_id: _mean([run[example_id] for run in runs if example_id in run]) for example_id in ids}


def _mean(found: Sequence[Scored]) -> Scored:
    names = dict.fromkeys(name for scored in found for name in scored["metrics"])
    values = {name: [v for s in found if (v := s["metrics"].get(name)) is not None] for name in names}
    metrics = {name: statistics.fmean(own) if own else None for name, own in values.items()}
    return {"task": found[0]["task"], "metrics": metrics}


def between_seeds(runs: Sequence[Results]) -> dict[str, dict[str, float]]:
    """For each method and metric the standard deviation of the runs' averages; only of methods in two runs or more."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for name, entry in averages(run).items():
            for metric, mean in entry.items():
                if isinstance(mean, float):
                    found.setdefault(name, {}).setdefault(metric, []).append(mean)
    return {
        name: {metric: statistics.stdev(means) for metric, means in own.items() if len(means) > 1}
        for name, own in found.items()
    }
