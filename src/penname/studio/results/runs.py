"""What a line says of each run. One that cannot be read says so, and is in no other's way."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from penname.config import Recipe
from penname.errors import UserError
from penname.experiments.run_recipe import load_run_recipe
from penname.runs.folder import read_json
from penname.session import stage_names
from penname.studio.results.recipe_names import describe_recipe
from penname.studio.runs import RECIPE, Run

Order = Literal["date", "name", "recipe", "reward"]
"""By what runs are sorted: the latest, the first in the alphabet, or the best come first."""

MOST_LETTERS = 160
"""Letters that are shown of a problem."""


@dataclass(frozen=True)
class Line:
    """What is shown of a run.

    date: when it was last worked on; empty where nothing tells.
    recipe: see `describe_recipe`.
    methods: its methods.
    best: the method with the highest mean reward over all examples, and this reward; None where none is evaluated.
    problem: why it cannot be read; empty where it can.
    """

    name: str
    date: str
    recipe: str = ""
    methods: Sequence[str] = ()
    best: tuple[str, float] | None = None
    problem: str = ""


def describe(run: Run) -> Line:
    """What is shown of a run, whatever its folder holds."""
    date = datetime.fromtimestamp(run.changed).strftime("%Y-%m-%d %H:%M") if run.changed else ""
    try:
        run.name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(run.name).decode("utf-8", "backslashreplace")
        return Line(shown, date, problem="its name is not in UTF-8: give its folder another one")
    if not (run.folder / RECIPE).is_file():
        return Line(run.name, date, problem="found no recipe.yaml: it has not begun, or is no run")
    try:
        recipe = load_run_recipe(run.folder)
        return Line(run.name, date, describe_recipe(recipe), list(recipe.method_rows), best_method(run.folder, recipe))
    except UserError as error:
        problem = str(error).removeprefix(f"{run.folder}{os.sep}")
    except Exception as error:  # files of other programs and other versions can hold anything
        problem = f"cannot be read ({type(error).__name__})"
    return Line(run.name, date, problem=problem if len(problem) <= MOST_LETTERS else f"{problem[:MOST_LETTERS]} …")


def best_method(folder: Path, recipe: Recipe) -> tuple[str, float] | None:
    """The method of a run with the highest mean reward over its examples, and this reward; None where none has one."""
    rewards = {}
    for method in recipe.method_rows:
        path = folder / stage_names.evaluation(recipe.evaluation.split, method) / "stage.json"
        reward = read_json(path).get("mean_reward") if path.is_file() else None
        if isinstance(reward, int | float) and math.isfinite(reward):
            rewards[method] = float(reward)
    return max(rewards.items(), key=lambda item: item[1], default=None)
