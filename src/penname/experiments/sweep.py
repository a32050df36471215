"""One recipe at several values of its settings: a run a point, which share whatever does not depend on these."""

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
from penname.experiments.run_recipe import load_run_recipe, refuse_other_recipe
from penname.experiments.train import train_run
from penname.recipe_files import load_recipe
from penname.runs.folder import Progress


@dataclass(frozen=True)
class Point:
    """name: what tells it from the others, as in `expectation.samples=8`; it is its run's folder too."""

    name: str
    recipe: Recipe
    folder: Path


def make_points(recipe: str, over: Sequence[str], overrides: Sequence[str], folder: Path) -> list[Point]:
    """A point for each combination of the values of each `KEY=A,B,C` in `over`, in their order.

    Raises UserError for a value that does not fit the recipe.
    """
    settings: list[list[str]] = []
    for setting in over:
        key, equals, values = setting.partition("=")
        found = [value.strip() for value in values.split(",")]
        if any(bracket in values for bracket in "[{"):
            raise ArgumentError(
                "over", f"{setting}: expected plain values; lists and mappings have commas of their own"
            )
        if not equals or not key or not all(found) or len(set(found)) < max(2, len(found)):
            raise ArgumentError("over", f"{setting}: expected KEY=A,B and two different values or more")
        settings.append([f"{key}={value}" for value in found])
    points: list[Point] = []
    for chosen in product(*settings):
        name = ",".join(chosen)
        loaded = load_recipe(recipe, [*overrides, *chosen])
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
    """Train and evaluate every point, those with most samples first, as fewer samples are the first of these.

    open_progress: opens what is told of a run in the folder that it is given. donor: a run that was made before, which
    shares too. methods: of the recipe's, those that are trained and evaluated; else all. Started again it goes on where
    it was stopped. Returns the points' results, in their order.
    """
    for point in points:
        refuse_other_recipe(point.folder, point.recipe)
        check_inputs(point.recipe, point.folder)
        check_room(make_plan(point.recipe), point.folder)
    done: dict[Path, Recipe] = {} if donor is None else {donor: load_run_recipe(donor)}
    most_first = sorted(points, key=lambda point: -point.recipe.expectation.samples)
    for number, point in enumerate(most_first, start=1):
        point.folder.mkdir(parents=True, exist_ok=True)
        with open_progress(point.folder) as progress:
            progress.say(f"point {point.name}, {number} of {len(points)}")
            train_run(point.recipe, point.folder, progress, done, methods)
        done[point.folder] = point.recipe
    found = [results_of([point.folder])[0] for point in points]
    return [{name: own for name, own in of_point.items() if name in (methods or of_point)} for of_point in found]
