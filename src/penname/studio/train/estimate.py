"""How long a run will take, from what earlier runs of the same model took on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penname.config import Recipe
from penname.errors import UserError
from penname.experiments.plan import Plan
from penname.runs.progress import read_timing
from penname.studio.recipes import recipe_of
from penname.studio.train.states import changed_at, is_run

_MOST_RUNS = 10
"""Earlier runs that are looked at, the last ones."""


@dataclass(frozen=True)
class Estimate:
    """How long a run takes at most.

    seconds: without judging, and without loading the model.
    run: the name of the earlier run whose pace that is.
    """

    seconds: float
    run: str


def estimate(plan: Plan, runs: Path) -> Estimate | None:
    """How long a run takes at most; None where no earlier run has written and trained with its model.

    plan: the run's plan.
    runs: the folder of runs.
    """
    recipe, seconds = plan.recipe, 0.0
    longest = recipe.prompt.max_input_tokens + recipe.prompt.max_output_tokens
    found = _pace(recipe, runs)
    if found is None:
        return None
    name, writing, training = found
    for stage in plan.stages:
        if stage.new_tokens is None or stage.optimizer_steps is None:
            return None
        seconds += stage.new_tokens / writing + stage.optimizer_steps * recipe.training.batch_size * longest / training
    return Estimate(seconds, name)


def _pace(recipe: Recipe, runs: Path) -> tuple[str, float, float] | None:
    """The name of the last run with the same model, and the tokens that it wrote and trained on in a second."""
    folders = [folder for folder in runs.iterdir() if is_run(folder)] if runs.is_dir() else []
    for folder in sorted(folders, key=changed_at, reverse=True)[:_MOST_RUNS]:
        with contextlib.suppress(UserError, OSError):
            if recipe_of(folder).generator.model == recipe.generator.model:
                timed = [line for line in read_timing(folder) if line["tokens"] and line["seconds"]]
                writing = _rate([line for line in timed if line["unit"] != "steps"])
                training = _rate([line for line in timed if line["unit"] == "steps"])
                if writing and training:
                    return folder.name, writing, training
    return None


def _rate(timed: Sequence[Mapping[str, Any]]) -> float | None:
    """Tokens in a second, over all that was timed."""
    return sum(line["tokens"] for line in timed) / sum(line["seconds"] for line in timed) if timed else None
