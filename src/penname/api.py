"""penname in Python: train a run, look at it, compare runs, and write with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from penname.config import Recipe, Split
from penname.errors import ArgumentError
from penname.experiments import train as pipeline
from penname.experiments.comparison import Comparison, compare_runs
from penname.experiments.plan import check_inputs, check_room, make_plan
from penname.experiments.run_recipe import chosen_methods, load_run_recipe
from penname.extensions import Extension
from penname.generate.writer import Writer
from penname.recipe_files import check_recipe
from penname.report.run_data import read_examples, shown_records
from penname.report.write import write_report
from penname.rewards.base import RewardInput
from penname.runs.folder import Progress
from penname.runs.progress import ConsoleProgress

RewardFunction = Callable[[RewardInput], float | None]


@dataclass(frozen=True)
class Run:
    """A run: the folder that holds everything a recipe produced.

    folder: where it is.
    recipe: with all methods that the run has been asked for.
    """

    folder: Path
    recipe: Recipe

    def evaluate(self, split: Split | None = None, methods: Sequence[str] | None = None) -> Comparison:
        """Evaluate methods on a split, training those that are not trained yet, and compare them.

        split: `val` or `test`; the recipe's own if left out.
        methods: some of the recipe's; all if left out.

        Raises UserError as `train` does.
        """
        chosen = chosen_methods(methods, self.recipe)
        split = split or self.recipe.evaluation.split
        with _progress(self.folder) as progress, pipeline.open_run(self.recipe, self.folder, progress) as session:
            pipeline.evaluate_methods(session, chosen, split)
        return compare_runs([self.folder], split)

    def compare(self, split: Split | None = None, *, holm: bool = False) -> Comparison:
        """The run's methods side by side, with paired tests; arguments as of `compare`."""
        return compare_runs([self.folder], split, holm=holm)

    def report(self, out: str | Path | None = None) -> Path:
        """Write a page of tables, pictures and all methods' texts; returns its path. out: as `report` takes it."""
        return report(self, out=out)

    def results(self, split: Split | None = None) -> dict[str, dict[str, dict[str, Any]]]:
        """What each method wrote and how it scored: by method and example id, a record for each.

        A record has `response`, `reasoning`, `metrics` by name, `finish_reason` and `new_tokens`, among others.
        """
        return shown_records(self.folder, self.recipe, split or self.recipe.evaluation.split)

    def examples(self, split: Split | None = None) -> list[dict[str, Any]]:
        """The examples of a split as the run has prepared them: `input`, `output`, `context`, `user_id` and others."""
        return list(read_examples(self.folder, split or self.recipe.evaluation.split))

    def writer(self, method: str | None = None) -> Writer:
        """A writer that loads one of the run's models once and writes for any user; see `Writer`."""
        return Writer(self.folder, method, recipe=self.recipe)


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    rewards: Mapping[str, RewardFunction] | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train and evaluate every method of a recipe; the same call again goes on where it was stopped.

    recipe: as `load_recipe` gives it.
    folder: the run's; made if it is not there.
    rewards: functions by name, each called as `reward(item)` with a `RewardInput`, giving a number from 0 to 1, or None
        where it cannot tell. They take the place of the recipe's mixture, in equal parts.
    progress: where it says how far it is; a bar in a terminal or a notebook, and lines elsewhere, if left out.

    Raises UserError for data or a model that is not there, a folder with a run of another recipe or rewards, and a
    machine without the memory or the disk that it needs.
    """
    if rewards is not None:
        recipe = _with_rewards(recipe, rewards)
    place = Path(folder)
    check_inputs(recipe, place)
    check_room(make_plan(recipe), place)
    if progress is None:
        with _progress(place) as own:
            pipeline.train_run(recipe, place, own)
    else:
        pipeline.train_run(recipe, place, progress)
    return Run(place, recipe)


def open_run(folder: str | Path, recipe: Recipe | None = None) -> Run:
    """A run that was trained before.

    recipe: needed where it holds objects that were made in Python, such as a reward, and the run is to go on.
    Raises UserError where the folder holds no run.
    """
    kept = load_run_recipe(Path(folder))
    return Run(Path(folder), recipe or kept)


def compare(
    *runs: Run | str | Path,
    split: Split | None = None,
    holm: bool = False,
    over_seeds: bool = False,
) -> Comparison:
    """The methods of one run or more side by side, with a paired test of each two.

    runs: runs, or their folders.
    split: `val` or `test`; the recipe's own if left out.
    holm: correct the tests for comparing many methods (Holm, 1979).
    over_seeds: the runs are of one recipe with several seeds, and are taken as one.

    Raises UserError where nothing is evaluated, or runs cannot be compared.
    """
    return compare_runs(_folders(runs), split, over_seeds=over_seeds, holm=holm)


def report(
    *runs: Run | str | Path,
    out: str | Path | None = None,
    split: Split | None = None,
    holm: bool = False,
    over_seeds: bool = False,
) -> Path:
    """Write a page to read and to pass on: tables, pictures, and all methods' texts side by side; returns its path.

    out: the folder to write to; `report` in the first run's folder if left out. Other arguments as of `compare`.
    """
    folder = None if out is None else Path(out)
    return write_report(_folders(runs), folder, split, over_seeds=over_seeds, holm=holm)


def _folders(runs: Sequence[Run | str | Path]) -> list[Path]:
    if not runs:
        raise ArgumentError("runs", "found none, expected one or more")
    return [run.folder if isinstance(run, Run) else Path(run) for run in runs]


def _with_rewards(recipe: Recipe, rewards: Mapping[str, RewardFunction]) -> Recipe:
    mixture: dict[Any, Any] = {Extension.of(reward, name): 1.0 for name, reward in rewards.items()}
    values = {name: getattr(recipe, name) for name in type(recipe).model_fields}
    changed = recipe.reward.model_copy(update={"mixture": mixture})
    return check_recipe(values | {"reward": changed}, "rewards")


def _progress(folder: Path) -> ConsoleProgress:
    return ConsoleProgress(Console(), folder / "log.txt")
