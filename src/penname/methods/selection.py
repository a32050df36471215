"""Which samples of an expectation step are kept for the maximization step (REST-PG section 3.2)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class Selection:
    """kept: the samples to train on; thresholds: tau of each task; counts: what happened to the others."""

    kept: list[Record]
    thresholds: dict[str, float]
    counts: dict[str, int]


def threshold_of(rewards: Sequence[float], threshold: float | None, quantile: float | None) -> float:
    """tau: `threshold` itself, or the quantile (lower value) of these rewards."""
    if threshold is not None:
        return threshold
    if not rewards:
        return math.inf
    return sorted(rewards)[min(len(rewards) - 1, math.floor((quantile or 0.0) * len(rewards)))]


def select(samples: Sequence[Record], threshold: float | None, quantile: float | None, max_kept: int) -> Selection:
    """Keep the samples with a reward of tau or more, at most `max_kept` an input.

    A quantile is of the rewards of each task: what an overlap reward gives depends on how long a task's texts are, and
    one tau for all would keep little of the tasks with low rewards (our reading; the paper's judge has one scale).
    Of an input's samples those with the highest rewards are kept, the lower sample number first among equals;
    the same completion is kept once. Never kept: malformed completions, which have no reward, and unfinished
    ones, because a target that breaks off would teach to break off (our reading; the paper is silent on both).
    `samples` may be more than memory holds: it is gone through twice, and only what is kept is held.
    """
    counts = {"samples": len(samples), "kept": 0, "malformed": 0, "unrewarded": 0, "unfinished": 0}
    places: dict[str, list[int]] = {}
    eligible: dict[str, list[tuple[float, int, int, str, bytes]]] = {}
    for place, s in enumerate(samples):
        places.setdefault(s["example_id"], [])
        of_task = eligible.setdefault(s["task"], [])
        counts["malformed"] += s["response"] is None
        counts["unrewarded"] += s["response"] is not None and s["reward"] is None
        counts["unfinished"] += s["finish_reason"] == "length"
        if s["reward"] is not None and s["finish_reason"] == "stop":
            text = hashlib.sha256(s["completion"].encode()).digest()
            of_task.append((-s["reward"], s["sample"], place, s["example_id"], text))
    thresholds: dict[str, float] = {}
    seen: set[tuple[str, bytes]] = set()
    for task, of_task in eligible.items():
        tau = thresholds[task] = threshold_of([-reward for reward, *_ in of_task], threshold, quantile)
        for reward, _, place, example_id, text in sorted(of_task):
            if -reward >= tau and (example_id, text) not in seen and len(places[example_id]) < max_kept:
                seen.add((example_id, text))
                places[example_id].append(place)
    chosen = {place for own in places.values() for place in own}
    found = {place: s for place, s in enumerate(samples) if place in chosen}
    kept = [found[place] for own in places.values() for place in own]
    counts |= {
        "kept": len(kept),
        "inputs": len(places),
        "inputs_without_kept": sum(not own for own in places.values()),
    }
    return Selection(kept, thresholds, counts)
