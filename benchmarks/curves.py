"""What self-training depends on, where the right answers are known: one thing varied at a time, a curve a method.

Varied are the inputs that are trained on, the samples of each, how often the teacher is right, and the model's layers.
Each point is the recipe `control` with one iteration, evaluated on validation users; every axis passes through the
recipe's own point. Other teachers' corpora, and models of other depths, are made first (`penname data control`). Seeds
run beside each other, each on a thread of its own; started again, all go on where they were stopped. --figure draws a
picture for each axis. The ratio is of rest-pg over sft at the points where it is highest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from common import QUICK_CONTROL, control_corpus, finish, on_control, parser, run
from rich.console import Console
from rich.table import Table

from penname.cli.control import USERS, atomic_folder
from penname.data.control import Teacher, write_control
from penname.evaluation.table import averages
from penname.experiments.sweep import Point, run_sweep
from penname.recipe_files import load_recipe
from penname.reporting import figures
from penname.runs.progress import ConsoleProgress

METHODS = ("sft", "sft-reasoning", "rest-em", "rest-pg")
QUICK = [
    "limit={train: 20, test: 16, val: 16}",
    "training.max_steps=200",
    "training.learning_rate=3e-3",
    "expectation.threshold=0",
]


@dataclass(frozen=True)
class Value:
    """A point of an axis: how it is called, and what of the recipe's settings, corpus and model is another."""

    name: str
    settings: Sequence[str] = ()
    teacher: Teacher | None = None
    layers: int | None = None

    def folders(self, corpora: Path) -> tuple[Path, Path]:
        """Where its corpus is, and where the corpus that its model stands beside."""
        own = corpora / "control"
        corpus = own.with_name(f"control-teacher-{self.name}") if self.teacher else own
        return corpus, own.with_name(f"control-layers-{self.name}") if self.layers else own


AXES = {
    "inputs": [Value(str(n), [f"limit.train={n}"]) for n in (125, 250, 500, 1000)],
    "samples": [Value(str(m), [f"expectation.samples={m}"]) for m in (2, 4, 8, 16)],
    "teacher": [
        Value("0.05", teacher=Teacher(right=0.05, misled=0.05)),
        Value("0.1", teacher=Teacher(right=0.1, misled=0.05)),
        Value("0.2"),
        Value("0.4", teacher=Teacher(right=0.4, misled=0.05)),
        Value("1", teacher=Teacher(right=1, misled=0)),
    ],
    "layers": [Value("2"), Value("3", layers=3), Value("4", layers=4)],
}
Rewards = dict[str, list[dict[str, float]]]
"""By axis, of each of its points, the mean reward by method."""


def corpus_of(teacher: Teacher, folder: Path, users: int) -> None:
    """Write the corpus that this teacher speaks of, without a model, unless it is there already."""
    if not folder.exists():
        with atomic_folder(folder) as scratch:
            write_control(scratch, users, 0, teacher)


def train_seed(runs: Path, corpora: Path, axes: Sequence[str], seed: int, overrides: Sequence[str]) -> Rewards:
    """Train and evaluate all points with this seed; what is alike in them, the recipe's own point too, is made once."""
    points = []
    for axis in axes:
        for value in AXES[axis]:
            corpus, beside = value.folders(corpora)
            own = [*on_control(corpus, beside / "model", seed), "expectation.iterations=1", "evaluation.split=val"]
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
        making = [pool.submit(control_corpus, corpora / "control", **small)]
        for value in (value for axis in axes for value in AXES[axis]):
            corpus, beside = value.folders(corpora)
            if value.layers:
                making.append(pool.submit(control_corpus, beside, layers=value.layers, **small))
            if value.teacher:
                making.append(pool.submit(corpus_of, value.teacher, corpus, small.get("users", USERS)))
        for waiting in making:
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
