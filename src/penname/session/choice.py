"""Choosing one of several candidate texts without a reference.

Minimum Bayes risk decoding (Eikema and Aziz, 2020) with samples as pseudo-references: the candidate with the highest
expected reward under the model's own distribution, of which the other candidates are a sample. This is ours; neither
paper has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from penname.rewards.base import RewardInput
from penname.rewards.mixture import AUTHORSHIP

MixedReward = Callable[[Sequence[RewardInput]], list[float | None]]
"""The mixture of rewards of each item; None for an item whose reward could not be computed."""


def choose(
    candidates: Sequence[Sequence[RewardInput | None]], criterion: str, mixture: MixedReward, authorship: MixedReward
) -> list[int]:
    """The index of each input's chosen candidate.

    candidates: see `choose_by_consensus`.
    criterion: the recipe's evaluation.choose.
    mixture: the reward for choosing by consensus.
    authorship: the reward for choosing by `authorship`.
    """
    if criterion == AUTHORSHIP:
        return choose_by_reward(candidates, authorship)
    return choose_by_consensus(candidates, mixture)


def choose_by_consensus(candidates: Sequence[Sequence[RewardInput | None]], reward: MixedReward) -> list[int]:
    """The index of each input's candidate with the highest total reward, the other candidates being the references.

    candidates: each input's candidates, None where a completion is malformed; `expected_output` is not used.
    reward: the recipe's mixture.

    Ties go to the first candidate. Without another candidate to compare with, the first well-formed one is chosen, or
    else the first one.
    """
    pairs = [
        (i, j, k)
        for i, of_input in enumerate(candidates)
        for j, candidate in enumerate(of_input)
        for k, other in enumerate(of_input)
        if j != k and candidate is not None and other is not None
    ]
    rewards = reward([_against(candidates[i][j], candidates[i][k]) for i, j, k in pairs]) if pairs else []
    totals: list[list[float]] = [
        [0.0 if candidate is not None else float("-inf") for candidate in of_input] for of_input in candidates
    ]
    for (i, j, _), value in zip(pairs, rewards, strict=True):
        totals[i][j] += value or 0.0
    return [max(range(len(of_input)), key=of_input.__getitem__) for of_input in totals]


def choose_by_reward(candidates: Sequence[Sequence[RewardInput | None]], reward: MixedReward) -> list[int]:
    """The index of each input's candidate with the highest reward.

    candidates: see `choose_by_consensus`.
    reward: one that needs no expected output.

    Ties go to the first candidate. A malformed candidate is chosen only where there is no other.
    """
    rewards = iter(reward([candidate for of_input in candidates for candidate in of_input if candidate is not None]))
    scores = [
        [float("-inf") if candidate is None else (next(rewards) or 0.0) for candidate in of_input]
        for of_input in candidates
    ]
    return [max(range(len(of_input)), key=of_input.__getitem__) for of_input in scores]


def _against(candidate: RewardInput | None, other: RewardInput | None) -> RewardInput:
    assert candidate is not None
    assert other is not None
    return replace(candidate, expected_output=other.response)
