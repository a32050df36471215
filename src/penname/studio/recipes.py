"""The recipes of runs, which pages ask for again and again: each is read once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from penname.config import Recipe
from penname.errors import UserError
from penname.experiments.run_recipe import load_run_recipe

MOST_RECIPES = 500


def recipe_of(run: Path) -> Recipe:
    """The recipe of a run, which is not to be changed. Raises UserError where the folder holds no run."""
    try:
        file = (run / "recipe.yaml").stat()
    except OSError:
        raise UserError(f"{run.name}: found no recipe.yaml, expected the folder of a run") from None
    return _read(run, file.st_mtime_ns, file.st_size)


@lru_cache(MOST_RECIPES)
def _read(run: Path, changed: int, size: int) -> Recipe:
    """A run's recipe as it is at a time. changed, size: tell it from other times."""
    return load_run_recipe(run)
