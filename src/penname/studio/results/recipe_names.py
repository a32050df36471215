"""Which of the recipes that come with penname a run was started with, and what was changed in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from penname.config import Recipe
from penname.errors import UserError
from penname.experiments.run_recipe import CHANGEABLE
from penname.recipe_files import read_recipe_of_run
from penname.shipped import shipped_recipes

MOST_CHANGES = 8
"""A recipe in which more was changed is another one."""


def describe_recipe(recipe: Recipe) -> str:
    """The name of the shipped recipe that is most alike, with the number of its settings that were changed."""
    own = _settings(recipe)
    changes = {name: _differing(own, settings) for name, settings in _shipped().items()}
    name = min(changes, key=lambda known: changes[known], default="")
    if not name:
        return "its own"
    count = changes[name]
    if count > MOST_CHANGES:
        return f"its own: {count} settings differ from {name}'s"
    return f"{name}, {count} setting{'s' if count > 1 else ''} changed" if count else name


@cache
def _shipped() -> dict[str, dict[str, Any]]:
    found = {}
    for name, path in shipped_recipes().items():
        try:
            found[name] = _settings(read_recipe_of_run(path))
        except UserError:  # one that names a folder which this machine does not have
            continue
    return found


def _settings(recipe: Recipe) -> dict[str, Any]:
    """All settings by their dotted names, but those that do not change results, or that a run chooses by itself."""
    settings = _flat(recipe.model_dump(mode="json", exclude=CHANGEABLE))
    return {key: value for key, value in settings.items() if key != "reward.words" and not key.endswith(".base_url")}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return found


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    return sum(one.get(key) != other.get(key) for key in one.keys() | other.keys())
