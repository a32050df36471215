"""The recipe and environment that a run keeps in its folder; a resumed run must have the same recipe.

An endpoint that the recipe leaves to a server is recorded as it was found, and is the same when the run is resumed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from penname import __version__
from penname.config import Recipe, Split
from penname.errors import ArgumentError, UserError
from penname.extensions import source_hash
from penname.method_table import Method
from penname.recipe_files import read_recipe_of_run
from penname.runs.folder import Record, read_json, write_text

ENVIRONMENT = "environment.json"
EXTENSIONS = "extensions.json"
CHANGEABLE: dict[str, Any] = {
    "methods": True,
    "tracking": True,
    "scale": True,
    "training": {"processes", "nodes", "rendezvous"},
    "expectation": {"max_zeros"},
    "generator": {"base_url"},
    "teacher": {"base_url"},
    "reward": {"judge": {"base_url"}},
    "pat": {"style_agent": {"base_url"}, "topic_agent": {"base_url"}},
}
"""The settings of a recipe that may change when a run is resumed, as pydantic's `exclude`: results are the same."""


def load_run_recipe(folder: Path) -> Recipe:
    """The recipe of a run, with all methods ever requested.

    Raises UserError where the folder holds no run, or that of a newer penname with settings that this one lacks.
    """
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise UserError(f"{folder}: found no recipe.yaml, expected the folder of a run")
    try:
        return read_recipe_of_run(path)
    except UserError as error:
        if newer := _newer_version(folder):
            problem = f"found a run of penname {newer}, expected {__version__} or older"
            raise UserError(f"{folder}: {problem}; pip install 'penname>={newer}' ({error})") from None
        raise


def load_environment(folder: Path) -> Record:
    """The environment that a run was started in, see `describe_environment`; empty if unknown, else with `packages`.

    Raises UserError for a damaged file.
    """
    path = folder / ENVIRONMENT
    if not path.is_file():
        return {}
    environment = read_json(path)
    return environment if isinstance(environment.get("packages"), dict) else environment | {"packages": {}}


def _newer_version(folder: Path) -> str | None:
    """The version of penname that a run was started with, if it is newer than this one."""
    with suppress(UserError):
        started_with = str(load_environment(folder).get("packages", {}).get("penname", ""))
        with suppress(InvalidVersion):
            return started_with if Version(started_with) > Version(__version__) else None
    return None


def refuse_different_recipe(folder: Path, recipe: Recipe) -> None:
    """Raise UserError if the folder has a run whose recipe differs in more than the settings in `CHANGEABLE`."""
    if not (folder / "recipe.yaml").is_file():
        return
    before = _with_endpoints_of(load_run_recipe(folder), recipe).model_dump(mode="json", exclude=CHANGEABLE)
    now = as_in_run(recipe, folder).model_dump(mode="json", exclude=CHANGEABLE)
    if change := first_difference(before, now):
        raise UserError(f"run folder {folder} was started with another recipe: {change}; choose another folder")


def as_in_run(recipe: Recipe, folder: Path) -> Recipe:
    """The recipe with what the run in a folder, if there is one, has chosen where the recipe leaves a choice.

    These are the words that metrics compare, and the endpoints of servers.
    """
    if not (folder / "recipe.yaml").is_file():
        return recipe
    of_run = load_run_recipe(folder)
    if recipe.reward.words == "auto":
        words = of_run.reward.words
        recipe = recipe.model_copy(update={"reward": recipe.reward.model_copy(update={"words": words})})
    return _with_endpoints_of(recipe, of_run)


def _with_endpoints_of(recipe: Recipe, other: Recipe) -> Recipe:
    known = other.engines()
    asked = [name for name, config in recipe.engines().items() if config.asks_for_endpoint and name in known]
    return recipe.with_endpoints({name: known[name].endpoint for name in asked if known[name].kind == "openai"})


def record_extensions(folder: Path, recipe: Recipe) -> None:
    """Record a hash of the source of each extension that a run uses.

    Raises UserError where an extension does not exist, or has changed since the run was started.
    """
    path = folder / EXTENSIONS
    before = read_json(path) if path.is_file() else {}
    now = {str(name): source_hash(name) for name, _, _ in recipe.extensions()}
    for name, source in now.items():
        if before.get(name, source) != source:
            raise UserError(
                f"run folder {folder} was started with another {name}: its source was {before[name]}, now {source}; "
                "choose another folder"
            )
    if now.keys() - before.keys():
        write_text(path, json.dumps(before | now, indent=2) + "\n")


def chosen_split(split: str | None, recipe: Recipe, known: Sequence[Split] = ("val", "test")) -> Split:
    """The chosen split of a run.

    split: its name; None for the one that the recipe evaluates on.
    recipe: the run's recipe.
    known: the names to choose from; by default those of the splits that can be evaluated.

    Raises UserError for a name that is not known.
    """
    if split is None:
        return recipe.evaluation.split
    for name in known:
        if split == name:
            return name
    raise ArgumentError("split", f"found {split!r}, expected {' or '.join(known)}")


def chosen_methods(names: Sequence[str] | None, recipe: Recipe) -> list[Method]:
    """The chosen methods of a recipe, in the order in which a run trains them.

    names: the chosen methods; None for all.
    recipe: the recipe.

    Raises UserError for a method that the recipe does not have.
    """
    if isinstance(names, str):
        raise UserError(f"methods: found the text {names!r}, expected a list of names")
    for name in names or []:
        if name not in recipe.method_rows:
            raise ArgumentError("method", f"found {name!r}, expected one of {', '.join(recipe.method_rows)}")
    return [row for name, row in recipe.method_rows.items() if name in (names or recipe.method_rows)]


def first_difference(before: Any, now: Any, key: str = "") -> str | None:
    """The first setting that differs, by its dotted name, with both values; None where none does."""
    if before == now:
        return None
    if isinstance(before, dict) and isinstance(now, dict) and set(before) == set(now):
        changes = (first_difference(before[name], now[name], f"{key}.{name}".lstrip(".")) for name in now)
        return next(change for change in changes if change)
    return f"{key} was {before}, now {now}"
