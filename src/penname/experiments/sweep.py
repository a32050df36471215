"""Sweeps: one recipe with several values of a setting. Each point is a run, and runs share equal stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from penname.config import Recipe
from penname.errors import ArgumentError
from penname.evaluation.table import Results
from penname.experiments.plan import check_inputs, check_room, make_plan
from penname.experiments.results import results_of
from penname.experiments.run_recipe import as_in_run, load_run_recipe, refuse_different_recipe
from penname.experiments.train import train_run
from penname.recipe_files import load_recipe
from penname.runs.folder import Progress


@dataclass(frozen=True)
class Point:
    """A point of a sweep.

    name: the settings that distinguish the point, as in `expectation.samples=8`; also the name of its run's folder.
    recipe: the recipe with these settings.
    folder: the folder of its run.
    """

    name: str
    recipe: Recipe
    folder: Path


def make_points(recipe: str, over: Sequence[str], overrides: Sequence[str], folder: Path) -> list[Point]:
    """A point for each combination of values, in order.

    recipe: the name or the path of a recipe.
    over: the settings to vary, as `KEY=A,B,C`.
    overrides: settings of all points, as `KEY=VALUE`.
    folder: the folder of the sweep.

    Raises UserError for a value that does not fit the recipe.
    """
    settings: list[list[str]] = []
    for setting in over:
        key, equals, values = setting.partition("=")
        chosen_values = [value.strip() for value in values.split(",")]
        if any(bracket in values for bracket in "[{"):
            raise ArgumentError("over", f"{setting}: expected plain values; lists and mappings contain commas")
        if not equals or not key or not all(chosen_values) or len(set(chosen_values)) < max(2, len(chosen_values)):
            raise ArgumentError("over", f"{setting}: expected KEY=A,B and two different values or more")
        settings.append([f"{key}={value}" for value in chosen_values])
    points: list[Point] = []
    for combination in product(*settings):
        name = ",".join(combination)
        loaded = load_recipe(recipe, [*overrides, *combination])
        if twin := next((point for point in points if point.recipe == loaded), None):
            raise ArgumentError("over", f"{name} and {twin.name} are the same recipe, expected different values")
        points.append(Point(name, loaded, folder / name.replace("/", "_")))
    return points


def run_sweep(
    points: Sequence[Point],
    open_progress: Callable[[Path], AbstractContextManager[Progress]],
    donor: Path | None = None,
    methods: Sequence[str] | None = None,
) -> list[Results]:
    """Train and evaluate every point of a sweep; returns the results in the order of the points.

    points: the points.
    open_progress: opens a progress report for the run in a folder.
    donor: the folder of a finished run whose stages may be reused too.
    methods: the recipe's methods to train and evaluate; None for all.

    Points with more samples per input are run first, as points with fewer reuse the first of these samples. A sweep
    that was stopped resumes where it stopped.
    """
    for point in points:
        refuse_different_recipe(point.folder, point.recipe)
        check_inputs(point.recipe, point.folder)
        check_room(make_plan(point.recipe), point.folder)
    done: dict[Path, Recipe] = {} if donor is None else {donor: load_run_recipe(donor)}
    largest_first = sorted(points, key=lambda point: -point.recipe.expectation.samples)
    for number, point in enumerate(largest_first, start=1):
        point.folder.mkdir(parents=True, exist_ok=True)
        with open_progress(point.folder) as progress:
            progress.say(f"point {point.name}, {number} of {len(points)}")
            train_run(point.recipe, point.folder, progress, done, methods)
        done[point.folder] = as_in_run(point.recipe, point.folder)
    results = [results_of([point.folder])[0] for point in points]
    return [{name: scores for name, scores in result.items() if name in (methods or result)} for result in results]
