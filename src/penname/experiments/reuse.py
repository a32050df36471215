"""What runs have in common: a stage whose settings are the same in two recipes is taken over, not computed again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from penname.config import Recipe
from penname.errors import UserError
from penname.method_table import METHODS, Method
from penname.runs.folder import read_json, read_records, write_records, write_text
from penname.runs.progress import read_timing

TAKEN = "taken.json"
FIRST_SAMPLES = ("iteration-1/samples", "iteration-1/rewards")

_DATA = ("seed", "data", "limit", "retrieval", "prompt")
_TEST = ("evaluation.split", "evaluation.shuffled")
_FITTING = (*_DATA, "generator")
_MODEL = (*_FITTING, "training", "reward")
_CHOSEN = ("decoding", *(f"evaluation.{name}" for name in ("temperature", "top_p", "texts", "candidates", "choose")))
_REASONING = (*_FITTING, "teacher", "reasoning", "decoding", "shard_size")
_DRAWN = ("decoding", "shard_size", "expectation.samples", "expectation.temperature", "expectation.top_p")
_KEPT = tuple(
    f"expectation.{name}"
    for name in ("threshold", "quantile", "quantile_of", "max_kept", "max_repeated", "targets", "weights", "start_from")
)
_ALL = tuple(name for name in Recipe.model_fields if name not in ("expectation", "tracking"))


def settings_of(stage: str, recipe: Recipe) -> tuple[str, ...]:
    """The settings, by their dotted names, that a stage's result depends on; more rather than fewer."""
    found = _settings_of(stage)
    # Models that are chosen on val are chosen by what they write there.
    return (*found, *_CHOSEN) if recipe.training.validate_every and "training" in found else found


def _settings_of(stage: str) -> tuple[str, ...]:
    match stage.split("/"):
        case ["data", "train"]:
            return _DATA
        case ["data", _]:
            return (*_DATA, *_TEST)
        case ["reasoning"]:
            return _REASONING
        case ["authorship", *_]:
            return ("seed", "data", "limit")
        case [name, *rest] if (method := METHODS.get(name)) and method.trained:
            return _of_trained(method, rest)
        case ["evaluation", _, name, *_] if (method := METHODS.get(name)) and method.trained:
            of_model = _of_trained(method, ["training"])
            return (*of_model, "evaluation", "decoding", *(("expectation",) if method.self_trained else ()))
    return _ALL


def _of_trained(method: Method, rest: list[str]) -> tuple[str, ...]:
    model = (*_MODEL, *_REASONING) if method.reasoning else _MODEL
    if not method.self_trained:
        return model
    return (*model, *_DRAWN, *(() if "/".join(rest) in FIRST_SAMPLES else _KEPT))


@dataclass(frozen=True)
class Taken:
    """A stage taken over from the run called `source`, and what it would have cost.

    share: of the stage's samples. seconds and tokens: of that share, as far as they were timed.
    """

    stage: str
    source: str
    share: float
    seconds: float
    tokens: int

    def __str__(self) -> str:
        return self.stage if self.share == 1 else f"{self.stage} ({self.share:.0%})"


def total_of(stages: Iterable[Taken]) -> str:
    """How long the stages would have taken and how much they would have written, to be read."""
    stages = list(stages)
    minutes, tokens = sum(t.seconds for t in stages) / 60, sum(t.tokens for t in stages)
    return f"{minutes:.1f} minutes and {tokens:,} tokens"


def take_over(donor: Path, theirs: Recipe, folder: Path, recipe: Recipe, methods: Sequence[str] | None = None) -> None:
    """Put into run `folder` every stage of the finished run `donor` that its own recipe would make alike.

    methods: only what these need, else all. Files are linked, so they take no room. An evaluation is taken whole or not
    at all. Fewer samples an input are the first ones of the first iteration, which is what they would be (their seeds
    count from 0; in other batches, so up to rounding). What is there already stays. `taken` says what has come.
    """
    known = {record.stage: record for record in taken(folder)}
    for stage in _stages(donor):
        different = different_settings(settings_of(stage, recipe), theirs, recipe)
        fewer = different == ["expectation.samples"] and recipe.expectation.samples < theirs.expectation.samples
        unneeded = methods is not None and not _is_for(stage, methods)
        if unneeded or (folder / stage).exists() or (different and not (fewer and stage.endswith(FIRST_SAMPLES))):
            continue
        share = recipe.expectation.samples / theirs.expectation.samples if different else 1.0
        seconds, tokens = _cost(donor, stage)
        known[stage] = Taken(stage, donor.name, share, seconds * share, round(tokens * share))
        part = (folder / stage).with_name(f"{Path(stage).name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        if different:
            _first_samples(donor / stage, part, recipe.expectation.samples)
        else:
            _link(donor / stage, part)
        write_text(folder / TAKEN, json.dumps({"taken": [asdict(record) for record in known.values()]}, indent=2))
        part.rename(folder / stage)


def taken(folder: Path) -> list[Taken]:
    """What a run has taken over, in all its processes. Raises UserError where its record of that is damaged."""
    path = folder / TAKEN
    try:
        found = [Taken(**record) for record in read_json(path)["taken"]] if path.is_file() else []
        return [replace(t, share=float(t.share), seconds=float(t.seconds), tokens=int(t.tokens)) for t in found]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: damaged (found no list of stages taken over)") from None


def _stages(run: Path) -> Iterator[str]:
    """The folders of a run that hold the results of a stage, none of them within another."""
    for folder, inner, files in os.walk(run):
        if Path(folder) != run and ("stage.json" in files or any(file.endswith(".parquet") for file in files)):
            inner.clear()
            stage = str(Path(folder).relative_to(run))
            if not stage.startswith("evaluation/") or "stage.json" in files:
                yield stage


def _is_for(stage: str, methods: Sequence[str]) -> bool:
    """Whether one of the methods needs the stage; more rather than fewer."""
    match stage.split("/"):
        case ["reasoning"]:
            return any(name in METHODS and METHODS[name].reasoning for name in methods)
        case ["evaluation", _, method, *_]:
            return method in methods
        case [name, *_] if name in METHODS and METHODS[name].trained:
            return name in methods or any(METHODS[m].starts_from == name for m in methods if m in METHODS)
    return True


def different_settings(names: tuple[str, ...], a: Recipe, b: Recipe) -> list[str]:
    """Those of the settings that differ."""
    return [name for name in dict.fromkeys(names) if _setting(a, name) != _setting(b, name)]


def _setting(recipe: Recipe, name: str) -> Any:
    value: Any = recipe
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _link(source: Path, target: Path) -> None:
    for folder, inner, files in os.walk(source):
        inner[:] = [name for name in inner if name != "checkpoints"]
        here = target / Path(folder).relative_to(source)
        here.mkdir(exist_ok=True)
        for name in files:
            if not name.endswith((".partial", ".damaged")):
                _link_file(Path(folder) / name, here / name)


def _link_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system that knows no links
        shutil.copy2(source, target)


def _first_samples(source: Path, target: Path, samples: int) -> None:
    for path in sorted(source.glob("*.parquet")):
        write_records(target / path.name, [r for r in read_records(path) if r["sample"] < samples])


def _cost(run: Path, stage: str) -> tuple[float, int]:
    """Seconds and tokens of a stage, in this run or in that from which it had taken it over."""
    for record in taken(run):
        if record.stage == stage:
            return record.seconds, record.tokens
    own = [timed for timed in read_timing(run) if f"{timed['stage']}/".startswith(f"{stage}/")]
    return sum(timed["seconds"] for timed in own), sum(timed["tokens"] for timed in own)
