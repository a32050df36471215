"""Which samples of an expectation step are kept for the maximization step (REST-PG section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Selection:
    """kept: the samples to train on; the rest says what happened to the others."""

    kept: list[Record]
    threshold: float
    counts: dict[str, int]


def threshold_of(samples: Sequence[Record], threshold: float | None, quantile: float | None) -> float:
    """tau: `threshold` itself, or the quantile (lower value) of this run's rewards."""
    if threshold is not None:
        return threshold
    rewards = sorted(sample["reward"] for sample in samples if sample["reward"] is not None)
    if not rewards:
        return math.inf
    return float(rewards[min(len(rewards) - 1, math.floor((quantile or 0.0) * len(rewards)))])


def select(samples: Sequence[Record], threshold: float | None, quantile: float | None, max_kept: int) -> Selection:
    """Keep the samples with a reward of tau or more, at most `max_kept` an input.

    Of an input's samples those with the highest rewards are kept, the lower sample number first among equals;
    the same completion is kept once. Never kept: malformed completions, which have no reward, and unfinished
    ones, because a target that breaks off would teach to break off (our reading; the paper is silent on both).
    """
    eligible = [s for s in samples if s["reward"] is not None and s["finish_reason"] == "stop"]
    tau = threshold_of(eligible, threshold, quantile)
    by_input: dict[str, list[Record]] = {s["example_id"]: [] for s in samples}
    seen: set[tuple[str, str]] = set()
    for sample in sorted(eligible, key=lambda s: (-s["reward"], s["sample"])):
        key = (sample["example_id"], sample["completion"])
        mine = by_input[sample["example_id"]]
        if sample["reward"] >= tau and key not in seen and len(mine) < max_kept:
            seen.add(key)
            mine.append(sample)
    kept = [sample for mine in by_input.values() for sample in mine]
    return Selection(
        kept,
        tau,
        {
            "samples": len(samples),
            "kept": len(kept),
            "malformed": sum(s["response"] is None for s in samples),
            "unrewarded": sum(s["response"] is not None and s["reward"] is None for s in samples),
            "unfinished": sum(s["finish_reason"] == "length" for s in samples),
            "inputs": len(by_input),
            "inputs_without_kept": sum(not mine for mine in by_input.values()),
        },
    )
