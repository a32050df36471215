"""The runs in a folder, and what a line says of each. One that cannot be read says so, and is in no other's way."""

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

Order = Literal["date", "name", "recipe", "reward"]
"""By what runs are sorted: the latest, the first in the alphabet, or the best come first."""

RECIPE = "recipe.yaml"
MOST_LETTERS = 160
"""Letters that are shown of a problem."""
_TIMED = (RECIPE, "log.txt", "timing.jsonl")
"""Files that change while a run goes on."""


@dataclass(frozen=True)
class Run:
    """A run's folder. name: its path below the folder of runs."""

    name: str
    folder: Path

    @property
    def changed(self) -> float:
        """When it was last worked on, in seconds; 0 where nothing tells."""
        times = []
        for name in _TIMED:
            try:
                times.append((self.folder / name).stat().st_mtime)
            except OSError:
                continue
        return max(times, default=0.0)


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


def find_runs(folder: Path) -> list[Run]:
    """The runs in a folder, and those in its folders that are no runs themselves, such as a sweep.

    folder: the folder of runs; where it is not there, there are none.
    """
    found = []
    for path in _folders(folder):
        points = [] if _is_run(path) else [inner for inner in _folders(path) if _is_run(inner)]
        found += [Run(f"{path.name}/{inner.name}", inner) for inner in points] or [Run(path.name, path)]
    return found


def find_run(folder: Path, name: str) -> Run | None:
    """The run with this name, if there is one. Names from outside lead nowhere else."""
    parts = name.split("/")
    if len(parts) > 2 or any(part.startswith(".") or not part or "\0" in part for part in parts):
        return None
    try:
        return Run(name, folder / name) if (folder / name).is_dir() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


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
        return Line(run.name, date, describe_recipe(recipe), list(recipe.method_rows), _best(run.folder, recipe))
    except UserError as error:
        problem = str(error).removeprefix(f"{run.folder}{os.sep}")
    except Exception as error:  # files of other programs and other versions can hold anything
        problem = f"cannot be read ({type(error).__name__})"
    return Line(run.name, date, problem=problem if len(problem) <= MOST_LETTERS else f"{problem[:MOST_LETTERS]} …")


def _best(folder: Path, recipe: Recipe) -> tuple[str, float] | None:
    rewards = {}
    for method in recipe.method_rows:
        path = folder / stage_names.evaluation(recipe.evaluation.split, method) / "stage.json"
        reward = read_json(path).get("mean_reward") if path.is_file() else None
        if isinstance(reward, int | float) and math.isfinite(reward):
            rewards[method] = float(reward)
    return max(rewards.items(), key=lambda item: item[1], default=None)


def _is_run(folder: Path) -> bool:
    try:
        return (folder / RECIPE).is_file()
    except OSError:
        return False


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, without hidden ones; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
    return [folder / name for name in names]
