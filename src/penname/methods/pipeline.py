"""A whole run: every method of a recipe, each stage once, and the table that compares them."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from penname.config import AGENTS, METHODS, SELF_TRAINED, TRAINED, WITH_REASONING, MethodName, Recipe, load_recipe
from penname.engines.models import arithmetic, pick_device
from penname.errors import UserError
from penname.evaluation.seeds import between_seeds, over_seeds
from penname.evaluation.table import Results, Scored
from penname.methods.cards import write_card
from penname.methods.evaluate import evaluate_method
from penname.methods.pat import GENERATOR, method_prompts, shared_generator, untuned
from penname.methods.self_training import PROMPT_FILE, self_train
from penname.methods.sharing import take_over, taken, total_of
from penname.methods.workbench import Split, Workbench
from penname.rewards.meteor import meteor_name
from penname.runs.store import Progress, Record, Run, disk_errors, read_json, read_stage, whole_stage, write_text
from penname.runs.tracking import open_tracker

MAY_CHANGE = {"methods", "tracking"}
"""Of a run's recipe."""
PACKAGES = ("penname", "torch", "transformers", "accelerate", "peft", "sentence-transformers", "nltk")


def train_run(recipe: Recipe, folder: Path, progress: Progress, donors: Mapping[Path, Recipe] | None = None) -> None:
    """Train and evaluate every method of `recipe` in `folder`; started again, go on where it was stopped.

    donors: finished runs, by folder, from which stages are taken over that this recipe would make alike.
    Raises UserError where the folder holds a run of another recipe, is in use, or the disk is full.
    """
    run = Run(folder, progress)
    with disk_errors(folder), run.lock(), open_tracker(recipe.tracking, folder) as run.tracker:
        _record_recipe(run, recipe)
        for note in _untuned_notes(folder, recipe):
            progress.say(f"note: {note}")
        for donor, theirs in (donors or {}).items():
            take_over(donor, theirs, folder, recipe)
        if found := taken(folder):
            progress.say(f"taken over from other runs: {', '.join(map(str, found))}; {total_of(found)} saved")
        bench = Workbench(recipe, run)
        for method in METHODS:
            if method in recipe.methods:
                evaluate_in_run(bench, method, recipe.evaluation.split)
        _write_cards(run, load_run_recipe(folder))


def evaluate_in_run(bench: Workbench, method: MethodName, split: Split, history: int | None = None) -> list[Record]:
    """The method's per-example records on `split`, training it first where it is not trained yet.

    history: as `Workbench.examples` takes it.
    """
    prompts = None if method in TRAINED else method_prompts(bench, method, split, history)
    model = model_of(bench, method)
    return evaluate_method(
        bench, method, model, split, prompts, with_reasoning=method in WITH_REASONING, history=history
    )


def model_of(bench: Workbench, method: MethodName) -> Path | None:
    """The folder of the method's model, trained first where it is not yet; None for the generator as it is."""
    if method not in TRAINED:
        return shared_generator(bench)
    return self_train(
        bench,
        with_reasoning=method in WITH_REASONING,
        iterations=bench.recipe.expectation.iterations if method in SELF_TRAINED else 0,
    )


def model_folder(run: Path, method: MethodName, iterations: int) -> Path:
    """Where a finished run keeps the method's model."""
    stage = f"{method}/iteration-{iterations}" if method in SELF_TRAINED else method
    return run / stage / "training" / "model"


def load_run_recipe(folder: Path) -> Recipe:
    path = folder / "recipe.yaml"
    if not path.is_file():
        raise UserError(f"{folder}: found no recipe.yaml, expected the folder of a run")
    return load_recipe(str(path))


def labels_of(folders: Sequence[Path]) -> list[str]:
    """What to call runs: by the names of their folders, or by all of their paths where two have the same name."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def results_of(
    folders: Iterable[Path], split: str | None = None, histories: range | None = None
) -> tuple[Results, Record, list[str]]:
    """Per-example metrics of the runs' evaluated methods, what to call the metrics, and notes on what is missing.

    With several runs a method is shown as RUN:METHOD. histories: take only examples whose users have so many documents
    of their own. Raises UserError where nothing is evaluated, or a file is damaged or missing.
    """
    results: dict[str, Mapping[str, Scored]] = {}
    names: Record = {}
    folders = list(folders)
    missing: list[str] = []
    for folder, label in zip(folders, labels_of(folders), strict=True):
        recipe = load_run_recipe(folder)
        used = split or recipe.evaluation.split
        environment = folder / "environment.json"
        if environment.is_file():
            names |= {"meteor": read_json(environment)["meteor"]}
        for method in recipe.methods:
            stage = folder / "evaluation" / used / method
            if not (stage / "stage.json").is_file():
                missing.append(f"{folder}: {method} is not evaluated on {used} yet")
                continue
            records = read_stage(whole_stage(stage) / "metrics")
            if histories is not None and any("history" not in r for r in records):
                raise UserError(
                    f"{stage}: evaluated by an earlier version, which did not keep how many documents a user has"
                )
            kept = [r for r in records if histories is None or r["history"] in histories]
            results |= _scored({f"{label}:{method}" if len(folders) > 1 else method: kept})
        missing += _untuned_notes(folder, recipe)
    if not results:
        raise UserError(f"{', '.join(map(str, folders))}: no method has been evaluated yet; run penname evaluate")
    return results, names, missing


def results_over_seeds(
    folders: Sequence[Path], split: str | None = None, histories: range | None = None
) -> tuple[Results, Record, list[str], Record]:
    """As `results_of`, of runs of one recipe with several seeds taken as one, and how the seeds differ.

    Raises UserError for runs that differ in more than the seed, or that have the same one.
    """
    recipes = {folder: load_run_recipe(folder).model_dump(mode="json", exclude=MAY_CHANGE) for folder in folders}
    first, *others = recipes
    for folder in others:
        if change := _first_change(recipes[first] | {"seed": 0}, recipes[folder] | {"seed": 0}):
            raise UserError(f"{folder}: expected the recipe of {first} with another seed, but {change}")
    seeds = [recipe["seed"] for recipe in recipes.values()]
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise UserError(f"found runs with the seeds {', '.join(map(str, seeds))}, expected different ones, two or more")
    found = [results_of([folder], split, histories) for folder in folders]
    runs = [results for results, _, _ in found]
    missing = [note for _, _, notes in found for note in notes]
    results = over_seeds(runs)
    for name in dict.fromkeys(name for run in runs for name in run):
        if name not in results:
            missing.append(f"{name} is not in all of the runs: left out")
        elif not results[name]:
            raise UserError(f"{name}: found no example that the runs have in common, expected the same ones in all")
        elif len(results[name]) < max(len(run[name]) for run in runs):
            missing.append(f"{name}: {len(results[name])} examples are in all of the runs; others are left out")
    return results, found[0][1], missing, {"n": len(runs), "deviation": between_seeds(runs)}


def cold_start(bench: Workbench, counts: Sequence[int], split: Split) -> list[tuple[str, Results]]:
    """The run's methods on users with `RICH` documents or more, with so many of them left, and at last with all.

    Raises UserError where the split has no such user.
    """
    methods = [method for method in METHODS if method in bench.recipe.methods]

    def results(history: int | None) -> dict[str, list[Record]]:
        return {method: evaluate_in_run(bench, method, split, history) for method in methods}

    found = [(str(history), _scored(results(history))) for history in counts]
    rich = {example.example_id for example in bench.prepare_fitting(split, counts[0])}
    kept = {method: [r for r in own if r["example_id"] in rich] for method, own in results(None).items()}
    return [*found, ("all", _scored(kept))]


def _scored(records: Mapping[str, Iterable[Record]]) -> Results:
    return {
        method: {r["example_id"]: {"task": r["task"], "metrics": r["metrics"]} for r in own}
        for method, own in records.items()
    }


def refuse_other_recipe(folder: Path, recipe: Recipe) -> None:
    """Raises UserError where the folder has a run whose recipe differs in more than what may change."""
    if not (folder / "recipe.yaml").is_file():
        return
    before = load_run_recipe(folder).model_dump(mode="json", exclude=MAY_CHANGE)
    if change := _first_change(before, recipe.model_dump(mode="json", exclude=MAY_CHANGE)):
        raise UserError(
            f"run folder {folder} was started with another recipe: {change}; choose another folder with --run"
        )


def _record_recipe(run: Run, recipe: Recipe) -> None:
    """Keep the recipe and the environment with the run. Methods may be added: those already there stay as they are."""
    path = run.folder / "recipe.yaml"
    resolved = recipe.model_dump(mode="json")
    refuse_other_recipe(run.folder, recipe)
    if path.is_file():
        before = load_run_recipe(run.folder).model_dump(mode="json")
        resolved["methods"] = list(dict.fromkeys([*before["methods"], *resolved["methods"]]))
    write_text(path, yaml.safe_dump(resolved, sort_keys=False))
    environment = run.folder / "environment.json"
    found = describe_environment()
    if environment.is_file():
        before = read_json(environment)
        changed = [name for name in PACKAGES if before["packages"].get(name) != found["packages"].get(name)]
        if changed or before["cores"] != found["cores"]:
            run.progress.say(
                f"note: this run was started with other versions or cores ({', '.join(changed) or 'cores'}); "
                "rounding may differ"
            )
    else:
        write_text(environment, json.dumps(found, indent=2) + "\n")


def _untuned_notes(folder: Path, recipe: Recipe) -> list[str]:
    late = untuned(folder, recipe)
    return [f"{folder}: the generator was fine-tuned without the prompts of {', '.join(late)}"] if late else []


def _first_change(before: Any, now: Any, key: str = "") -> str | None:
    """Which setting differs, by its dotted name, and how."""
    if before == now:
        return None
    if isinstance(before, dict) and isinstance(now, dict) and set(before) == set(now):
        changes = (_first_change(before[name], now[name], f"{key}.{name}".lstrip(".")) for name in now)
        return next(change for change in changes if change)
    return f"{key} was {before}, now {now}"


def describe_environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "packages": {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()},
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "device": pick_device(),
        "arithmetic": arithmetic(),
        "meteor": meteor_name(),
    }


def _write_cards(run: Run, recipe: Recipe) -> None:
    """A card beside each model that the run has trained. recipe: with all of its methods."""
    base = recipe.generator.model
    for method in recipe.methods:
        folder = model_folder(run.folder, method, recipe.expectation.iterations)
        if folder.is_dir():
            what = f"Method: `{method}`. Prompt it as `{PROMPT_FILE}` says, or use `penname generate`."
            records = read_stage(run.path(f"evaluation/{recipe.evaluation.split}/{method}/metrics"))
            write_card(folder, base, what, recipe, records)
    generator = run.path(f"{GENERATOR}/training") / "model"
    if generator.is_dir():
        late = untuned(run.folder, recipe)
        seen = ", ".join(f"`{m}`" for m in recipe.methods if m not in TRAINED and m not in late)
        others = (
            f" It writes for {', '.join(f'`{m}`' for m in late)} too, whose prompts it has not seen." if late else ""
        )
        write_card(generator, base, f"A generator fine-tuned on the prompts of {seen}.{others}", recipe)
    for agent in AGENTS:
        for folder in run.folder.glob(f"pat*/iteration-*/{agent}/training/model"):
            what = f"The {agent} agent of `{folder.relative_to(run.folder).parts[0]}`, trained by DPO."
            write_card(folder, recipe.agent(agent).model, what, recipe)
