"""How far a run is, and how long the rest will take at the pace that was measured so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from penname.config import Recipe, Split
from penname.errors import UserError
from penname.experiments.stages import Counts, Stage, stages_of
from penname.runs.folder import read_json
from penname.runs.progress import ESTIMATE_FROM, Position, read_position, read_timing
from penname.session import stage_names

_SPLITS: tuple[Split, ...] = ("train", "val", "test")
_WORDS = {
    "reasoning": "the teacher writes reasonings",
    "samples": "the model writes samples",
    "rewards": "samples are rewarded",
    "selection": "samples are chosen",
    "training": "training",
    "candidates": "the agents write summaries",
    "summaries": "the agents write summaries",
    "pairs": "pairs are chosen",
}


@dataclass(frozen=True)
class Step:
    """A stage of a run, as it is shown.

    name: in words.
    state: whether it is done, now, or to come.
    """

    name: str
    state: str


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    steps: its stages.
    trainings: the names of those of them in which a model is trained.
    now: what it does now, in words.
    position: how far that is; None where it is not known.
    left_here, left: seconds until that is done, and until all is; None where it is not known yet.
    """

    steps: list[Step]
    trainings: list[str]
    now: str
    position: Position | None
    left_here: float | None
    left: float | None


def progress_of(run: Path, recipe: Recipe, *, goes: bool) -> Progress:
    """How far a run is. goes: whether it is under way."""
    stages = [stage for stage in stages_of(recipe, _counts(run)) if stage.computes]
    position = read_position(run)
    done = [_is_done(run, stages, number) for number in range(len(stages))]
    current = _current(stages, position) if position and goes else None
    states = ["done" if done[n] else "now" if n == current else "to come" for n in range(len(stages))]
    steps = [Step(name_of(stage.name), state) for stage, state in zip(stages, states, strict=True)]
    trainings = [stage.name for stage in stages if stage.trains]
    if position is None or not goes:
        return Progress(steps, trainings, "", position, None, None)
    here = _left_here(position)
    # One that has just begun takes as long as others of its kind did.
    others = [stage for n, stage in enumerate(stages) if not done[n] and n != current]
    if current is not None and here is None:
        others.append(_rest_of(stages[current], position))
    left = _left(run, recipe, others, position)
    whole = None if left is None else left + (here or 0.0)
    return Progress(steps, trainings, name_of(position.stage), position, here, whole)


def name_of(stage: str) -> str:
    """A stage's name in words. stage: its name, or one that progress is reported under."""
    stage, _, part = stage.partition(": ")
    parts = stage.split("/")
    if parts[0] == "evaluation" and len(parts) > 2:
        return f"{parts[2]}: test texts are {'judged' if parts[-1] == 'metrics' else 'written'}"
    if parts[0] == "three-authors":
        return f"{parts[-1] if len(parts) < 4 else parts[2]}: one prompt is written as three authors"
    if parts[0] == "data":
        return "the data is read"
    words = next((_WORDS[part] for part in reversed(parts) if part in _WORDS), parts[-1])
    words = f"{words}, checked on examples" if part else words
    number = next((part.removeprefix("iteration-") for part in parts if part.startswith("iteration-")), None)
    where = [parts[0] if len(parts) > 1 and parts[0] not in _WORDS else "", f"iteration {number}" if number else ""]
    return ": ".join(filter(None, [", ".join(filter(None, where)), words]))


def _counts(run: Path) -> Counts:
    """The number of examples of each split that the run has prepared."""
    found: dict[Split, int | None] = {}
    for split in _SPLITS:
        try:
            found[split] = int(read_json(run / stage_names.data(split) / "stage.json")["examples"])
        except (UserError, OSError, KeyError, TypeError, ValueError):
            found[split] = None
    return found


def _is_done(run: Path, stages: Sequence[Stage], number: int) -> bool:
    """Whether a stage is done; one without a record of its own is so where one behind it is begun and done."""
    stage = stages[number]
    if not stage.sharded:
        return next(run.glob(f"{stage.name}/stage.json"), None) is not None
    parent = stage.name.rpartition("/")[0]
    behind = (stage_names.selection(parent), stage_names.pairs(parent))
    return any((run / name / "stage.json").is_file() for name in behind) or any(
        (run / later.name / "stage.json").is_file() for later in stages[number + 1 :] if not later.sharded
    )


def _current(stages: Sequence[Stage], position: Position) -> int | None:
    """The number of the stage that is computed now; None where it is none of those that are planned."""
    name = position.stage.partition(": ")[0]
    matching = [n for n, stage in enumerate(stages) if name == stage.name or name.startswith(f"{stage.name}/")]
    return matching[-1] if matching else None


def _left_here(position: Position) -> float | None:
    if position.done < max(ESTIMATE_FROM * position.total, 1e-9):
        return None
    return position.seconds / position.done * max(0.0, position.total - position.done)


def _rest_of(stage: Stage, position: Position) -> Stage:
    """A stage, of which a part may have been done before."""
    if stage.trains or not stage.examples or stage.completions is None:
        return stage
    return replace(stage, completions=round(stage.completions * min(1.0, position.total / stage.examples)))


def _left(run: Path, recipe: Recipe, others: Sequence[Stage], position: Position) -> float | None:
    """Seconds that the stages to come take; None where one of them is of a kind that was not measured yet."""
    timed = [(line["unit"], line["stage"], line["count"], line["seconds"]) for line in read_timing(run)]
    timed.append((position.unit, position.stage, position.done, position.seconds))
    by_stage = {stage.name: stage for stage in stages_of(recipe, _counts(run))}
    trained = [(count, seconds) for unit, _, count, seconds in timed if unit == "steps"]
    written = [
        (count * _texts_an_example(stage), seconds)
        for unit, name, count, seconds in timed
        if unit != "steps" and (stage := _stage_of(by_stage, name)) is not None and stage.completions
    ]
    total = 0.0
    for stage in others:
        if stage.trains:
            pace, amount = _pace(trained), _steps(run, recipe, stage)
        else:
            pace, amount = _pace(written), stage.completions
        if pace is None or amount is None:
            return None
        total += pace * amount
    return total


def _pace(measured: Sequence[tuple[float, float]]) -> float | None:
    """Seconds for each, over all that were measured."""
    count = sum(number for number, _ in measured)
    return sum(seconds for _, seconds in measured) / count if count else None


def _stage_of(by_stage: dict[str, Stage], name: str) -> Stage | None:
    found = [stage for known, stage in by_stage.items() if name == known or name == f"{known}/responses"]
    return found[0] if found else None


def _texts_an_example(stage: Stage) -> float:
    return (stage.completions or 0) / stage.examples if stage.examples else 0.0


def _steps(run: Path, recipe: Recipe, stage: Stage) -> int | None:
    """The steps of a training: of one on samples that are not chosen yet, as many as the quantile leaves."""
    parent = stage.name.rpartition("/")[0]
    try:
        return recipe.training.steps(int(read_json(run / stage_names.selection(parent) / "stage.json")["trained_on"]))
    except (UserError, OSError, KeyError, TypeError, ValueError):
        pass
    settings, train = recipe.expectation, _counts(run)["train"]
    if "iteration-" not in stage.name or settings.quantile is None or train is None:
        return stage.optimizer_steps
    share = min(1.0, settings.max_kept / settings.samples, 1 - settings.quantile)
    return recipe.training.steps(math.ceil(train * (settings.samples * share + settings.targets)))
