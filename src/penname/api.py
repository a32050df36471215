"""The Python interface: train a run, look at its results, compare runs, and write with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from rich.console import Console

from penname.config import Recipe, Split
from penname.errors import ArgumentError, UserError
from penname.experiments import train as pipeline
from penname.experiments.comparison import Comparison, compare_runs
from penname.experiments.plan import check_inputs, check_room, make_plan
from penname.experiments.run_recipe import as_in_run, chosen_methods, chosen_split, load_run_recipe
from penname.extensions import Extension
from penname.generate.writer import Writer
from penname.recipe_files import check_recipe
from penname.reporting.run_data import read_examples, shown_records
from penname.reporting.write import write_report
from penname.rewards.base import RewardInput
from penname.runs.folder import Progress
from penname.runs.progress import ConsoleProgress

RewardFunction = Callable[[RewardInput], float | None]


@dataclass(frozen=True)
class Run:
    """A run: the folder that holds everything a recipe produced.

    folder: the run's folder.
    recipe: the run's recipe, with all methods that the run was asked for.
    """

    folder: Path
    recipe: Recipe = field(repr=False)

    def evaluate(self, split: Split | None = None, methods: Sequence[str] | None = None) -> Comparison:
        """Evaluate methods on a split, training those that are not trained yet, and compare them.

        split: `val` or `test`; by default the recipe's `evaluation.split`.
        methods: names of some of the recipe's methods; by default all.

        Raises UserError as `train` does.
        """
        chosen = chosen_methods(methods, self.recipe)
        split = chosen_split(split, self.recipe)
        with _progress(self.folder) as progress, pipeline.open_run(self.recipe, self.folder, progress) as session:
            pipeline.evaluate_methods(session, chosen, split)
        return compare_runs([self.folder], split)

    def compare(self, split: Split | None = None, *, holm: bool = False) -> Comparison:
        """The run's methods side by side, with paired tests; arguments as for `penname.compare`."""
        return compare(self, split=split, holm=holm)

    def report(self, out: str | Path | None = None) -> Path:
        """Write a page of tables, figures and all methods' texts; returns its path. `out` is as for `report`."""
        return report(self, out=out)

    def results(self, split: Split | None = None) -> dict[str, dict[str, dict[str, Any]]]:
        """What each method wrote and how it scored: a record by method and by example id.

        A record has `response`, `reasoning`, `metrics` by name, `finish_reason` and `new_tokens`, among others.
        """
        return shown_records(self.folder, self.recipe, chosen_split(split, self.recipe))

    def examples(self, split: Split | None = None) -> list[dict[str, Any]]:
        """The run's examples of a split as records with `input`, `output`, `context`, `user_id` and other fields."""
        return list(read_examples(self.folder, chosen_split(split, self.recipe, get_args(Split))))

    def writer(self, method: str | None = None) -> Writer:
        """A writer that loads the model of a method once and writes for any user; see `Writer`."""
        return Writer(self.folder, method, recipe=self.recipe)


def train(
    recipe: Recipe,
    folder: str | Path,
    *,
    rewards: Mapping[str, RewardFunction] | None = None,
    donor: str | Path | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train and evaluate every method of a recipe; the same call resumes a run that was stopped.

    recipe: as `load_recipe` returns it.
    folder: the run's folder; created where it does not exist.
    rewards: functions by name, each called as `reward(item)` with a `RewardInput`, which return a number from 0 to 1,
        or None where they cannot judge. They replace the recipe's mixture, with equal weights.
    donor: the folder of an earlier run, whose stages are reused where the settings are the same.
    progress: shows the run's progress; by default a bar in a terminal or a notebook, and lines elsewhere.

    Raises UserError for data or a model that does not exist, a folder with a run of another recipe or of other rewards,
    and a machine without the memory or disk space that the run needs.
    """
    if not isinstance(recipe, Recipe):
        raise ArgumentError("recipe", f"found {type(recipe).__name__}, expected what load_recipe returns")
    if rewards is not None:
        recipe = _with_rewards(recipe, rewards)
    folder = Path(folder)
    check_inputs(recipe, folder)
    check_room(make_plan(recipe), folder)
    donors = {} if donor is None else {Path(donor): load_run_recipe(Path(donor))}
    if progress is None:
        with _progress(folder) as console_progress:
            pipeline.train_run(recipe, folder, console_progress, donors)
    else:
        pipeline.train_run(recipe, folder, progress, donors)
    return Run(folder, as_in_run(recipe, folder))


def open_run(folder: str | Path, recipe: Recipe | None = None) -> Run:
    """A run that was trained before.

    folder: the run's folder.
    recipe: needed only where the run is to be resumed and its recipe names objects made in Python, such as a reward.

    Raises UserError where the folder has no run.
    """
    stored_recipe = load_run_recipe(Path(folder))
    return Run(Path(folder), stored_recipe if recipe is None else as_in_run(recipe, Path(folder)))


def compare(
    *runs: Run | str | Path,
    split: Split | None = None,
    holm: bool = False,
    over_seeds: bool = False,
) -> Comparison:
    """The methods of one or more runs side by side, with a paired test of each pair of methods.

    runs: runs or their folders.
    split: `val` or `test`; by default the recipe's `evaluation.split`.
    holm: whether to correct the tests for multiple comparisons (Holm, 1979).
    over_seeds: whether the runs are of one recipe with several seeds, whose means are compared.

    Raises UserError where nothing has been evaluated, or the runs cannot be compared.
    """
    return compare_runs(_folders(runs), split, over_seeds=over_seeds, holm=holm)


def report(
    *runs: Run | str | Path,
    out: str | Path | None = None,
    split: Split | None = None,
    holm: bool = False,
    over_seeds: bool = False,
) -> Path:
    """Write an HTML page to read and share, with tables, figures and all methods' texts side by side; returns its path.

    out: the folder to write to; by default `report` in the first run's folder. The other arguments are as for
        `compare`.

    Raises UserError as `compare` does.
    """
    folder = None if out is None else Path(out)
    return write_report(_folders(runs), folder, split, over_seeds=over_seeds, holm=holm)


def _folders(runs: Sequence[Run | str | Path]) -> list[Path]:
    if not runs:
        raise ArgumentError("runs", "found no run, expected one or more")
    return [run.folder if isinstance(run, Run) else Path(run) for run in runs]


def _with_rewards(recipe: Recipe, rewards: Mapping[str, RewardFunction]) -> Recipe:
    if not rewards:
        raise UserError("rewards: found no reward, expected one or more")
    mixture: dict[Any, Any] = {Extension.of(reward, name): 1.0 for name, reward in rewards.items()}
    values = {name: getattr(recipe, name) for name in type(recipe).model_fields}
    changed = recipe.reward.model_copy(update={"mixture": mixture})
    return check_recipe(values | {"reward": changed}, "rewards")


def _progress(folder: Path) -> ConsoleProgress:
    return ConsoleProgress(Console(), folder / "log.txt")
