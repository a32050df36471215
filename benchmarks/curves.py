"""What self-training depends on, where the right answers are known: one thing varied at a time, a curve a method.

Varied are the inputs that are trained on, the samples of each, how often the teacher is right, and the model's layers.
Each point is the recipe `control` with one iteration, evaluated on validation users; every axis passes through the
recipe's own point. The corpora and models of other teachers and depths are made first (`penname data control`). Seeds
run beside each other, each on a thread of its own; started again, all go on where they were stopped. --figure draws a
picture for each axis. The ratio is of rest-pg over sft at the points where it is highest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from common import QUICK_CONTROL, control_corpus, finish, on_control, parser, run
from rich.console import Console
from rich.table import Table

from penname.evaluation import figures
from penname.evaluation.table import averages
from penname.methods.sweep import Point, run_sweep
from penname.recipe_files import load_recipe
from penname.runs.progress import ConsoleProgress

METHODS = ("sft", "sft-reasoning", "rest-em", "rest-pg")
QUICK = ["limit={train: 20, test: 16, val: 16}", "training.max_steps=200", "expectation.threshold=0"]


@dataclass(frozen=True)
class Value:
    """A point of an axis: how it is called, the recipe's settings, and what its corpus and model differ in."""

    name: str
    settings: Sequence[str] = ()
    corpus: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return "-".join(["control", *(f"{key}-{value:g}" for key, value in self.corpus.items())])


AXES = {
    "inputs": [Value(str(n), [f"limit.train={n}"]) for n in (125, 250, 500, 1000)],
    "samples": [Value(str(m), [f"expectation.samples={m}"]) for m in (2, 4, 8, 16)],
    "teacher": [
        Value("0.3", corpus={"teacher": 0.3, "misled": 0.35}),
        Value("0.5"),
        Value("0.7", corpus={"teacher": 0.7, "misled": 0.15}),
        Value("1", corpus={"teacher": 1, "misled": 0}),
    ],
    "layers": [Value("2"), Value("3", corpus={"layers": 3}), Value("4", corpus={"layers": 4})],
}
"""A teacher who is not right is as often misled as silent."""
Rewards = dict[str, list[dict[str, float]]]
"""By axis, of each of its points, the mean reward by method."""


def train_seed(runs: Path, corpora: Path, axes: Sequence[str], seed: int, overrides: Sequence[str]) -> Rewards:
    """Train and evaluate all points with this seed; what is alike in them, the recipe's own point too, is made once."""
    points = []
    for axis in axes:
        for value in AXES[axis]:
            own = [*on_control(corpora / value.folder, seed), "expectation.iterations=1", "evaluation.split=val"]
            recipe = load_recipe("control", [*own, *overrides, *value.settings])
            points.append(Point(f"{axis} {value.name}", recipe, runs / f"seed-{seed}" / axis / value.name))
    found = run_sweep(points, lambda folder: ConsoleProgress(Console(quiet=True), folder / "log.txt"), None, METHODS)
    rewards = iter([{method: own["reward"] for method, own in averages(results).items()} for results in found])
    return {axis: list(islice(rewards, len(AXES[axis]))) for axis in axes}


def show(axis: str, by_seed: Sequence[Sequence[dict[str, float]]]) -> dict[str, list[float]]:
    """Print an axis: each method's mean over the seeds, and the seeds' own values; returns the means."""
    table = Table(axis, *METHODS)
    means: dict[str, list[float]] = {method: [] for method in METHODS}
    for number, value in enumerate(AXES[axis]):
        cells = []
        for method in METHODS:
            own = [points[number][method] for points in by_seed]
            means[method].append(sum(own) / len(own))
            cells.append(f"{means[method][-1]:.3f} ({', '.join(f'{reward:.3f}' for reward in own)})")
        table.add_row(value.name, *cells)
    Console(width=140).print(table)
    return means


def main() -> None:
    made = parser(__doc__)
    made.add_argument("--corpora", type=Path, default=Path("control-curves"), help="folder of the corpora")
    made.add_argument("--runs", type=Path, default=Path("runs/control-curves"))
    made.add_argument("--axis", action="append", choices=list(AXES), help="one of them, several times; else all")
    made.add_argument("--seeds", type=int, default=2)
    made.add_argument("--figure", type=Path, help="an SVG or PNG file to draw beside")
    given = made.parse_args()
    axes = given.axis or list(AXES)
    names = (given.corpora, given.runs)
    corpora, runs = (path.with_name(f"{path.name}-quick") if given.quick else path for path in names)
    small, overrides = (QUICK_CONTROL, QUICK) if given.quick else ({}, [])
    seeds = range(1 if given.quick else given.seeds)
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        wanted = {value.folder: value.corpus | small for axis in axes for value in AXES[axis]}
        for waiting in [pool.submit(control_corpus, corpora / name, **own) for name, own in wanted.items()]:
            waiting.result()
        running = [pool.submit(train_seed, runs, corpora, axes, seed, overrides) for seed in seeds]
        by_seed = [seed.result() for seed in running]
    found = {axis: show(axis, [rewards[axis] for rewards in by_seed]) for axis in axes}
    if given.figure:
        for axis, means in found.items():
            path = given.figure.with_name(f"{given.figure.stem}-{axis}{given.figure.suffix}")
            figures.save(figures.curves(means, [value.name for value in AXES[axis]], (axis, "reward")), path)
    ratio = max(pg / sft for means in found.values() for pg, sft in zip(means["rest-pg"], means["sft"], strict=True))
    finish(ratio, 1.05, seeds=len(seeds), curves=found)


if __name__ == "__main__":
    run(main)
