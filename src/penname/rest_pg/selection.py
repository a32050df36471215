"""Which samples of an expectation step are kept for the maximization step, and their weights (REST-PG section 3.2)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from penname.config import ExpectationConfig
from penname.evaluation.repetition import repeated_share
from penname.runs.folder import Record

EXPECTED_OUTPUT = -1
"""Stands for the sample number of a text that the user wrote."""


@dataclass(frozen=True)
class Selection:
    """What an expectation step leaves.

    kept: the samples to train on.
    thresholds: tau of each task; where each input has its own, their mean.
    means: mean reward of all of an input's rewarded samples, by example id.
    counts: what happened to the samples.
    """

    kept: list[Record]
    thresholds: dict[str, float]
    means: dict[str, float]
    counts: dict[str, int]


@dataclass(frozen=True)
class _Candidate:
    """A sample that may be kept. place: its index among all samples; text: a hash of its completion."""

    reward: float
    sample: int
    place: int
    example_id: str
    text: bytes


def threshold_of(rewards: Sequence[float], threshold: float | None, quantile: float | None) -> float:
    """tau: `threshold` itself, or the quantile (lower value) of these rewards."""
    if threshold is not None:
        return threshold
    if not rewards:
        return math.inf
    return sorted(rewards)[min(len(rewards) - 1, math.floor((quantile or 0.0) * len(rewards)))]


def select(samples: Sequence[Record], settings: ExpectationConfig) -> Selection:
    """Keep the samples with a reward of tau or more, at most `max_kept` an input.

    A quantile is of the rewards of each task, as what an overlap reward gives depends on how long a task's texts are
    (our reading; the paper's judge has one scale), or of each input, as one tau for all keeps the samples of easy
    inputs and none of hard ones (ours). Of an input's samples those with the highest rewards are kept, the lower sample
    number first among equals; the same completion is kept once. Never kept: malformed completions, which have no
    reward, unfinished ones, because a target that breaks off would teach to break off (our reading; the paper is silent
    on both), and those that repeat themselves more than `max_repeated` allows.

    samples: may be more than memory holds: they are gone through twice, and only what is kept is held.
    """
    counts = {"samples": len(samples), "kept": 0, "malformed": 0, "unrewarded": 0, "unfinished": 0, "repeated": 0}
    places: dict[str, list[int]] = {}
    groups: dict[tuple[str, str], list[_Candidate]] = {}
    rewards: dict[str, list[float]] = {}
    for place, s in enumerate(samples):
        example_id = s["example_id"]
        places.setdefault(example_id, [])
        group = groups.setdefault((s["task"], example_id if settings.quantile_of == "input" else ""), [])
        counts["malformed"] += s["response"] is None
        counts["unrewarded"] += s["response"] is not None and s["reward"] is None
        counts["unfinished"] += s["finish_reason"] == "length"
        if s["reward"] is not None:
            rewards.setdefault(example_id, []).append(s["reward"])
        if s["reward"] is not None and s["finish_reason"] == "stop":
            repeats = settings.max_repeated < 1 and repeated_share(s["completion"]) > settings.max_repeated
            counts["repeated"] += repeats
            if not repeats:
                text = hashlib.sha256(s["completion"].encode()).digest()
                group.append(_Candidate(s["reward"], s["sample"], place, example_id, text))
    thresholds: dict[str, list[float]] = {}
    seen: set[tuple[str, bytes]] = set()
    for (task, _), group in groups.items():
        tau = threshold_of([c.reward for c in group], settings.threshold, settings.quantile)
        thresholds.setdefault(task, []).append(tau)
        for c in sorted(group, key=lambda c: (-c.reward, c.sample)):
            own = places[c.example_id]
            if c.reward >= tau and (c.example_id, c.text) not in seen and len(own) < settings.max_kept:
                seen.add((c.example_id, c.text))
                own.append(c.place)
    chosen = {place for own in places.values() for place in own}
    found = {place: s for place, s in enumerate(samples) if place in chosen}
    kept = [found[place] for own in places.values() for place in own]
    counts |= {
        "kept": len(kept),
        "inputs": len(places),
        "inputs_without_kept": sum(not own for own in places.values()),
    }
    finite = {task: [tau for tau in taus if tau < math.inf] for task, taus in thresholds.items()}
    return Selection(
        kept,
        {task: sum(taus) / len(taus) if taus else math.inf for task, taus in finite.items()},
        {example_id: sum(own) / len(own) for example_id, own in rewards.items()},
        counts,
    )


def weigh(kept: Sequence[Record], means: Mapping[str, float], how: str) -> list[Record]:
    """The kept samples with what each weighs in the loss, `weight`.

    "reward": R(x, y, response), as in Algorithm 1, line 11. "advantage" (ours): how far that is above the mean of the
    input's samples, scaled so that the mean weight is 1; samples that are not above it are left out.

    means: by example id, see `Selection`.
    """
    if how == "reward":
        return [record | {"weight": record["reward"]} for record in kept]
    # An input without any rewarded sample has no mean; what is kept of it is its expected output.
    above = [(record, record["reward"] - means.get(record["example_id"], 0.0)) for record in kept]
    above = [(record, advantage) for record, advantage in above if advantage > 0]
    mean = sum(advantage for _, advantage in above) / max(1, len(above))
    return [record | {"weight": advantage / mean} for record, advantage in above]
