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
"""The sample index of an expected output that is trained on beside the samples."""


@dataclass(frozen=True)
class Selection:
    """The result of an expectation step.

    kept: the samples to train on.
    thresholds: tau of each task; where each input has its own tau, their mean.
    means: mean reward of each input's rewarded samples, by example id.
    counts: numbers of samples that were kept, malformed and so on.
    """

    kept: list[Record]
    thresholds: dict[str, float]
    means: dict[str, float]
    counts: dict[str, int]


@dataclass(frozen=True)
class _Candidate:
    """A sample that may be kept.

    sample: its index among the input's samples.
    index: its index among all samples.
    text: a hash of its completion.
    """

    reward: float
    sample: int
    index: int
    example_id: str
    text: bytes


def threshold_of(rewards: Sequence[float], threshold: float | None, quantile: float | None) -> float:
    """tau: the threshold itself, or a quantile of the rewards; infinite if there are no rewards.

    threshold: tau; None to use the quantile.
    quantile: from 0 to 1, without interpolation.
    """
    if threshold is not None:
        return threshold
    if not rewards:
        return math.inf
    return sorted(rewards)[min(len(rewards) - 1, math.floor((quantile or 0.0) * len(rewards)))]


def select(samples: Sequence[Record], settings: ExpectationConfig) -> Selection:
    """Keep the samples with a reward of tau or more, at most `max_kept` per input.

    A quantile is taken over the rewards of each task, because the scale of an overlap reward depends on the length of a
    task's texts (our reading; the paper's judge has one scale), or over those of each input, because one tau for all
    keeps samples of easy inputs and none of hard ones (ours). Of an input's samples those with the highest rewards are
    kept, the lower sample index first among equals; identical completions are kept once. Never kept are malformed
    completions, which have no reward; unfinished ones, because a truncated target would teach the model to stop in
    mid-sentence (our reading; the paper mentions neither); and those that repeat themselves more than `max_repeated`
    allows.

    samples: with their rewards; they are read twice and may be more than fit into memory, only the kept ones are held.
    settings: the recipe's settings of the expectation step.
    """
    counts = {"samples": len(samples), "kept": 0, "malformed": 0, "unrewarded": 0, "unfinished": 0, "repeated": 0}
    kept_indices: dict[str, list[int]] = {}
    groups: dict[tuple[str, str], list[_Candidate]] = {}
    rewards: dict[str, list[float]] = {}
    for index, s in enumerate(samples):
        example_id = s["example_id"]
        kept_indices.setdefault(example_id, [])
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
                group.append(_Candidate(s["reward"], s["sample"], index, example_id, text))
    thresholds: dict[str, list[float]] = {}
    seen: set[tuple[str, bytes]] = set()
    for (task, _), group in groups.items():
        tau = threshold_of([c.reward for c in group], settings.threshold, settings.quantile)
        thresholds.setdefault(task, []).append(tau)
        for c in sorted(group, key=lambda c: (-c.reward, c.sample)):
            kept_of_input = kept_indices[c.example_id]
            if c.reward >= tau and (c.example_id, c.text) not in seen and len(kept_of_input) < settings.max_kept:
                seen.add((c.example_id, c.text))
                kept_of_input.append(c.index)
    chosen = {index for kept_of_input in kept_indices.values() for index in kept_of_input}
    samples_kept = {index: s for index, s in enumerate(samples) if index in chosen}
    kept = [samples_kept[index] for kept_of_input in kept_indices.values() for index in kept_of_input]
    counts |= {
        "kept": len(kept),
        "inputs": len(kept_indices),
        "inputs_without_kept": sum(not kept_of_input for kept_of_input in kept_indices.values()),
    }
    finite = {task: [tau for tau in taus if tau < math.inf] for task, taus in thresholds.items()}
    return Selection(
        kept,
        {task: sum(taus) / len(taus) if taus else math.inf for task, taus in finite.items()},
        {example_id: sum(of_input) / len(of_input) for example_id, of_input in rewards.items()},
        counts,
    )


def weigh(kept: Sequence[Record], means: Mapping[str, float], weights: str) -> list[Record]:
    """The kept samples, each with its `weight` in the loss.

    kept: the samples, with their rewards.
    means: mean reward of each input's samples, by example id, see `Selection`.
    weights: "reward" is R(x, y, response), as in Algorithm 1, line 11; "advantage" (ours) is the reward minus the mean
        of the input's samples, scaled so that the mean weight is 1, and samples that are not above that mean are
        skipped.
    """
    if weights == "reward":
        return [record | {"weight": record["reward"]} for record in kept]
    # An input without any rewarded sample has no mean; only its expected output can have been kept.
    above_mean = [(record, record["reward"] - means.get(record["example_id"], 0.0)) for record in kept]
    above_mean = [(record, advantage) for record, advantage in above_mean if advantage > 0]
    mean = sum(advantage for _, advantage in above_mean) / max(1, len(above_mean))
    return [record | {"weight": advantage / mean} for record, advantage in above_mean]
