"""Runs of tiny models for the tests of the page on which models are trained."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from tests.conftest import made_once

from penname.data.records import Document
from penname.experiments.train import train_run
from penname.recipe_files import load_recipe
from penname.runs.progress import ConsoleProgress
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.store import Store
from penname.studio.train.states import RunState, state_of

SUBJECTS = "rain bread trains chess birds stones tea dogs cats boats".split()


def write_recipe(path: Path, model: Path, data: Path, **changes: Any) -> Path:
    """A recipe that a tiny model is trained with in seconds. changes: sections of it."""
    engine = {"model": str(model), "batch_size": 16}
    recipe = {
        "methods": ["rag", "rest-em"],
        "data": [{"format": "jsonl", "path": str(data)}],
        "generator": engine,
        "retrieval": {"retriever": "bm25", "k": 1},
        "prompt": {"max_input_tokens": 400, "max_output_tokens": 60},
        "training": {"learning_rate": 2e-4, "batch_size": 1, "save_every": 2},
        "expectation": {"samples": 4, "temperature": 0.5, "quantile": 0.5},
        "reward": {"mixture": {"rouge1": 1}},
        "evaluation": {"metrics": ["rouge1"]},
        "shard_size": 4,
        "tracking": "none",
        **changes,
    }
    path.write_text(yaml.safe_dump(recipe))
    return path


def finished_run(model: Path, data: Path, tmp_path_factory: Any) -> Path:
    """A run that is finished; whoever changes it copies it first."""
    return made_once("studio-run", partial(_train, model, data), tmp_path_factory) / "run"


def _train(model: Path, data: Path, folder: Path) -> None:
    recipe = load_recipe(write_recipe(folder / "tiny.yaml", model, data))
    with (folder / "said.txt").open("w") as said:
        train_run(recipe, folder / "run", ConsoleProgress(Console(file=said), folder / "run" / "log.txt"))


def copy_run(run: Path, runs: Path, name: str) -> Path:
    """A copy of a run without its models, which take the most room."""
    return shutil.copytree(run, runs / name, ignore=shutil.ignore_patterns("model", "lock", "holder"))


def add_documents(store: Store, user: str, count: int = len(SUBJECTS)) -> None:
    """Give a user documents, each on a subject of its own."""
    texts = [
        f"{user} said: of {subject} I have more to say than others, {number} times over, and say it in the evening."
        for number, subject in enumerate(SUBJECTS[:count])
    ]
    documents = [Document(user, text, title=f"On {s}") for text, s in zip(texts, SUBJECTS, strict=False)]
    store.add_documents(LOCAL_TENANT, user, documents, put_user=True)


def wait_for(run: Path, is_so: Callable[[RunState], bool], seconds: float = 120.0) -> RunState:
    """Wait until something is so of a run's state."""
    until = time.monotonic() + seconds
    while not is_so(state := state_of(run)):
        assert time.monotonic() < until, f"{state.state}: {state.problem}"
        time.sleep(0.05)
    return state
