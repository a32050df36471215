"""The recipe that a run keeps in its folder: what was set when it began stays so; and where it began."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penname.config import Recipe
from penname.errors import UserError
from penname.recipe_files import load_recipe
from penname.runs.store import Record, read_json

ENVIRONMENT = "environment.json"
MAY_CHANGE = {"methods", "tracking"}
"""Of a run's recipe."""


def load_run_recipe(folder: Path) -> Recipe:
    """With all methods that the run has been asked for. Raises UserError where the folder holds no run."""
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise UserError(f"{folder}: found no recipe.yaml, expected the folder of a run")
    return load_recipe(str(path))


def load_environment(folder: Path) -> Record:
    """On what a run was started, as `describe_environment` says it, packages at least; empty where nothing is known.

    Raises UserError for a damaged file.
    """
    path = folder / ENVIRONMENT
    if not path.is_file():
        return {}
    found = read_json(path)
    return found if isinstance(found.get("packages"), dict) else found | {"packages": {}}


def refuse_other_recipe(folder: Path, recipe: Recipe) -> None:
    """Raises UserError where the folder has a run whose recipe differs in more than what may change."""
    if not (folder / "recipe.yaml").is_file():
        return
    before = load_run_recipe(folder).model_dump(mode="json", exclude=MAY_CHANGE)
    if change := first_change(before, recipe.model_dump(mode="json", exclude=MAY_CHANGE)):
        raise UserError(
            f"run folder {folder} was started with another recipe: {change}; choose another folder with --run"
        )


def first_change(before: Any, now: Any, key: str = "") -> str | None:
    """Which setting differs, by its dotted name, and how."""
    if before == now:
        return None
    if isinstance(before, dict) and isinstance(now, dict) and set(before) == set(now):
        changes = (first_change(before[name], now[name], f"{key}.{name}".lstrip(".")) for name in now)
        return next(change for change in changes if change)
    return f"{key} was {before}, now {now}"
