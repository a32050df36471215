"""The scores of a run's methods, read from its folder, or averaged over runs with several seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from penname.config import Recipe
from penname.errors import UserError
from penname.evaluation.seeds import between_seeds, over_seeds
from penname.evaluation.table import Results, Scored
from penname.experiments.language import notes_on_language
from penname.experiments.run_recipe import (
    CHANGEABLE,
    chosen_split,
    first_difference,
    load_environment,
    load_run_recipe,
)
from penname.pat.generator import methods_not_tuned_on
from penname.rewards.meteor import EXACT
from penname.runs.folder import Record, intact_stage, read_json, read_stage
from penname.session import stage_names


def labels_of(folders: Sequence[Path]) -> list[str]:
    """Labels of runs: the names of their folders, or the whole paths where two names are the same.

    folders: the runs' folders.
    """
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def results_of(
    folders: Iterable[Path], split: str | None = None, profile_sizes: range | None = None
) -> tuple[Results, Record, list[str]]:
    """Per-example metrics of the runs' evaluated methods, the metrics' displayed names, and notes for readers.

    folders: the runs' folders; with several, a method is called RUN:METHOD.
    split: `val` or `test`; by default each run's evaluation split.
    profile_sizes: keep only examples of users whose number of documents is in this range.

    Raises UserError where nothing is evaluated, a file is damaged or missing, a run is given twice, or runs have
    different examples with the same id.
    """
    results: dict[str, Mapping[str, Scored]] = {}
    names: Record = {}
    rewards: dict[str, Path] = {}
    words: dict[str, Path] = {}
    folders = list(folders)
    notes: list[str] = []
    _refuse_repeated(folders)
    _refuse_different_examples(folders, split)
    for folder, label in zip(folders, labels_of(folders), strict=True):
        recipe = load_run_recipe(folder)
        used = chosen_split(split, recipe)
        rewards.setdefault(recipe.reward.model_dump_json(), folder)
        words.setdefault(recipe.reward.words, folder)
        if environment := load_environment(folder):
            meteor = EXACT if recipe.reward.words == "unicode" else str(environment.get("meteor", "meteor"))
            if names.setdefault("meteor", meteor) != meteor:
                notes.append(
                    f"{folder}: METEOR is {meteor} here, {names['meteor']} in {folders[0]}: do not compare them"
                )
        for method in recipe.method_rows:
            evaluation = stage_names.evaluation(used, method)
            stage = folder / evaluation
            if not (stage / "stage.json").is_file():
                notes.append(f"{folder}: {method} is not evaluated on {used} yet")
                continue
            intact_stage(stage)
            records = read_stage(folder / stage_names.metrics(evaluation))
            if not len(records):
                raise UserError(f"{stage}: found no example")
            name = f"{label}:{method}" if len(folders) > 1 else method
            if profile_sizes is None:
                notes += _completion_notes(name, read_json(stage / "stage.json"), recipe.evaluation.texts)
            if profile_sizes is not None and any("history" not in r for r in records):
                raise UserError(
                    f"{stage}: evaluated by an earlier version, which did not record how many documents a user has"
                )
            kept = [r for r in records if profile_sizes is None or r["history"] in profile_sizes]
            results |= scored({name: kept})
        notes += [*untuned_notes(folder, recipe), *(f"{folder}: {note}" for note in notes_on_language(recipe))]
    if len(rewards) > 1:
        notes.append(f"{' and '.join(map(str, rewards.values()))} have different rewards: do not compare their rewards")
    if len(words) > 1:
        notes.append(
            f"{' and '.join(map(str, words.values()))} have different reward.words: do not compare their ROUGE"
        )
    if not results:
        where = f" on {split}" if split else ""
        raise UserError(
            f"{', '.join(map(str, folders))}: no method has been evaluated{where} yet; run penname evaluate"
        )
    return results, names, notes


def refuse_unless_seeds_alone_differ(folders: Sequence[Path]) -> None:
    """Raise UserError for runs that differ in more than the seed, or have the same seed. folders: of the runs."""
    recipes = {folder: load_run_recipe(folder).model_dump(mode="json", exclude=CHANGEABLE) for folder in folders}
    first, *others = recipes
    for folder in others:
        if change := first_difference(recipes[first] | {"seed": 0}, recipes[folder] | {"seed": 0}):
            raise UserError(f"{folder}: expected the recipe of {first} with another seed, but {change}")
    seeds = [recipe["seed"] for recipe in recipes.values()]
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise UserError(f"found runs with the seeds {', '.join(map(str, seeds))}, expected different ones, two or more")


def results_over_seeds(
    folders: Sequence[Path], split: str | None = None, profile_sizes: range | None = None
) -> tuple[Results, Record, list[str], Record]:
    """As `results_of`, averaged over runs of one recipe with several seeds, and the standard deviation between seeds.

    folders, split, profile_sizes: see `results_of`.

    Raises UserError for runs that differ in more than the seed, have the same seed, or have different data.
    """
    _refuse_repeated(folders)
    refuse_unless_seeds_alone_differ(folders)
    every, names, notes = results_of(folders, split, profile_sizes)
    runs: list[Results] = [
        {
            method: every[name]
            for method in load_run_recipe(folder).method_rows
            if (name := f"{label}:{method}") in every
        }
        for folder, label in zip(folders, labels_of(folders), strict=True)
    ]
    results = over_seeds(runs)
    for name in dict.fromkeys(name for run in runs for name in run):
        if name not in results:
            notes.append(f"{name} is not in all of the runs: skipped")
        elif not results[name]:
            raise UserError(f"{name}: found no example that the runs have in common, expected the same ones in all")
        elif len(results[name]) < max(len(run[name]) for run in runs):
            notes.append(f"{name}: {len(results[name])} examples are in all of the runs; others are skipped")
    deviation = between_seeds([_common_examples(run, results) for run in runs])
    return results, names, notes, {"n": len(runs), "deviation": deviation}


def _common_examples(run: Results, common: Results) -> Results:
    """A run's scores of the methods and examples that are in `common`."""
    return {name: {i: run[name][i] for i in examples} for name, examples in common.items()}


def _refuse_repeated(folders: Sequence[Path]) -> None:
    for number, folder in enumerate(folders):
        if folder.resolve() in [other.resolve() for other in folders[:number]]:
            raise UserError(f"{folder}: given twice, expected different ones")


def _refuse_different_examples(folders: Sequence[Path], split: str | None) -> None:
    """Raise UserError if runs have different examples with the same id, which paired tests would pair."""
    seen: dict[str, tuple[tuple[str, str], Path]] = {}
    for folder in folders if len(folders) > 1 else []:
        stage = folder / stage_names.data(split or load_run_recipe(folder).evaluation.split)
        for record in read_stage(intact_stage(stage)):
            texts = record["input"], record["output"]
            first, first_folder = seen.setdefault(record["example_id"], (texts, folder))
            if texts != first:
                raise UserError(
                    f"{folder}: example {record['example_id']} has another input or output than in {first_folder}, "
                    "expected runs on the same data"
                )


def _completion_notes(name: str, facts: Record, texts: int) -> list[str]:
    """A note on malformed and truncated completions, if there are any. texts: completions of each example."""
    examples, malformed, unfinished = (facts.get(key, 0) for key in ("examples", "malformed", "unfinished"))
    parts = [f"{malformed} malformed, which score 0"] if malformed else []
    parts += [f"{unfinished} truncated at the token limit"] if unfinished else []
    return [f"{name}: of {examples * texts} completions {', '.join(parts)}."] if parts else []


def scored(records: Mapping[str, Iterable[Record]]) -> Results:
    """The scores in evaluation records. records: the per-example records of each method."""
    return {
        method: {r["example_id"]: {"task": r["task"], "metrics": r["metrics"]} for r in of_method}
        for method, of_method in records.items()
    }


def untuned_notes(folder: Path, recipe: Recipe) -> list[str]:
    """A note on methods whose prompts the run's generator was not fine-tuned on, if there are any."""
    not_tuned_on = methods_not_tuned_on(folder, recipe)
    return (
        [f"{folder}: the generator was fine-tuned without the prompts of {', '.join(not_tuned_on)}"]
        if not_tuned_on
        else []
    )
