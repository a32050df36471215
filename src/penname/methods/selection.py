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
    """kept: the samples to train on; the rest says what happened to the others."""

    kept: list[Record]
    threshold: float
    counts: dict[str, int]


def threshold_of(rewards: Sequence[float], threshold: float | None, quantile: float | None) -> float:
    """tau: `threshold` itself, or the quantile (lower value) of this run's rewards."""
    if threshold is not None:
        return threshold
    if not rewards:
        return math.inf
    return sorted(rewards)[min(len(rewards) - 1, math.floor((quantile or 0.0) * len(rewards)))]


def select(samples: Sequence[Record], threshold: float | None, quantile: float | None, max_kept: int) -> Selection:
    """Keep the samples with a reward of tau or more, at most `max_kept` an input.

    Of an input's samples those with the highest rewards are kept, the lower sample number first among equals;
    the same completion is kept once. Never kept: malformed completions, which have no reward, and unfinished
    ones, because a target that breaks off would teach to break off (our reading; the paper is silent on both).
    `samples` may be more than memory holds: it is gone through twice, and only what is kept is held.
    """
    counts = {"samples": len(samples), "kept": 0, "malformed": 0, "unrewarded": 0, "unfinished": 0}
    places: dict[str, list[int]] = {}
    eligible: list[tuple[float, int, int, str, bytes]] = []
    for place, s in enumerate(samples):
        places.setdefault(s["example_id"], [])
        counts["malformed"] += s["response"] is None
        counts["unrewarded"] += s["response"] is not None and s["reward"] is None
        counts["unfinished"] += s["finish_reason"] == "length"
        if s["reward"] is not None and s["finish_reason"] == "stop":
            text = hashlib.sha256(s["completion"].encode()).digest()
            eligible.append((-s["reward"], s["sample"], place, s["example_id"], text))
    tau = threshold_of([-reward for reward, *_ in eligible], threshold, quantile)
    seen: set[tuple[str, bytes]] = set()
    for reward, _, place, example_id, text in sorted(eligible):
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
    return Selection(kept, tau, counts)
