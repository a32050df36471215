"""Fine-tuning as a stage of a run: done once, resumed after a kill, and what its model is to be prompted by."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from penname.errors import UserError
from penname.prompts.templates import TemplateName, benchmark_template, template_hash
from penname.rewards.mixture import AUTHORSHIP
from penname.runs.folder import Record, write_text
from penname.session.authors import MODEL_FILE
from penname.session.evaluate import mean_reward
from penname.session.examples import Prepared
from penname.session.session import Session
from penname.training.packing import TrainingSample

PROMPT_FILE = "penname.json"
"""Beside a model: how it must be prompted."""


def within_limit(session: Session, samples: Sequence[TrainingSample], *, with_reasoning: bool) -> list[TrainingSample]:
    """The samples whose target is within the limit; the others are counted."""
    most = session.recipe.prompt.completion_tokens(with_reasoning=with_reasoning)
    fitting = [s for s in samples if len(s.target) <= most]
    if len(fitting) < len(samples):
        session.run.progress.say(f"{len(samples) - len(fitting)} targets over prompt.max_output_tokens left out")
    return fitting


def train_stage(
    session: Session,
    stage: str,
    start: str,
    make_samples: Callable[[], Sequence[TrainingSample]],
    with_reasoning: bool,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Fine-tune `start` on samples; returns the model's folder. Done once, and resumed after a kill.

    facts: what the stage records about itself, beside how the training went.
    """
    recipe = session.recipe
    name = f"{stage}/training"

    def work(folder: Path) -> Record:
        from penname.training.fine_tuning import fine_tune  # with transformers' Trainer, which takes seconds

        samples = make_samples()
        if not samples:
            selection = session.run.path(f"{stage}/selection/stage.json")
            if selection.exists():
                lower = "quantile" if recipe.expectation.quantile is not None else "threshold"
                why = (
                    f"no sample was kept, see {selection}: lower expectation.{lower} or sample more, in another folder"
                )
            else:
                why = "all targets are over prompt.max_output_tokens, or every reasoning was dropped"
            raise UserError(f"{name}: nothing to train on, {why}")
        session.release()
        progress = session.run.progress
        steps = recipe.training.steps(len(samples))
        progress.start(name, steps, "steps")
        tokens = sum(len(s.prompt) + len(s.target) for s in samples) * recipe.training.batch_size // len(samples)
        reported = 0

        def on_step(step: int, loss: float) -> None:
            nonlocal reported
            if not reported and step > 1:  # a resumed training counts and times what is left
                progress.start(name, steps - step + 1, "steps")
                reported = step - 1
            progress.advance(step - reported, tokens * (step - reported), f"loss {loss:.3f}")
            session.run.tracker.log({f"{name}/loss": loss}, step)
            reported = step

        chooser = _chooser(session, name, with_reasoning) if recipe.training.validate_every else None
        result = fine_tune(start, samples, recipe.training, folder, recipe.seed, on_step, chooser)
        progress.finish(f"loss {result.first_loss:.3f} to {result.last_loss:.3f}" if chooser is None else "")
        write_text(folder / "model" / PROMPT_FILE, json.dumps(_prompt_facts(session, with_reasoning), indent=2))
        if AUTHORSHIP in recipe.rewards_in_use():
            session.authors.model().save(folder / "model" / MODEL_FILE)
        return asdict(result) | dict(facts or {})

    session.run.stage(name, work)
    shutil.rmtree(session.run.path(name) / "checkpoints", ignore_errors=True)
    return session.run.path(name) / "model"


def _chooser(session: Session, stage: str, with_reasoning: bool) -> Callable[[Path], float]:
    """Mean reward of a checkpoint on validation examples, for choosing the best one (REST-PG Appendix B)."""
    examples = session.prepare_fitting("val")
    most = session.recipe.training.validation_examples
    chosen: list[Prepared] = []
    for task in dict.fromkeys(e.task for e in examples):
        of_task = [e for e in examples if e.task == task]
        chosen += random.Random(f"{session.recipe.seed}-{task}").sample(of_task, min(most, len(of_task)))

    def choose(checkpoint: Path) -> float:
        session.run.progress.start(f"{stage}: validating {checkpoint.name}", len(chosen), "examples")
        return mean_reward(session, checkpoint, chosen, with_reasoning=with_reasoning)

    return choose


def _prompt_facts(session: Session, with_reasoning: bool) -> Record:
    """How the model must be prompted; travels with the checkpoint, and a mismatch is refused."""
    names: list[TemplateName] = ["figure8_input", "figure8_output"] if with_reasoning else ["no_reasoning_input"]
    if session.recipe.prompt.style == "benchmark":
        layouts = dict.fromkeys(example.layout for example in session.prepare("train"))
        names = [benchmark_template(layout, session.recipe.retrieval.documents) for layout in layouts]
    return {
        "with_reasoning": with_reasoning,
        "format": session.recipe.generator.format,
        "templates": {name: template_hash(name) for name in names},
        "prompt": session.recipe.prompt.model_dump(),
        "retrieval": session.recipe.retrieval.model_dump(),
        "decoding": session.recipe.decoding.model_dump(),
        "evaluation": session.recipe.evaluation.model_dump(),
        "reward": session.recipe.reward.model_dump(),
    }


def told_facts(facts: Mapping[str, float]) -> str:
    """What a stage counted, in a line to be read."""
    values = {name: f"{value:.4f}" if isinstance(value, float) else str(value) for name, value in facts.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
