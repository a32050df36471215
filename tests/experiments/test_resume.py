"""A run killed with SIGKILL at any point ends, started again, with the same samples and the same table."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console
from tests.kills import KILLS, kill_until_done, time_undisturbed

from penname.config import Recipe
from penname.evaluation.table import summary
from penname.experiments.results import results_of
from penname.experiments.train import train_run
from penname.recipe_files import check_recipe
from penname.runs.folder import read_stage
from penname.runs.progress import ConsoleProgress


def small_recipe(model: Path, data: Path) -> Recipe:
    engine = {"model": str(model), "batch_size": 16}
    return check_recipe(
        {
            "methods": ["rag", "sft", "sft-reasoning", "rest-em", "rest-pg"],
            "data": [{"format": "jsonl", "path": str(data)}],
            "generator": engine,
            "teacher": engine,
            "retrieval": {"retriever": "bm25", "k": 1},
            "prompt": {"max_input_tokens": 400, "max_output_tokens": 80},
            "reasoning": {"max_input_tokens": 600, "max_new_tokens": 16, "max_copied_tokens": 30},
            "training": {"learning_rate": 2e-4, "batch_size": 4, "save_every": 1},
            "expectation": {"samples": 3, "temperature": 0.5, "quantile": 0.5},
            "reward": {"mixture": {"rouge1": 1, "meteor": 1}, "judge": engine},
            "shard_size": 4,
        },
        "test",
    )


def work(recipe: Recipe, folder: Path) -> None:
    torch.set_num_threads(1)
    with open(os.devnull, "w") as silent:
        train_run(recipe, folder, ConsoleProgress(Console(file=silent)))


def outcome(folder: Path) -> tuple[object, ...]:
    selected = [list(read_stage(folder / f"{m}/iteration-1/selection")) for m in ("rest-em", "rest-pg")]
    return (*selected, summary(results_of([folder])[0]))


@contextlib.contextmanager
def held(process: multiprocessing.process.BaseProcess) -> Iterator[None]:
    os.kill(process.pid, signal.SIGSTOP)  # type: ignore[arg-type]
    yield
    os.kill(process.pid, signal.SIGCONT)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_at_many_points_ends_with_the_same_result(tiny_model: Path, notes: Path, tmp_path: Path) -> None:
    kills = 3
    # Forked children start at once with everything imported; each child is a process of its own to kill.
    context = multiprocessing.get_context("fork")
    recipe = small_recipe(tiny_model, notes)

    def start(folder: Path) -> multiprocessing.process.BaseProcess:
        process = context.Process(target=work, args=(recipe, folder))
        process.start()
        return process

    whole = tmp_path / "whole"
    duration = time_undisturbed(work, recipe, whole)
    expected = outcome(whole)
    assert len(expected[0]) > 0  # type: ignore[arg-type]
    assert len(expected[1]) > 0, "rest-pg kept nothing: the tiny model did not learn the template"

    # To run up to each point anew takes minutes: one run is held at more points than are needed, and its folder copied.
    running, interval = start(tmp_path / "running"), duration / (5 * kills)  # the first run is the slowest
    begun: list[Path] = []
    while running.is_alive():
        running.join(interval)
        if running.is_alive() and (tmp_path / "running").is_dir():
            with held(running):
                begun.append(shutil.copytree(tmp_path / "running", tmp_path / f"begun-{len(begun)}"))
    assert running.exitcode == 0
    duration = interval * (len(begun) + 1)
    killed = 0
    for point in random.Random(0).sample(range(len(begun)), kills):
        folder, rest = begun[point], duration * (1 - (point + 1) / (len(begun) + 1))
        process = start(folder)
        process.join(random.Random(point).uniform(0, rest / 2))
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
            killed += 1
        process.join()
        again = start(folder)
        again.join()
        assert again.exitcode == 0
        assert outcome(folder) == expected, folder.name
        shutil.rmtree(folder)
    assert killed >= kills - 2, "the runs are faster than the kills: they hit nothing"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_runs_killed_again_and_again_end_with_the_same_result(tiny_model: Path, notes: Path, tmp_path: Path) -> None:
    recipe, folder, killed = small_recipe(tiny_model, notes), tmp_path / "run", 0
    duration = time_undisturbed(work, recipe, tmp_path / "whole")
    expected = outcome(tmp_path / "whole")
    while killed < KILLS["train"]:
        killed += kill_until_done(work, (recipe, folder), duration / 6, killed)
        assert outcome(folder) == expected, killed
        shutil.rmtree(folder)
