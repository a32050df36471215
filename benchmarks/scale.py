"""A worker on Ray beside this process: seconds a shard, and the driver's memory with ten times the inputs.

Both write the same shards with the bundled model and one thread, in turn. The first shard of each side is left out, in
which models are loaded. The ratio is the worker's median seconds a shard over this process's.
"""

from __future__ import annotations

import penname  # noqa: F401

# Before torch, which reads some of its settings only once.
# isort: split

import tempfile
import time
from functools import partial
from pathlib import Path

import psutil
import torch
from common import finish, median, parser, run

from penname.config import Recipe
from penname.recipe_files import load_recipe
from penname.runs.folder import RunFolder
from penname.runs.shards import Record
from penname.scale.ray_executor import RayExecutor
from penname.session.executor import Executor, InProcess
from penname.session.session import GenerationInput, Session

TARGET = 1.03
MEMORY_TARGET = 1.2
SAMPLES = 8


class Stamps:
    """A progress that notes when each shard is finished, and what memory this process then takes."""

    def __init__(self) -> None:
        self.finished: list[float] = []
        self.memory: list[int] = []

    def start(self, stage: str, total: int, unit: str, completions: int = 1) -> None:
        """Nothing to note."""

    def add_generated(self, tokens: int, completions: int) -> None:
        """Nothing to note."""

    def advance(self, count: int, tokens: int = 0, note: str = "") -> None:
        """A shard is finished, or the workers are looked at."""
        if count:
            self.finished.append(time.perf_counter())
            self.memory.append(psutil.Process().memory_info().rss)

    def finish(self, note: str = "") -> None:
        """Nothing to note."""

    def say(self, line: str) -> None:
        """Nothing is shown."""


def write_shards(recipe: Recipe, executor: Executor, folder: Path, shards: int, size: int) -> Stamps:
    """Sample for the first inputs of the quickstart, repeated as often as that takes."""
    stamps = Stamps()
    session = Session(recipe, RunFolder(folder, stamps), executor=executor)
    examples = session.prepare_fitting("train")
    repeated = [examples[i % len(examples)] for i in range(shards * size)]
    inputs: list[GenerationInput] = [*session.generation_inputs(repeated, with_reasoning=False)]
    work = partial(
        Session.generate,
        model=None,
        purpose="benchmark",
        samples=SAMPLES,
        temperature=0.7,
        top_p=0.95,
        with_reasoning=False,
    )
    stamps.finished.clear()
    session.shards("samples", inputs, size, work, completions=SAMPLES)
    return stamps


def seconds(stamps: Stamps) -> list[float]:
    """Of each shard but the first."""
    return [after - before for before, after in zip(stamps.finished, stamps.finished[1:], strict=False)]


def short_work(session: Session, inputs: list[GenerationInput]) -> list[Record]:
    """Records as large as those of samples, without a model."""
    return [
        {"example_id": i.example.example_id, "completion": i.prompt.text, "sample": s}
        for i in inputs
        for s in range(SAMPLES)
    ]


def memory(recipe: Recipe, executor: Executor, folder: Path, count: int) -> int:
    """The most memory of this process while the shards of so many inputs are computed."""
    stamps = Stamps()
    session = Session(recipe, RunFolder(folder, stamps), executor=executor)
    examples = session.prepare_fitting("train")
    repeated = [examples[i % len(examples)] for i in range(count)]
    stamps.memory.clear()
    inputs = session.generation_inputs(repeated, with_reasoning=False)
    session.shards("records", inputs, 32, short_work)
    return max(stamps.memory)


def main() -> None:
    given = parser(__doc__).parse_args()
    shards, size = (3, 2) if given.quick else (5, 4)
    torch.set_num_threads(1)
    settings = ["scale={kind: ray, address: local, workers: 1, threads: 1}", "limit.train=64"]
    recipe = load_recipe("quickstart", settings)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        here: list[float] = []
        there: list[float] = []
        (folder / "ray").mkdir()
        ray = RayExecutor(recipe, RunFolder(folder / "ray", Stamps()))
        for turn in range(1 if given.quick else 2):
            here += seconds(write_shards(recipe, InProcess(), folder / f"here-{turn}", shards, size))
            there += seconds(write_shards(recipe, ray, folder / f"there-{turn}", shards, size))
        count = 64 if given.quick else 2000
        few, many = (memory(recipe, ray, folder / f"memory-{n}", n) for n in (count, 10 * count))
        ray.close()
    finish(
        median(there) / median(here),
        TARGET,
        at_most=True,
        seconds_a_shard=round(median(here), 2),
        seconds_a_shard_on_a_worker=round(median(there), 2),
        memory_of_ten_times_the_inputs=round(many / few, 3),
        memory_target=MEMORY_TARGET,
    )


if __name__ == "__main__":
    run(main)
