"""Stages shared by runs: a stage with the same settings in two recipes is reused, not computed again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from penname.config import Recipe
from penname.errors import UserError
from penname.experiments.run_recipe import CHANGEABLE
from penname.experiments.stages import Stage, stages_of
from penname.runs.folder import read_json, read_records, write_records, write_text
from penname.runs.progress import read_timing

REUSED_FILE = "taken.json"


@dataclass(frozen=True)
class ReusedStage:
    """A stage reused from another run, and what computing it would have cost.

    stage: the stage's name.
    source: the name of the run that it is from.
    share: the fraction of its samples that is reused, above 0 and at most 1.
    seconds, tokens: time and tokens of that fraction, as far as they were recorded.
    """

    stage: str
    source: str
    share: float
    seconds: float
    tokens: int

    def __str__(self) -> str:
        return self.stage if self.share == 1 else f"{self.stage} ({self.share:.0%})"


def describe_savings(stages: Iterable[ReusedStage]) -> str:
    """The time and the tokens that reusing the stages has saved, as text."""
    stages = list(stages)
    minutes, tokens = sum(t.seconds for t in stages) / 60, sum(t.tokens for t in stages)
    return f"{minutes:.1f} minutes and {tokens:,} tokens"


def reuse_stages(
    donor: Path, donor_recipe: Recipe, folder: Path, recipe: Recipe, methods: Sequence[str] | None = None
) -> None:
    """Put into a run every stage of a finished run that has the same settings in both recipes.

    donor: the folder of the finished run.
    donor_recipe: its recipe.
    folder: the folder of the run that reuses the stages.
    recipe: its recipe.

    methods: reuse only the stages that these methods need; None for all.

    Files are linked, so they take no space. A stage is reused if it is finished, and a sharded stage shard by shard.
    Where the run needs fewer samples per input, it gets the first ones of the first iteration: they are the samples
    that it would compute itself (seeds count from 0), up to rounding, as their batches differ. Stages that the run
    already has are not replaced. `reused_stages` lists what was reused.
    """
    samples, donor_samples = recipe.expectation.samples, donor_recipe.expectation.samples
    for stage in stages_of(recipe):
        if methods is not None and set(methods).isdisjoint(stage.methods):
            continue
        different = different_settings(stage.settings, donor_recipe, recipe)
        fewer = stage.first_samples and different == ["expectation.samples"] and samples < donor_samples
        for name in _finished_folders(donor, stage) if fewer or not different else ():
            if not (folder / name).exists():
                _reuse_stage(donor, name, folder, samples, samples / donor_samples if fewer else 1.0)


def _finished_folders(run: Path, stage: Stage) -> list[str]:
    """The folders of a stage in a run: one, or several if the stage's name is a pattern."""
    pattern = "**/*.parquet" if stage.sharded else "stage.json"
    return [str(f.relative_to(run)) for f in sorted(run.glob(stage.name)) if next(f.glob(pattern), None)]


def _reuse_stage(donor: Path, name: str, folder: Path, samples: int, share: float) -> None:
    """Reuse a stage, or the first samples of each input if `share` is less than 1, and record that."""
    seconds, tokens = _cost(donor, name)
    records = {record.stage: record for record in reused_stages(folder)}
    records[name] = ReusedStage(name, donor.name, share, seconds * share, round(tokens * share))
    part = (folder / name).with_name(f"{Path(name).name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    if share < 1:
        _first_samples(donor / name, part, samples)
    else:
        _link(donor / name, part)
    write_text(folder / REUSED_FILE, json.dumps({"taken": [asdict(record) for record in records.values()]}, indent=2))
    part.rename(folder / name)


def reused_stages(folder: Path) -> list[ReusedStage]:
    """The stages that a run has reused, in all its processes. Raises UserError if the record of them is damaged."""
    path = folder / REUSED_FILE
    try:
        found = [ReusedStage(**record) for record in read_json(path)["taken"]] if path.is_file() else []
        return [replace(t, share=float(t.share), seconds=float(t.seconds), tokens=int(t.tokens)) for t in found]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: damaged (found no list of reused stages)") from None


def different_settings(names: tuple[str, ...], a: Recipe, b: Recipe) -> list[str]:
    """The settings among `names`, which are dotted names, whose values differ between two recipes."""
    return [name for name in dict.fromkeys(names) if _setting(a, name) != _setting(b, name)]


def _setting(recipe: Recipe, name: str) -> Any:
    value: Any = recipe
    for part in name.split("."):
        value = getattr(value, part)
    return value.model_dump(exclude=CHANGEABLE.get(name)) if isinstance(value, BaseModel) else value


def _link(source: Path, target: Path) -> None:
    for folder, subfolders, files in os.walk(source):
        subfolders[:] = [name for name in subfolders if name != "checkpoints"]
        target_folder = target / Path(folder).relative_to(source)
        target_folder.mkdir(exist_ok=True)
        for name in files:
            if not name.endswith((".partial", ".damaged")):
                _link_file(Path(folder) / name, target_folder / name)


def _link_file(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # the file system has no hard links
        shutil.copy2(source, target)


def _first_samples(source: Path, target: Path, samples: int) -> None:
    for path in sorted(source.glob("*.parquet")):
        write_records(target / path.name, [r for r in read_records(path) if r["sample"] < samples])


def _cost(run: Path, stage: str) -> tuple[float, int]:
    """Seconds and tokens of a stage, in this run or in the run that it was reused from."""
    for record in reused_stages(run):
        if record.stage == stage:
            return record.seconds, record.tokens
    timings = [timed for timed in read_timing(run) if f"{timed['stage']}/".startswith(f"{stage}/")]
    return sum(timed["seconds"] for timed in timings), sum(timed["tokens"] for timed in timings)
