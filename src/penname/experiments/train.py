"""A whole run: trains and evaluates every method of a recipe, each stage once."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from penname.config import Recipe, Split
from penname.engines.models import arithmetic, pick_device
from penname.evaluation.table import Results
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
from penname.pat.generator import GENERATOR, shared_generator, untuned
from penname.pat.method_prompts import method_prompts
from penname.rest_pg.algorithm import self_train
from penname.rewards.meteor import meteor_name
from penname.runs.folder import Progress, Record, Run, disk_errors, read_stage, write_text
from penname.runs.tracking import open_tracker
from penname.session.evaluate import evaluate_method
from penname.session.examples import ALL, count_name
from penname.session.fine_tune import PROMPT_FILE
from penname.session.session import Session

PACKAGES = ("penname", "torch", "transformers", "accelerate", "peft", "sentence-transformers", "nltk")


def train_run(
    recipe: Recipe,
    folder: Path,
    progress: Progress,
    donors: Mapping[Path, Recipe] | None = None,
    methods: Sequence[str] | None = None,
) -> None:
    """Train and evaluate the methods of `recipe` in `folder`; a run that was stopped resumes where it stopped.

    donors: finished runs, by folder, whose stages are reused where this recipe would give the same result.
    methods: the recipe's methods to train and evaluate, with the stages that they depend on; None for all.

    Raises UserError where the folder holds a run of another recipe, is in use, or the disk is full.
    """
    with open_run(recipe, folder, progress) as session:
        run = session.run
        _record_recipe(run, recipe)
        for note in untuned_notes(folder, recipe):
            progress.say(f"note: {note}")
        for donor, theirs in (donors or {}).items():
            take_over(donor, theirs, folder, recipe, methods)
        if reused := taken(folder):
            progress.say(f"taken over from other runs: {', '.join(map(str, reused))}; {total_of(reused)} saved")
        chosen = [row for name, row in recipe.rows.items() if name in (methods or recipe.rows)]
        evaluate_methods(session, chosen, recipe.evaluation.split)
        for name in recipe.writers([row.name for row in chosen]):
            write_three_authors(session, recipe.rows[name], model_of(session, recipe.rows[name]))


@contextmanager
def open_run(recipe: Recipe, folder: Path, progress: Progress) -> Iterator[Session]:
    """A session in the run's folder. Raises UserError where another process uses it, or the disk is full."""
    run = Run(folder, progress)
    with disk_errors(folder), run.lock(), open_tracker(recipe.tracking, folder) as run.tracker:
        refuse_other_recipe(folder, recipe)
        keep_extensions(folder, recipe)
        session = Session(recipe, run)
        try:
            yield session
        finally:
            session.release()


def evaluate_methods(session: Session, methods: Sequence[Method], split: Split) -> None:
    """Evaluate the methods, and write a card for each model of the run."""
    for method in methods:
        evaluate_in_run(session, method, split)
    _write_cards(session.run, load_run_recipe(session.run.folder))


def evaluate_in_run(session: Session, method: Method, split: Split, history: int | None = None) -> list[Record]:
    """The method's per-example records on `split`, training it first where it is not trained yet.

    history: see `Session.examples`.
    """
    prompts = None if method.trained else method_prompts(session, method, split, history)
    model = model_of(session, method)
    return evaluate_method(
        session, method.name, model, split, prompts, with_reasoning=method.reasoning, history=history
    )


def model_of(session: Session, method: Method) -> Path | None:
    """The folder of the method's model, trained first where it is not trained yet; None for the recipe's generator."""
    if not method.trained:
        return shared_generator(session)
    return self_train(
        session,
        with_reasoning=method.reasoning,
        iterations=session.recipe.expectation.iterations if method.self_trained else 0,
    )


def model_folder(run: Path, method: Method, iterations: int) -> Path:
    """The folder of the method's model in a finished run."""
    stage = f"{method.name}/iteration-{iterations}" if method.self_trained else method.name
    return run / stage / "training" / "model"


def cold_start(
    session: Session, methods: Sequence[Method], counts: Sequence[int], split: Split
) -> list[tuple[str, Results]]:
    """Cold-start simulation: results of methods on users with at least `RICH` documents, of which some are hidden.

    counts: numbers of documents left to each user; results with all documents come last.

    Raises UserError where the split has no such user.
    """
    results = []
    for history in [*counts, ALL]:
        records = {method.name: evaluate_in_run(session, method, split, history) for method in methods}
        results.append((count_name(history), scored(records)))
    return results


def _record_recipe(run: Run, recipe: Recipe) -> None:
    """Store the recipe and the environment with the run. Methods may be added; earlier ones stay in the recipe."""
    path = run.folder / "recipe.yaml"
    resolved = recipe.model_dump(mode="json")
    if path.is_file():
        before = load_run_recipe(run.folder).model_dump(mode="json")
        resolved["methods"] = list(dict.fromkeys([*before["methods"], *resolved["methods"]]))
    write_text(path, yaml.safe_dump(resolved, sort_keys=False))
    environment = describe_environment()
    if before := load_environment(run.folder):
        changed = [name for name in PACKAGES if before["packages"].get(name) != environment["packages"].get(name)]
        if changed or before.get("cores") != environment["cores"]:
            run.progress.say(
                f"note: this run was started with other versions or cores ({', '.join(changed) or 'cores'}); "
                "rounding may differ"
            )
    else:
        write_text(run.folder / ENVIRONMENT, json.dumps(environment, indent=2) + "\n")


def describe_environment() -> dict[str, Any]:
    """The versions and hardware that results may depend on."""
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
    """Write a card for each model that the run has trained.

    recipe: the run's recipe with all of its methods.
    """
    base = recipe.generator.model
    for name, method in recipe.rows.items():
        folder = model_folder(run.folder, method, recipe.expectation.iterations)
        if folder.is_dir():
            what = f"Method: `{name}`. Prompt it as `{PROMPT_FILE}` says, or use `penname generate`."
            records = read_stage(run.path(f"evaluation/{recipe.evaluation.split}/{name}/metrics"))
            write_card(folder, base, what, recipe, records)
    generator = run.path(f"{GENERATOR}/training") / "model"
    if generator.is_dir():
        late = untuned(run.folder, recipe)
        seen = ", ".join(f"`{m}`" for m, row in recipe.rows.items() if not row.trained and m not in late)
        others = (
            f" It writes for {', '.join(f'`{m}`' for m in late)} too, whose prompts it has not seen." if late else ""
        )
        write_card(generator, base, f"A generator fine-tuned on the prompts of {seen}.{others}", recipe)
    for agent in AGENTS:
        for folder in run.folder.glob(f"pat*/iteration-*/{agent}/training/model"):
            what = f"The {agent} agent of `{folder.relative_to(run.folder).parts[0]}`, trained by DPO."
            write_card(folder, recipe.agent(agent).model, what, recipe)
