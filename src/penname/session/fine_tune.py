"""Fine-tuning as a stage of a run: done once, resumed after a kill, with a record of how its model must be prompted."""

from __future__ import annotations

import contextlib
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
from penname.session.evaluate import mean_reward
from penname.session.examples import PreparedExample
from penname.session.session import Session
from penname.session.users import MODEL_FILE
from penname.training.packing import TrainingSample

PROMPT_FILE = "penname.json"
"""File beside a model that says how it must be prompted."""

LOSSES = "losses.jsonl"
"""File of a training that gets a line for each step as it is done."""


def within_limit(session: Session, samples: Sequence[TrainingSample], *, with_reasoning: bool) -> list[TrainingSample]:
    """The samples whose target is within the token limit; the others are counted and skipped.

    with_reasoning: whether targets begin with a reasoning, for which the limit is higher.
    """
    limit = session.recipe.prompt.completion_tokens(with_reasoning=with_reasoning)
    fitting = [s for s in samples if len(s.target) <= limit]
    if len(fitting) < len(samples):
        session.run.progress.say(f"{len(samples) - len(fitting)} targets over {limit} tokens skipped")
    return fitting


def train_stage(
    session: Session,
    parent: str,
    base: str,
    make_samples: Callable[[], Sequence[TrainingSample]],
    with_reasoning: bool,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Fine-tune a model as a stage of the run; returns the folder of the trained model.

    parent: the folder of the stage, see `stage_names`.
    base: name or folder of the model to start from.
    make_samples: makes the training samples; called only if the stage is not finished.
    with_reasoning: whether the model writes a reasoning before the response.
    facts: what the stage records about itself beside the result of the training.

    Raises UserError where there are no samples.
    """
    stage = stage_names.training(parent)
    session.run.stage(stage, partial(_train, session, parent, base, make_samples, with_reasoning, facts or {}))
    shutil.rmtree(session.run.path(stage) / "checkpoints", ignore_errors=True)
    return session.run.path(stage) / "model"


def _train(
    session: Session,
    parent: str,
    base: str,
    make_samples: Callable[[], Sequence[TrainingSample]],
    with_reasoning: bool,
    facts: Mapping[str, object],
    folder: Path,
) -> Record:
    """Fine-tune, and write beside the model how it must be prompted and the authorship model, if that is in use."""
    from penname.training.checkpoints import write_end_and_template
    from penname.training.fine_tuning import fine_tune  # imports transformers' Trainer, which takes seconds

    recipe, stage = session.recipe, stage_names.training(parent)
    samples = make_samples()
    if not samples:
        raise UserError(f"{stage}: nothing to train on, {_why_no_samples(session, parent)}")
    session.release()
    scorer = _checkpoint_scorer(session, stage, with_reasoning) if recipe.training.validate_every else None
    steps = recipe.training.steps(len(samples))
    progress = TrainingProgress(session.run, stage, steps, _step_tokens(session, samples))
    result = fine_tune(base, samples, recipe.training, folder, recipe.seed, progress.on_step, scorer, session.processes)
    # Where checkpoints were validated, the stage that ends here is the validation of the last one.
    session.run.progress.finish("" if scorer else f"loss {result.first_loss:.3f} to {result.last_loss:.3f}")
    renderer = session.renderer
    write_end_and_template(folder / "model", renderer.stop_ids, renderer.end, renderer.exported_template)
    write_text(folder / "model" / PROMPT_FILE, json.dumps(_prompt_facts(session, with_reasoning), indent=2))
    if AUTHORSHIP in recipe.rewards_in_use():
        session.users.model().save(folder / "model" / MODEL_FILE)
    return asdict(result) | dict(facts)


def _why_no_samples(session: Session, parent: str) -> str:
    selection = session.run.path(stage_names.selection(parent)) / "stage.json"
    if not selection.exists():
        return "all targets are over the limits of prompt, or, of a method that reasons, every reasoning was dropped"
    setting = "quantile" if session.recipe.expectation.quantile is not None else "threshold"
    return f"no sample was kept, see {selection}: lower expectation.{setting} or sample more, in another folder"


def _step_tokens(session: Session, samples: Sequence[TrainingSample]) -> int:
    """Approximate number of tokens in an optimizer step."""
    tokens = sum(len(s.prompt) + len(s.target) for s in samples)
    return tokens * session.recipe.training.batch_size // len(samples)


class TrainingProgress:
    """Shows the steps of a training and logs its losses; a resumed training counts and times the remaining steps.

    run: the run's folder.
    stage: the stage's name.
    steps: number of optimizer steps in the whole training.
    step_tokens: approximate number of tokens in a step; 0 where they are not counted.
    """

    def __init__(self, run: RunFolder, stage: str, steps: int, step_tokens: int = 0) -> None:
        self._run, self._stage, self._steps, self._step_tokens = run, stage, steps, step_tokens
        self._reported = 0
        self._losses = run.path(stage) / LOSSES
        run.progress.start(stage, steps, "steps")

    def on_step(self, step: int, loss: float) -> None:
        """Show a finished step and log its loss.

        step: number of steps done.
        """
        progress = self._run.progress
        if not self._reported:
            _keep_steps_before(step, self._losses)
            if step > 1:
                progress.start(self._stage, self._steps - step + 1, "steps")
                self._reported = step - 1
        with self._losses.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "loss": loss}) + "\n")
        done = step - self._reported
        progress.advance(done, self._step_tokens * done, f"loss {loss:.3f}")
        self._run.tracker.log({f"{self._stage}/loss": loss}, step)
        self._reported = step


def _keep_steps_before(step: int, losses: Path) -> None:
    """Remove what a killed process has noted of steps that are repeated. step: the first of them."""
    noted = losses.read_text(encoding="utf-8").splitlines() if losses.is_file() else []
    kept = [line for line in noted if (found := loss_of(line)) and found[0] < step]
    write_text(losses, "".join(f"{line}\n" for line in kept))


def loss_of(line: str) -> tuple[int, float] | None:
    """The step and the loss in a line of `LOSSES`; None for one that a killed process has left incomplete."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        found = json.loads(line)
        return int(found["step"]), float(found["loss"])
    return None


def _checkpoint_scorer(session: Session, stage: str, with_reasoning: bool) -> Callable[[Path], float]:
    """A function that scores a checkpoint by its mean reward on validation examples (REST-PG Appendix B)."""
    examples = session.prepare_fitting("val")
    limit = session.recipe.training.validation_examples
    chosen: list[PreparedExample] = []
    for task in dict.fromkeys(e.task for e in examples):
        of_task = [e for e in examples if e.task == task]
        chosen += random.Random(f"{session.recipe.seed}-{task}").sample(of_task, min(limit, len(of_task)))

    return partial(_score_checkpoint, session, stage, chosen, with_reasoning)


def _score_checkpoint(
    session: Session, stage: str, examples: Sequence[PreparedExample], with_reasoning: bool, checkpoint: Path
) -> float:
    session.run.progress.start(f"{stage}: validating {checkpoint.name}", len(examples), "examples")
    return mean_reward(session, checkpoint, examples, with_reasoning=with_reasoning)


def _prompt_facts(session: Session, with_reasoning: bool) -> Record:
    """How the model must be prompted: it is kept with the checkpoint, and other prompts are refused."""
    names: list[TemplateName] = ["figure8_input", "figure8_output"] if with_reasoning else ["no_reasoning_input"]
    if session.recipe.prompt.style == "benchmark":
        layouts = dict.fromkeys(example.layout for example in session.prepare("train"))
        names = [benchmark_template(layout, session.recipe.retrieval.documents) for layout in layouts]
    return {
        "with_reasoning": with_reasoning,
        "format": session.recipe.generator.format,
        "chat_template_kwargs": session.renderer.chat.arguments if session.renderer.chat else {},
        "chat_template_date": str(session.recipe.generator.chat_template_date),
        "templates": {name: template_hash(name) for name in names},
        "prompt": session.recipe.prompt.model_dump(),
        "retrieval": session.recipe.retrieval.model_dump(),
        "decoding": session.recipe.decoding.model_dump(),
        "evaluation": session.recipe.evaluation.model_dump(),
        "reward": session.recipe.reward.model_dump(mode="json"),
    }


def format_facts(facts: Mapping[str, float]) -> str:
    """What a stage counted, as a line for the progress."""
    values = {name: f"{value:.4f}" if isinstance(value, float) else str(value) for name, value in facts.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
