"""A reward that is 0 for nearly all samples stops a run, before hours are spent on samples that teach nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from penname.config import Recipe
from penname.errors import UserError
from penname.rewards.base import RewardInput
from penname.runs.folder import Record
from penname.words import other_letters

SAMPLES = 100
"""Samples that a first look is at, or the next larger number that fills shards."""
SELDOM_ZERO = ("rouge1", "rougeL", "meteor", "cosine", "bertscore")
"""Parts of a mixture that are checked by themselves: another one may well be rare, such as the mention of a name."""
FEWEST, FEWEST_SELDOM_ZERO = 32, 8
"""Fewer samples stop no run: they may be 0 by chance, but less easily where a reward is seldom 0."""
SHOWN = 60
"""Characters of a text that are shown."""


def inputs_of_first_look(recipe: Recipe, inputs: int) -> int:
    """The number of inputs, of all of a split's, whose samples are looked at before the others are sampled.

    These are all where a judge rewards: its lowest reward is over 0, and its model would take turns with the generator.
    """
    if "judge" in recipe.reward.mixture:
        return inputs
    size = recipe.shard_size * recipe.expectation.samples
    return min(inputs, math.ceil(SAMPLES / size) * recipe.shard_size)


@dataclass
class _Zeros:
    """The samples for which a reward is 0.

    count, blank: number of them, and of those with a blank response.
    first: the first one.
    """

    count: int = 0
    blank: int = 0
    first: RewardInput | None = None


def refuse_zeros(recipe: Recipe, parent: str, folder: Path, samples: Iterable[tuple[Record, RewardInput]]) -> None:
    """Raise UserError where the mixture or one of its parts is 0 for more than `expectation.max_zeros` of the samples.

    recipe: the run's recipe.
    parent: the iteration, for the message.
    folder: the run's folder, for the message.
    samples: records with rewards, each with what was rewarded; malformed completions have none and do not count.
    """
    zeros = {name: _Zeros() for name in ["reward", *(n for n in recipe.reward.weights if n in SELDOM_ZERO)]}
    rewarded = 0
    for record, item in samples:
        if record["reward"] is None:
            continue
        rewarded += 1
        for name, found in zeros.items():
            if record["rewards"][name] == 0:
                found.count += 1
                found.blank += not item.response.strip()
                found.first = found.first or item
    for name, found in zeros.items():
        fewest = FEWEST_SELDOM_ZERO if name in SELDOM_ZERO else FEWEST
        too_many = found.count > recipe.expectation.max_zeros * rewarded and rewarded >= fewest
        if too_many and found.first is not None:
            called = "the reward" if name == "reward" else f"the reward {name}"
            example = f"{_shown(found.first.response)} for the expected output {_shown(found.first.expected_output)}"
            raise UserError(
                f"{parent}: {called} is 0 for {found.count:,} of {rewarded:,} samples, such as {example}: "
                f"{_cause(recipe, name, found, found.first)}. The samples are kept: correct the recipe and start "
                f"another run from {folder}, which reuses them, or go on in this one with expectation.max_zeros=1"
            )


def _cause(recipe: Recipe, name: str, zeros: _Zeros, first: RewardInput) -> str:
    """What is likely the cause."""
    if zeros.blank > zeros.count / 2:
        return f"{zeros.blank:,} of these responses are blank"
    names = list(recipe.reward.weights) if name == "reward" else [name]
    by_words = {"rouge1", "rougeL"} & set(names)
    if recipe.reward.words == "ascii" and by_words and other_letters([first.expected_output]) > 0.5:
        return "reward.words ascii finds only words of a to z, expected reward.words=unicode"
    return f"{', '.join(names)} may not suit these texts, or the model does not write what is asked"


def _shown(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= SHOWN else flat[:SHOWN] + "…")
