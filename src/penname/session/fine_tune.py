"""Fine-tuning as a stage of a run: done once, resumed after a kill, and what its model is to be prompted by."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from penname.errors import UserError
from penname.prompts.templates import TemplateName, benchmark_template, template_hash
from penname.rewards.mixture import AUTHORSHIP
from penname.runs.folder import Record, RunFolder, write_text
from penname.session import stage_names
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
        session.run.progress.say(f"{len(samples) - len(fitting)} targets over {most} tokens left out")
    return fitting


def train_stage(
    session: Session,
    place: str,
    start: str,
    make_samples: Callable[[], Sequence[TrainingSample]],
    with_reasoning: bool,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Fine-tune `start` on samples; returns the model's folder. Done once, and resumed after a kill.

    place: that of the stage, see `stage_names`. facts: what the stage records about itself, beside how the training
    went.
    """
    stage = stage_names.training(place)
    session.run.stage(stage, partial(_train, session, place, start, make_samples, with_reasoning, facts or {}))
    shutil.rmtree(session.run.path(stage) / "checkpoints", ignore_errors=True)
    return session.run.path(stage) / "model"


def _train(
    session: Session,
    place: str,
    start: str,
    make_samples: Callable[[], Sequence[TrainingSample]],
    with_reasoning: bool,
    facts: Mapping[str, object],
    folder: Path,
) -> Record:
    """Train, and put beside the model in `folder` how it must be prompted and what it chooses candidates by."""
    from penname.training.fine_tuning import fine_tune  # with transformers' Trainer, which takes seconds

    recipe, stage = session.recipe, stage_names.training(place)
    samples = make_samples()
    if not samples:
        raise UserError(f"{stage}: nothing to train on, {_why_nothing(session, place)}")
    session.release()
    chooser = _chooser(session, stage, with_reasoning) if recipe.training.validate_every else None
    shown = ShownTraining(session.run, stage, recipe.training.steps(len(samples)), _step_tokens(session, samples))
    result = fine_tune(start, samples, recipe.training, folder, recipe.seed, shown.on_step, chooser)
    # Where checkpoints were validated, what ends is the last one's validation.
    session.run.progress.finish("" if chooser else f"loss {result.first_loss:.3f} to {result.last_loss:.3f}")
    write_text(folder / "model" / PROMPT_FILE, json.dumps(_prompt_facts(session, with_reasoning), indent=2))
    if AUTHORSHIP in recipe.rewards_in_use():
        session.authors.model().save(folder / "model" / MODEL_FILE)
    return asdict(result) | dict(facts)


def _why_nothing(session: Session, place: str) -> str:
    selection = session.run.path(stage_names.selection(place)) / "stage.json"
    if not selection.exists():
        return "all targets are over the limits of prompt, or every reasoning was dropped"
    lower = "quantile" if session.recipe.expectation.quantile is not None else "threshold"
    return f"no sample was kept, see {selection}: lower expectation.{lower} or sample more, in another folder"


def _step_tokens(session: Session, samples: Sequence[TrainingSample]) -> int:
    """Tokens of an optimizer step, about."""
    tokens = sum(len(s.prompt) + len(s.target) for s in samples)
    return tokens * session.recipe.training.batch_size // len(samples)


class ShownTraining:
    """Shows a training's steps and logs its losses; a resumed one counts and times what is left.

    steps: of the whole training. step_tokens: of one step, 0 where they are not counted.
    """

    def __init__(self, run: RunFolder, stage: str, steps: int, step_tokens: int = 0) -> None:
        self._run, self._stage, self._steps, self._step_tokens = run, stage, steps, step_tokens
        self._reported = 0
        run.progress.start(stage, steps, "steps")

    def on_step(self, step: int, loss: float) -> None:
        progress = self._run.progress
        if not self._reported and step > 1:
            progress.start(self._stage, self._steps - step + 1, "steps")
            self._reported = step - 1
        done = step - self._reported
        progress.advance(done, self._step_tokens * done, f"loss {loss:.3f}")
        self._run.tracker.log({f"{self._stage}/loss": loss}, step)
        self._reported = step


def _chooser(session: Session, stage: str, with_reasoning: bool) -> Callable[[Path], float]:
    """Mean reward of a checkpoint on validation examples, for choosing the best one (REST-PG Appendix B)."""
    examples = session.prepare_fitting("val")
    most = session.recipe.training.validation_examples
    chosen: list[Prepared] = []
    for task in dict.fromkeys(e.task for e in examples):
        of_task = [e for e in examples if e.task == task]
        chosen += random.Random(f"{session.recipe.seed}-{task}").sample(of_task, min(most, len(of_task)))

    return partial(_score_checkpoint, session, stage, chosen, with_reasoning)


def _score_checkpoint(
    session: Session, stage: str, examples: Sequence[Prepared], with_reasoning: bool, checkpoint: Path
) -> float:
    session.run.progress.start(f"{stage}: validating {checkpoint.name}", len(examples), "examples")
    return mean_reward(session, checkpoint, examples, with_reasoning=with_reasoning)


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
