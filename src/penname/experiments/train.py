"""A whole run: trains and evaluates every method of a recipe, computing each stage once."""

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
from penname.experiments.language import notes_on_language, with_chosen_words
from penname.experiments.machine import describe_environment
from penname.experiments.model_card import write_card
from penname.experiments.prompting import record_prompting
from penname.experiments.results import scored, untuned_notes
from penname.experiments.reuse import describe_savings, reuse_stages, reused_stages
from penname.experiments.run_recipe import (
    ENVIRONMENT,
    load_environment,
    load_run_recipe,
    record_extensions,
    refuse_different_recipe,
)
from penname.experiments.three_authors import write_three_authors
from penname.method_table import AGENTS, Method
from penname.pat.generator import methods_not_tuned_on, shared_generator
from penname.pat.method_prompts import method_prompts
from penname.rest_pg.algorithm import self_train
from penname.runs.folder import Progress, Record, RunFolder, disk_errors, read_stage, write_text
from penname.runs.tracking import open_tracker
from penname.session import stage_names
from penname.session.endpoints import ask_for_endpoints, check_chat_judge
from penname.session.engines import Engines
from penname.session.evaluate import evaluate_method
from penname.session.executor import Executor, InProcess
from penname.session.fine_tune import PROMPT_FILE
from penname.session.session import Session
from penname.session.stage_names import ALL_DOCUMENTS, GENERATOR, count_name

PACKAGES = ("penname", "torch", "transformers", "accelerate", "peft", "sentence-transformers", "nltk")


def train_run(
    recipe: Recipe,
    folder: Path,
    progress: Progress,
    donors: Mapping[Path, Recipe] | None = None,
    methods: Sequence[str] | None = None,
) -> None:
    """Train and evaluate every method of a recipe; a run that was stopped resumes where it stopped.

    recipe: the recipe.
    folder: the folder of the run.
    progress: reports how far the run is.
    donors: the recipes of finished runs, by folder, whose stages are reused where the settings are the same.
    methods: train and evaluate only these methods and the ones that they start from; None for all.

    Raises UserError if the folder has a run of another recipe or is in use, or if the disk is full.
    """
    with open_run(recipe, folder, progress) as session:
        run, recipe = session.run, session.recipe
        if not (folder / "recipe.yaml").is_file():
            check_chat_judge(session)
        _record_recipe(run, recipe)
        record_prompting(session)
        for note in [*untuned_notes(folder, recipe), *notes_on_language(recipe)]:
            progress.say(f"note: {note}")
        for donor, donor_recipe in (donors or {}).items():
            reuse_stages(donor, donor_recipe, folder, recipe, methods)
        if found := reused_stages(folder):
            progress.say(f"reused from other runs: {', '.join(map(str, found))}; {describe_savings(found)} saved")
        chosen = [row for name, row in recipe.method_rows.items() if name in (methods or recipe.method_rows)]
        evaluate_methods(session, chosen, recipe.evaluation.split)
        for name in recipe.writers([row.name for row in chosen]):
            write_three_authors(session, recipe.method_rows[name], model_of(session, recipe.method_rows[name]))


@contextmanager
def open_run(recipe: Recipe, folder: Path, progress: Progress) -> Iterator[Session]:
    """Open a session in a run's folder.

    recipe: the recipe of the run.
    folder: the folder of the run.
    progress: reports how far the run is.

    Raises UserError if another process uses the folder, if the run has another recipe, if a server whose endpoint is
    not known yet does not answer, or if the disk is full.
    """
    run = RunFolder(folder, progress)
    with disk_errors(folder), run.lock(), open_tracker(recipe.tracking, folder) as run.tracker:
        recipe = with_chosen_words(recipe, folder, progress)
        refuse_different_recipe(folder, recipe)
        engines = Engines(progress.add_generated, say=progress.say)
        recipe = ask_for_endpoints(recipe, engines.say)
        record_extensions(folder, recipe)
        session = Session(recipe, run, engines, executor=_executor(recipe, run))
        try:
            yield session
        finally:
            session.close()


def _executor(recipe: Recipe, run: RunFolder) -> Executor:
    """The executor that a recipe's section `scale` names."""
    if recipe.scale.kind == "local":
        return InProcess()
    from penname.scale.ray_executor import RayExecutor  # ray is an extra

    return RayExecutor(recipe, run)


def evaluate_methods(session: Session, methods: Sequence[Method], split: Split) -> None:
    """Evaluate methods, and write a model card for each model of the run.

    session: the session of the run.
    methods: the methods to evaluate; one that is not trained yet is trained first.
    split: the split to evaluate on.

    Raises UserError if the recipe shuffles the profiles of another split.
    """
    settings = session.recipe.evaluation
    if settings.shuffled and split != settings.split:
        raise ArgumentError("split", f"this run shuffles the profiles of {settings.split}, expected that")
    for method in methods:
        evaluate_in_run(session, method, split)
    _write_cards(session.run, load_run_recipe(session.run.folder))


def evaluate_in_run(session: Session, method: Method, split: Split, profile_size: int | None = None) -> list[Record]:
    """The per-example records of a method's evaluation; the method is trained first if it is not yet.

    session: the session of the run.
    method: the method to evaluate.
    split: the split to evaluate on.
    profile_size: the number of documents that each user keeps; see `Session.examples`.
    """
    prompts = None if method.trained else method_prompts(session, method, split, profile_size)
    model = model_of(session, method)
    return evaluate_method(
        session, method.name, model, split, prompts, with_reasoning=method.reasoning, profile_size=profile_size
    )


def model_of(session: Session, method: Method) -> Path | None:
    """The folder of a method's model, which is trained first if it is not yet; None for the recipe's generator."""
    if not method.trained:
        return shared_generator(session)
    return self_train(
        session,
        with_reasoning=method.reasoning,
        iterations=session.recipe.expectation.iterations if method.self_trained else 0,
    )


def model_folder(run: Path, method: Method, iterations: int) -> Path:
    """The folder in which a run keeps a trained method's model. iterations: the recipe's number of iterations."""
    return run / stage_names.last_training(method, iterations) / "model"


def cold_start(
    session: Session, methods: Sequence[Method], counts: Sequence[int], split: Split
) -> list[tuple[str, Results]]:
    """Evaluate methods while users with `COLD_START_DOCUMENTS` documents or more keep only some of these.

    session: the session of the run.
    methods: the methods to evaluate.
    counts: the numbers of documents that users keep; the last evaluation is with all documents.
    split: the split to evaluate on.

    Returns each number as text, with the scores of the methods. The simulation is ours. Raises UserError if the split
    has no such user.
    """
    found = []
    for profile_size in [*counts, ALL_DOCUMENTS]:
        records = {method.name: evaluate_in_run(session, method, split, profile_size) for method in methods}
        found.append((count_name(profile_size), scored(records)))
    return found


def _record_recipe(run: RunFolder, recipe: Recipe) -> None:
    """Write the recipe and the environment into the run's folder; methods may be added to those already there."""
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
    """Write a model card for each model that the run has trained. recipe: the recipe with all methods of the run."""
    start = recipe.generator
    for name, method in recipe.method_rows.items():
        folder = model_folder(run.folder, method, recipe.expectation.iterations)
        if folder.is_dir():
            description = f"Method: `{name}`. Prompt it as `{PROMPT_FILE}` says, or use `penname generate`."
            evaluation = stage_names.evaluation(recipe.evaluation.split, name)
            records = read_stage(run.path(stage_names.metrics(evaluation)))
            write_card(folder, start, description, recipe, records)
    generator = run.path(stage_names.training(GENERATOR)) / "model"
    if generator.is_dir():
        unseen = methods_not_tuned_on(run.folder, recipe)
        seen = ", ".join(f"`{m}`" for m, row in recipe.method_rows.items() if not row.trained and m not in unseen)
        names = ", ".join(f"`{m}`" for m in unseen)
        others = f" It writes for {names} too, whose prompts it has not seen." if unseen else ""
        write_card(generator, start, f"A generator fine-tuned on the prompts of {seen}.{others}", recipe)
    methods = dict.fromkeys(row.agents_of for row in recipe.method_rows.values() if row.agents_of and row.trains_agents)
    for method, number, agent in product(methods, range(1, recipe.pat.iterations + 1), AGENTS):
        folder = run.path(stage_names.training(stage_names.agent_iteration(method, number, agent))) / "model"
        if folder.is_dir():
            write_card(folder, recipe.agent(agent), f"The {agent} agent of `{method}`, trained by DPO.", recipe)
