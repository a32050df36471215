"""The samples of a run's expectation steps, read as their shards come: how good they are, and which are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penname.config import Recipe
from penname.errors import UserError
from penname.runs.folder import Record, read_json, read_records
from penname.session import stage_names

BEST, WORST, NEWEST = "best", "worst", "newest"


@dataclass(frozen=True)
class Place:
    """Where a sample is, and how good.

    shard: its file.
    index: its number in there.
    reward: None where it has none, or none yet.
    """

    shard: Path
    index: int
    reward: float | None


@dataclass(frozen=True)
class Sample:
    """A sample, to be read.

    method, prompt, response, reasoning: texts; the response is all that was written where it is malformed.
    reward: None where it has none, or none yet.
    malformed, unfinished: what is wrong with it.
    """

    prompt: str
    response: str
    reasoning: str | None
    reward: float | None
    malformed: bool
    unfinished: bool


@dataclass(frozen=True)
class Iteration:
    """What an iteration has sampled.

    parent: the folder of its stages.
    method: its method.
    number: from 1.
    sampled, rewarded: number of samples.
    mean, best, worst: rewards; None where none is rewarded yet.
    kept: what the selection has counted; None where it has not been made yet.
    """

    parent: str
    method: str
    number: int
    sampled: int
    rewarded: int
    mean: float | None
    best: float | None
    worst: float | None
    kept: Mapping[str, Any] | None

    @property
    def share(self) -> float:
        """The share of the samples that are kept."""
        return self.kept["kept"] / max(1, self.kept["samples"]) if self.kept else 0.0

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.method}, iteration {self.number}"


@dataclass
class Samples:
    """The samples of a run; shards that were read are not read again. run: the run's folder."""

    run: Path
    _shards: dict[Path, tuple[int, list[Place]]] = field(default_factory=dict)

    def iterations(self, recipe: Recipe) -> list[Iteration]:
        """The iterations that have samples, in the order in which they are computed."""
        found = []
        for name, row in recipe.method_rows.items():
            for number in range(1, recipe.expectation.iterations + 1) if row.self_trained else ():
                parent = stage_names.iteration(name, number)
                if sampled := self._places(stage_names.samples(parent)):
                    found.append(self._iteration(parent, name, number, len(sampled)))
        return found

    def _iteration(self, parent: str, method: str, number: int, sampled: int) -> Iteration:
        rewards = [p.reward for p in self._places(stage_names.rewards(parent)) if p.reward is not None]
        kept = None
        with contextlib.suppress(UserError, OSError):
            kept = read_json(self.run / stage_names.selection(parent) / "stage.json")
        mean = sum(rewards) / len(rewards) if rewards else None
        best, worst = max(rewards, default=None), min(rewards, default=None)
        return Iteration(parent, method, number, sampled, len(rewards), mean, best, worst, kept)

    def places(self, parent: str, order: str) -> list[Place]:
        """Where the samples of an iteration are.

        order: the best or the worst first, of those with a reward; or the newest first, of all.
        """
        if order == NEWEST:
            return self._places(stage_names.samples(parent))[::-1]
        rewarded = [place for place in self._places(stage_names.rewards(parent)) if place.reward is not None]
        return sorted(rewarded, key=lambda place: place.reward or 0.0, reverse=order == BEST)

    def read(self, places: Sequence[Place]) -> list[Sample]:
        """Samples with their texts; those whose shard is gone are left out."""
        shards: dict[Path, list[Record]] = {}
        for place in places:
            if place.shard not in shards:
                with contextlib.suppress(UserError, OSError):
                    shards[place.shard] = read_records(place.shard)
        records = [(p, shards[p.shard][p.index]) for p in places if p.index < len(shards.get(p.shard, ()))]
        prompts = self._prompts({record["example_id"] for _, record in records})
        return [_sample(place, record, prompts) for place, record in records]

    def _prompts(self, wanted: set[str]) -> dict[str, str]:
        """The inputs of examples, by id."""
        found: dict[str, str] = {}
        for shard in sorted((self.run / stage_names.data("train")).glob("*.parquet")):
            if len(found) == len(wanted):
                break
            with contextlib.suppress(UserError, OSError):
                found |= {r["example_id"]: r["input"] for r in read_records(shard) if r["example_id"] in wanted}
        return found

    def _places(self, stage: str) -> list[Place]:
        """Where the samples of a stage are, of the shards that are whole."""
        found: list[Place] = []
        for shard in sorted((self.run / stage).glob("*.parquet")):
            with contextlib.suppress(UserError, OSError):
                changed = shard.stat().st_mtime_ns
                if shard not in self._shards or self._shards[shard][0] != changed:
                    rewards = [record.get("reward") for record in read_records(shard)]
                    self._shards[shard] = changed, [Place(shard, i, reward) for i, reward in enumerate(rewards)]
                found += self._shards[shard][1]
        return found


def _sample(place: Place, record: Record, prompts: Mapping[str, str]) -> Sample:
    malformed = record["response"] is None
    return Sample(
        prompts.get(record["example_id"], ""),
        record["completion"] if malformed else record["response"],
        record["reasoning"],
        place.reward,
        malformed,
        record["finish_reason"] == "length",
    )
