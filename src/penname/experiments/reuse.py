"""What runs have in common: a stage whose settings are the same in two recipes is taken over, not computed again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from penname.config import Recipe
from penname.errors import UserError
from penname.experiments.stages import Stage, stages_of
from penname.runs.folder import read_json, read_records, write_records, write_text
from penname.runs.progress import read_timing

TAKEN = "taken.json"


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

    methods: only what these need, else all. Files are linked, so they take no room. A stage is taken when it is done,
    or shard by shard where that is how it is made. Fewer samples an input are the first ones of the first iteration,
    which is what they would be (their seeds count from 0; in other batches, so up to rounding). What is there already
    stays. `taken` says what has come.
    """
    ours, given = recipe.expectation.samples, theirs.expectation.samples
    for stage in stages_of(recipe):
        if methods is not None and set(methods).isdisjoint(stage.methods):
            continue
        different = different_settings(stage.settings, theirs, recipe)
        fewer = stage.first_samples and different == ["expectation.samples"] and ours < given
        for name in _made(donor, stage) if fewer or not different else ():
            if not (folder / name).exists():
                _take(donor, name, folder, ours, ours / given if fewer else 1.0)


def _made(run: Path, stage: Stage) -> list[str]:
    """The folders of a stage that a run has made: one, or as many as its name stands for."""
    sign = "**/*.parquet" if stage.of_shards else "stage.json"
    return [str(f.relative_to(run)) for f in sorted(run.glob(stage.name)) if next(f.glob(sign), None)]


def _take(donor: Path, name: str, folder: Path, samples: int, share: float) -> None:
    """Take over a stage, or where that is a share of it so many samples of each input; and note it."""
    seconds, tokens = _cost(donor, name)
    known = {record.stage: record for record in taken(folder)}
    known[name] = Taken(name, donor.name, share, seconds * share, round(tokens * share))
    part = (folder / name).with_name(f"{Path(name).name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    if share < 1:
        _first_samples(donor / name, part, samples)
    else:
        _link(donor / name, part)
    write_text(folder / TAKEN, json.dumps({"taken": [asdict(record) for record in known.values()]}, indent=2))
    part.rename(folder / name)


def taken(folder: Path) -> list[Taken]:
    """What a run has taken over, in all its processes. Raises UserError where its record of that is damaged."""
    path = folder / TAKEN
    try:
        found = [Taken(**record) for record in read_json(path)["taken"]] if path.is_file() else []
        return [replace(t, share=float(t.share), seconds=float(t.seconds), tokens=int(t.tokens)) for t in found]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: damaged (found no list of stages taken over)") from None


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
