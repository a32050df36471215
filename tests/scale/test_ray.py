"""Shards on a real Ray cluster: the same files whatever the number of workers, and whichever of them die."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch
from rich.console import Console
from tests.conftest import SUBJECTS, example_record
from tests.experiments.test_resume import small_recipe
from tests.kills import KILLS

from penname.errors import UserError
from penname.experiments.train import train_run
from penname.recipe_files import check_recipe
from penname.runs.progress import ConsoleProgress

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'penname[ray]'")

SEEDS = range(KILLS["scale"] // 3)
"""Workers, machines and drivers are killed."""


@pytest.fixture(scope="module")
def many_notes(tmp_path_factory):
    """Enough examples for a dozen shards."""
    folder = tmp_path_factory.mktemp("many")
    for split, numbers in (("train", range(2)), ("val", (8,)), ("test", range(10, 14))):
        records = [example_record(subject, n) for subject in SUBJECTS for n in numbers]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def recipe_of(model, data, *, methods=("rag",), workers=0, reward="meteor", **scale):
    settings = {"kind": "ray", "workers": workers, **scale} if workers else {"kind": "local"}
    recipe = small_recipe(model, data).model_dump()
    recipe |= {"methods": list(methods), "scale": settings, "evaluation": {"candidates": 4, "temperature": 0.7}}
    recipe["generator"]["batch_size"] = 2
    recipe["reward"]["mixture"] = {"rouge1": 1, reward: 1}
    return check_recipe(recipe, "test")


def start(recipe, folder):
    """Run the recipe; returns the lines that it said."""
    threads = torch.get_num_threads()
    torch.set_num_threads(recipe.scale.threads)  # as a worker has: rounding depends on it
    log = folder.parent / f"{folder.name}.log"
    try:
        with log.open("w") as file:
            train_run(recipe, folder, ConsoleProgress(Console(file=file, width=300)))
    finally:
        torch.set_num_threads(threads)
    return log.read_text()


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.parquet"))}


def events(folder, kind):
    path = folder / "workers.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [event for line in lines if (event := json.loads(line))["event"] == kind]


@pytest.fixture(scope="module")
def alone(tiny_model, many_notes, tmp_path_factory):
    """What one process computes."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    start(recipe_of(tiny_model, many_notes), folder)
    return contents(folder)


def computed_shards(folder):
    return len(list(folder.rglob("responses/*.parquet")))


class Killer(threading.Thread):
    """Kills something while a run computes: after a random number of shards, and a random moment."""

    def __init__(self, folder, seed, kill):
        super().__init__(daemon=True)
        self.folder, self.kill, self.killed = folder, kill, None
        self.random = random.Random(seed)

    def run(self):
        after = self.random.randrange(8)
        while computed_shards(self.folder) < after or not events(self.folder, "started"):
            time.sleep(0.02)
        time.sleep(self.random.random() / 4)
        self.killed = self.kill(self.random.choice(events(self.folder, "started")))


def kill_process(event):
    os.kill(int(event["worker"].rsplit(":")[-1]), signal.SIGKILL)
    return event["worker"]


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_two_workers_of_which_one_is_killed_write_the_same_files(alone, tiny_model, many_notes, tmp_path):
    killer = Killer(tmp_path / "run", 1, kill_process)
    killer.start()
    said = start(recipe_of(tiny_model, many_notes, workers=2), tmp_path / "run")
    assert contents(tmp_path / "run") == alone
    (lost,) = events(tmp_path / "run", "lost")
    assert lost["worker"] == killer.killed
    assert f"worker {killer.killed} ended: ActorDiedError; another is started" in said
    counted = events(tmp_path / "run", "stage")
    shards = sum(e["shards"] for e in counted if e["stage"].endswith("/responses"))
    assert shards == sum("/responses/" in name for name in alone)  # and none was computed and thrown away


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_shard_that_ends_every_worker_stops_the_run_and_is_named(tiny_model, many_notes, tmp_path):
    recipe = recipe_of(tiny_model, many_notes, workers=1, attempts=2, reward="tests.scale.planted:fatal")
    with pytest.raises(UserError) as error:
        start(recipe, tmp_path / "run")
    assert "metrics: shard 00006, examples 'chess-10' to 'chess-11', has ended 2 workers (scale.attempts)" in str(
        error.value
    )
    assert len(events(tmp_path / "run", "lost")) == 2
    assert sorted(p.name for p in (tmp_path / "run").rglob("metrics/*.parquet"))  # what is finished is kept


@pytest.mark.parametrize(
    ("workers", "machines"),
    [(1, "one_machine"), *(pytest.param(number, "cluster", marks=pytest.mark.slow) for number in (2, 4))],
)
def test_the_number_of_workers_changes_nothing(alone, tiny_model, many_notes, tmp_path, request, workers, machines):
    request.getfixturevalue(machines)
    start(recipe_of(tiny_model, many_notes, workers=workers), tmp_path / "run")
    assert contents(tmp_path / "run") == alone
    assert len(events(tmp_path / "run", "started")) == workers


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_worker_killed_at_any_moment_changes_nothing(alone, tiny_model, many_notes, tmp_path, seed):
    killer = Killer(tmp_path / "run", seed, kill_process)
    killer.start()
    start(recipe_of(tiny_model, many_notes, workers=2), tmp_path / "run")
    assert killer.killed
    assert contents(tmp_path / "run") == alone
    repeated = sum(e["shards"] for e in events(tmp_path / "run", "stage")) - len(
        [name for name in alone if "/responses/" in name or "/metrics/" in name]
    )
    assert repeated == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_machine_killed_at_any_moment_changes_nothing(alone, tiny_model, many_notes, tmp_path, cluster, seed):
    def kill_machine(event):
        (node,) = [n for n in cluster.worker_nodes if n.node_id == event["node"]]
        cluster.remove_node(node, allow_graceful=False)
        return event["node"]

    killer = Killer(tmp_path / "run", seed, kill_machine)
    killer.start()
    try:
        start(recipe_of(tiny_model, many_notes, workers=2), tmp_path / "run")
        killer.join()
    finally:
        while len(cluster.worker_nodes) < 2:
            cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)
    assert killer.killed
    assert contents(tmp_path / "run") == alone


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_all_methods_write_the_same_files_with_workers(tiny_model, notes, tmp_path):
    methods = ["rag", "rest-pg", "pat"]
    start(recipe_of(tiny_model, notes, methods=methods), tmp_path / "alone")
    start(recipe_of(tiny_model, notes, methods=methods, workers=2), tmp_path / "two")
    expected = contents(tmp_path / "alone")
    assert contents(tmp_path / "two") == expected
    assert {name.split("/")[0] for name in expected} >= {"reasoning", "rest-pg", "pat", "evaluation"}


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_shard_that_takes_too_long_is_taken_from_its_worker(tiny_model, many_notes, tmp_path):
    recipe = recipe_of(tiny_model, many_notes, workers=2, deadline=20, reward="tests.scale.planted:stuck_once")
    said = start(recipe, tmp_path / "run")
    lost = events(tmp_path / "run", "lost")[0]
    assert lost["why"] == "has not finished a shard within 20 s (scale.deadline)"
    assert f"worker {lost['worker']} has not finished a shard" in said


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_an_error_in_a_worker_is_told(tiny_model, many_notes, tmp_path):
    recipe = recipe_of(tiny_model, many_notes, workers=1, attempts=1, reward="tests.scale.planted:failing")
    with pytest.raises(UserError, match="the last one failed: ZeroDivisionError: a reward divided by nothing"):
        start(recipe, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_worker_that_computes_otherwise_is_refused(tiny_model, many_notes, tmp_path):
    (tmp_path / "run").mkdir()
    start(recipe_of(tiny_model, many_notes), tmp_path / "run")
    for path in (tmp_path / "run").rglob("metrics/*.parquet"):
        path.unlink()
    (tmp_path / "run/evaluation/test/rag/stage.json").unlink()
    with pytest.raises(UserError, match=r"worker .* computes with threads 2, expected 1, as the run so far"):
        start(recipe_of(tiny_model, many_notes, workers=1, threads=2), tmp_path / "run")
    said = start(recipe_of(tiny_model, many_notes, workers=1, threads=2, mixed=True), tmp_path / "run")
    assert "computes with threads 2, expected 1: rounding may differ" in said


DRIVER = """
import sys, yaml
from pathlib import Path
from rich.console import Console
from penname.experiments.train import train_run
from penname.recipe_files import check_recipe
from penname.runs.progress import ConsoleProgress

train_run(check_recipe(yaml.safe_load(open(sys.argv[1])), "test"), Path(sys.argv[2]), ConsoleProgress(Console()))
"""


@pytest.fixture
def driver(tiny_model, many_notes, tmp_path, cluster) -> list[str]:
    """The command of a driver of its own."""
    import yaml

    recipe = recipe_of(tiny_model, many_notes, workers=2, address=cluster.address)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    return [sys.executable, "-c", DRIVER, str(tmp_path / "recipe.yaml"), str(tmp_path / "run")]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_driver_killed_at_any_moment_goes_on(alone, driver, tmp_path, seed):
    folder = tmp_path / "run"
    process = subprocess.Popen(driver, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    killer = Killer(folder, seed, lambda event: process.kill() or "the driver")
    killer.start()
    process.wait()
    if process.returncode == 0:
        pytest.skip("the driver was faster than its killer")
    assert killer.killed
    before = {name: data for name, data in contents(folder).items() if "responses/" in name or "metrics/" in name}
    subprocess.run(driver, check=True, stdout=subprocess.DEVNULL)
    assert contents(folder) == alone
    computed = sum(e["shards"] for e in events(folder, "stage"))
    assert computed <= sum("responses/" in name or "metrics/" in name for name in alone) - len(before) + 2 * 2
