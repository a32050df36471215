"""The data of a run that a report shows, read from the run's folder without computing anything again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penname.config import Recipe
from penname.data.load_report import LoadReport
from penname.data.sources import load_split
from penname.errors import UserError
from penname.experiments.results import labels_of, results_of
from penname.experiments.run_recipe import load_environment, load_run_recipe
from penname.experiments.three_authors import read_voices
from penname.experiments.train import PACKAGES
from penname.method_table import AGENTS
from penname.reporting.build import RunData
from penname.reporting.figures import Iteration
from penname.rest_pg.selection import EXPECTED_OUTPUT
from penname.runs.folder import Record, intact_stage, read_stage
from penname.runs.progress import read_timing
from penname.runs.worker_log import describe_workers
from penname.session import stage_names
from penname.session.evaluate import shown_metrics


def read_runs(folders: Sequence[Path], split: str | None = None) -> list[RunData]:
    """Read the data of runs.

    folders: the runs' folders.
    split: `val` or `test`; by default each run's evaluation split.

    Raises UserError if nothing is evaluated yet, or a file is damaged.
    """
    return [_read_run(folder, name, split) for folder, name in zip(folders, labels_of(folders), strict=True)]


def _read_run(folder: Path, name: str, split: str | None) -> RunData:
    recipe = load_run_recipe(folder)
    used = split or recipe.evaluation.split
    results, names, _ = results_of([folder], split)
    examples = {r["example_id"]: r for r in read_examples(folder, used)}
    profiles, problem = _profiles(recipe, used)
    return RunData(
        name=name,
        facts=_facts(recipe, used, len(examples), load_environment(folder)) | _workers(folder),
        recipe=(folder / "recipe.yaml").read_text(encoding="utf-8"),
        results=results,
        names=names,
        records=shown_records(folder, recipe, used),
        examples=examples,
        profiles=profiles,
        iterations={
            name: found
            for name, method in recipe.method_rows.items()
            if method.self_trained and (found := _iterations(folder, name))
        },
        sampled=f"training inputs at temperature {recipe.expectation.temperature:g}",
        evaluated=f"{used} inputs at temperature {recipe.evaluation.temperature:g}",
        split=used,
        voices=read_voices(folder, used, list(recipe.method_rows)),
        timing=read_timing(folder),
        texts=recipe.evaluation.texts,
        unread=problem,
    )


def read_examples(folder: Path, split: str) -> Sequence[Record]:
    """The examples of a split as a run has prepared them. Raises UserError if a file is missing or damaged."""
    return read_stage(intact_stage(folder / stage_names.data(split)))


def shown_records(folder: Path, recipe: Recipe, split: str) -> dict[str, dict[str, Record]]:
    """The first text of each evaluated method for each example, with its scores, by method and example id.

    folder: the folder of the run.
    recipe: the recipe of the run.
    split: the split that was evaluated.
    """
    found: dict[str, dict[str, Record]] = {}
    for method in recipe.method_rows:
        stage = stage_names.evaluation(split, method)
        if (folder / stage / "stage.json").is_file():
            records = read_stage(folder / stage_names.metrics(stage))
            own = {r["example_id"]: r | {"metrics": shown_metrics(r)} for r in records}
            found[method] = _with_summaries(folder, recipe, split, method, own)
    return found


def _facts(recipe: Recipe, split: str, examples: int, environment: Record) -> dict[str, str]:
    packages = environment.get("packages", {})
    versions = {name: packages[name] for name in PACKAGES if name in packages}
    return {
        "methods": ", ".join(recipe.method_rows),
        "generator": recipe.generator.model,
        "data": ", ".join(source.hub or source.path or source.format for source in recipe.data),
        "evaluated on": f"{examples} examples of {split}",
        "reward": " + ".join(f"{weight:g} {name}" for name, weight in recipe.reward.weights.items()),
        "words of ROUGE and METEOR": recipe.reward.words,
        "seed": str(recipe.seed),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }


def _workers(folder: Path) -> dict[str, str]:
    described = describe_workers(folder)
    return {} if described is None else {"workers": described}


def _with_summaries(
    folder: Path, recipe: Recipe, split: str, method: str, records: dict[str, Record]
) -> dict[str, Record]:
    """The records with PaT's reasoning, which is what its agents wrote in the last round."""
    if not recipe.method_rows[method].writes_summaries:
        return records
    stage = stage_names.summaries(method, split)
    summaries: dict[str, list[str]] = {}
    for agent in AGENTS:
        for record in read_stage(folder / stage_names.round_of(stage, recipe.pat.rounds, agent)):
            summaries.setdefault(record["example_id"], []).append(f"{agent.capitalize()}: {record['summary']}")
    return {i: record | {"reasoning": "\n".join(summaries.get(i, []))} for i, record in records.items()}


def _profiles(recipe: Recipe, split: str) -> tuple[dict[str, list[str]], list[str]]:
    """The texts of each example's profile, read from the data again, and notes on what could not be read."""
    if recipe.evaluation.shuffled:
        return {}, ["profiles are not shown: some examples have those of other users"]
    try:
        limit = getattr(recipe.limit, split)
        found = load_split(recipe.data, split, limit, recipe.seed, LoadReport())
    except UserError as error:
        return {}, [f"profiles are not shown: {error}"]
    return {example.id: [d.text for d in example.profile] for example in found}, []


def _iterations(folder: Path, method: str) -> list[Iteration]:
    found: list[Iteration] = []
    while True:
        prefix = stage_names.iteration(method, len(found) + 1)
        selection, rewarded = folder / stage_names.selection(prefix), folder / stage_names.rewards(prefix)
        if not (selection / "stage.json").is_file():
            return found
        kept: dict[str, int] = {}
        rewards = []
        for record in read_stage(rewarded):
            kept.setdefault(record["example_id"], 0)
            # As in the evaluation, a malformed completion has a reward of 0.
            reward = 0.0 if record["response"] is None else record["reward"]
            if reward is not None:
                rewards.append(reward)
        for record in read_stage(intact_stage(selection)):
            if record["example_id"] not in kept:
                raise UserError(f"{rewarded}: found nothing for example {record['example_id']}")
            kept[record["example_id"]] += record["sample"] != EXPECTED_OUTPUT
        found.append(Iteration(rewards, list(kept.values())))
