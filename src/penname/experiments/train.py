"""A whole run: every method of a recipe, each stage once, and the table that compares them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import yaml

from penname.config import Recipe, Split
from penname.errors import ArgumentError
from penname.evaluation.table import Results
from penname.experiments.machine import describe_environment
from penname.experiments.model_card import write_card
from penname.experiments.results import scored, untuned_notes
from penname.experiments.reuse import take_over, taken, total_of
from penname.experiments.run_recipe import (
    ENVIRONMENT,
    keep_extensions,
    load_environment,
    load_run_recipe,
    refuse_other_recipe,
)
from penname.experiments.three_authors import write_three_authors
from penname.method_table import AGENTS, Method
from penname.pat.generator import methods_not_tuned_on, shared_generator
from penname.pat.method_prompts import method_prompts
from penname.rest_pg.algorithm import self_train
from penname.runs.folder import Progress, Record, RunFolder, disk_errors, read_stage, write_text
from penname.runs.tracking import open_tracker
from penname.session import stage_names
from penname.session.evaluate import evaluate_method
from penname.session.fine_tune import PROMPT_FILE
from penname.session.session import Session
from penname.session.stage_names import ALL, GENERATOR, count_name

PACKAGES = ("penname", "torch", "transformers", "accelerate", "peft", "sentence-transformers", "nltk")


def train_run(
    recipe: Recipe,
    folder: Path,
    progress: Progress,
    donors: Mapping[Path, Recipe] | None = None,
    methods: Sequence[str] | None = None,
) -> None:
    """Train and evaluate every method of `recipe` in `folder`; started again, go on where it was stopped.

    donors: finished runs, by folder, from which stages are taken over that this recipe would make alike.
    methods: train and evaluate only these of the recipe's, and what they begin with.
    Raises UserError where the folder holds a run of another recipe, is in use, or the disk is full.
    """
    with open_run(recipe, folder, progress) as session:
        run = session.run
        _record_recipe(run, recipe)
        for note in untuned_notes(folder, recipe):
            progress.say(f"note: {note}")
        for donor, theirs in (donors or {}).items():
            take_over(donor, theirs, folder, recipe, methods)
        if found := taken(folder):
            progress.say(f"taken over from other runs: {', '.join(map(str, found))}; {total_of(found)} saved")
        chosen = [row for name, row in recipe.method_rows.items() if name in (methods or recipe.method_rows)]
        evaluate_methods(session, chosen, recipe.evaluation.split)
        for name in recipe.writers([row.name for row in chosen]):
            write_three_authors(session, recipe.method_rows[name], model_of(session, recipe.method_rows[name]))


@contextmanager
def open_run(recipe: Recipe, folder: Path, progress: Progress) -> Iterator[Session]:
    """A session in the run's folder. Raises UserError where another process uses it, or the disk is full."""
    run = RunFolder(folder, progress)
    with disk_errors(folder), run.lock(), open_tracker(recipe.tracking, folder) as run.tracker:
        refuse_other_recipe(folder, recipe)
        keep_extensions(folder, recipe)
        session = Session(recipe, run)
        try:
            yield session
        finally:
            session.release()


def evaluate_methods(session: Session, methods: Sequence[Method], split: Split) -> None:
    """Evaluate the methods, and put a card beside each model of the run.

    Raises UserError where the recipe shuffles the profiles of another split.
    """
    settings = session.recipe.evaluation
    if settings.shuffled and split != settings.split:
        raise ArgumentError("split", f"this run shuffles the profiles of {settings.split}, expected that")
    for method in methods:
        evaluate_in_run(session, method, split)
    _write_cards(session.run, load_run_recipe(session.run.folder))


def evaluate_in_run(session: Session, method: Method, split: Split, history: int | None = None) -> list[Record]:
    """The method's per-example records on `split`, training it first where it is not trained yet.

    history: as `Session.examples` takes it.
    """
    prompts = None if method.trained else method_prompts(session, method, split, history)
    model = model_of(session, method)
    return evaluate_method(
        session, method.name, model, split, prompts, with_reasoning=method.reasoning, history=history
    )


def model_of(session: Session, method: Method) -> Path | None:
    """The folder of the method's model, trained first where it is not yet; None for the generator as it is."""
    if not method.trained:
        return shared_generator(session)
    return self_train(
        session,
        with_reasoning=method.reasoning,
        iterations=session.recipe.expectation.iterations if method.self_trained else 0,
    )


def model_folder(run: Path, method: Method, iterations: int) -> Path:
    """Where a finished run keeps the method's model."""
    return run / stage_names.last_training(method, iterations) / "model"


def cold_start(
    session: Session, methods: Sequence[Method], counts: Sequence[int], split: Split
) -> list[tuple[str, Results]]:
    """Methods on users with `RICH` documents or more, with so many of them left, and at last with all.

    Raises UserError where the split has no such user.
    """
    found = []
    for history in [*counts, ALL]:
        records = {method.name: evaluate_in_run(session, method, split, history) for method in methods}
        found.append((count_name(history), scored(records)))
    return found


def _record_recipe(run: RunFolder, recipe: Recipe) -> None:
    """Keep the recipe and the environment with the run. Methods may be added: those already there stay as they are."""
    path = run.folder / "recipe.yaml"
    resolved = recipe.model_dump(mode="json")
    if path.is_file():
        before = load_run_recipe(run.folder).model_dump(mode="json")
        resolved["methods"] = list(dict.fromkeys([*before["methods"], *resolved["methods"]]))
    write_text(path, yaml.safe_dump(resolved, sort_keys=False))
    found = describe_environment()
    if before := load_environment(run.folder):
        changed = [name for name in PACKAGES if before["packages"].get(name) != found["packages"].get(name)]
        if changed or before.get("cores") != found["cores"]:
            run.progress.say(
                f"note: this run was started with other versions or cores ({', '.join(changed) or 'cores'}); "
                "rounding may differ"
            )
    else:
        write_text(run.folder / ENVIRONMENT, json.dumps(found, indent=2) + "\n")


def _write_cards(run: RunFolder, recipe: Recipe) -> None:
    """A card beside each model that the run has trained. recipe: with all of its methods."""
    base = recipe.generator.model
    for name, method in recipe.method_rows.items():
        folder = model_folder(run.folder, method, recipe.expectation.iterations)
        if folder.is_dir():
            what = f"Method: `{name}`. Prompt it as `{PROMPT_FILE}` says, or use `penname generate`."
            evaluation = stage_names.evaluation(recipe.evaluation.split, name)
            records = read_stage(run.path(stage_names.metrics(evaluation)))
            write_card(folder, base, what, recipe, records)
    generator = run.path(stage_names.training(GENERATOR)) / "model"
    if generator.is_dir():
        late = methods_not_tuned_on(run.folder, recipe)
        seen = ", ".join(f"`{m}`" for m, row in recipe.method_rows.items() if not row.trained and m not in late)
        others = (
            f" It writes for {', '.join(f'`{m}`' for m in late)} too, whose prompts it has not seen." if late else ""
        )
        write_card(generator, base, f"A generator fine-tuned on the prompts of {seen}.{others}", recipe)
    methods = dict.fromkeys(row.agents_of for row in recipe.method_rows.values() if row.agents_of and row.trains_agents)
    for method, number, agent in product(methods, range(1, recipe.pat.iterations + 1), AGENTS):
        folder = run.path(stage_names.training(stage_names.agent_iteration(method, number, agent))) / "model"
        if folder.is_dir():
            write_card(folder, recipe.agent(agent).model, f"The {agent} agent of `{method}`, trained by DPO.", recipe)
