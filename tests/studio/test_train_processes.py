"""A run belongs to a process and a folder: whoever looks finds it, and no other process is taken for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from tests.studio.studios import running_studio
from tests.studio.train_runs import copy_run, finished_run, wait_for, write_recipe

from penname.errors import UserError
from penname.evaluation.table import summary
from penname.experiments.results import results_of
from penname.runs.folder import HOLDER
from penname.serve.store.opening import open_store
from penname.session.stage_names import evaluation, training
from penname.studio.train import processes
from penname.studio.train.states import last_lines, state_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def begin(run: Path, model: Path, data: Path) -> None:
    recipe = write_recipe(run.parent / "tiny.yaml", model, data, methods=["rag", "sft", "rest-em"])
    processes.start(run, ["train", str(recipe), "--run", str(run)], 0)


def note(run: Path, pid: int, created: float) -> None:
    begun = {"arguments": ["train"], "folder": str(run), "users": 0, "pid": pid, "created": created}
    (run / processes.FILE).write_text(json.dumps(begun))


def test_a_process_that_is_given_the_same_id_is_not_taken_for_the_runs(run):
    own = psutil.Process().create_time()
    note(run, os.getpid(), own)
    assert processes.holder(run) == os.getpid()
    note(run, os.getpid(), own - 60)
    assert processes.holder(run) is None


def test_a_lock_tells_its_holder_alone(run):
    lock = run / HOLDER
    lock.write_text(str(os.getpid()))
    assert processes.holder(run) == os.getpid()
    before = psutil.Process().create_time() - 60
    os.utime(lock, (before, before))  # as a process left it that had the id before
    assert processes.holder(run) is None


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "99999999999999999999", "\0"])
def test_a_lock_that_names_no_process(run, text):
    (run / HOLDER).write_text(text)
    assert processes.holder(run) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": 1}', '{"arguments": 1, "folder": "", "users": 0}', "\0"])
def test_a_damaged_note_of_what_was_begun(run, text):
    (run / processes.FILE).write_text(text)
    assert processes.read_begun(run) is None


def test_a_process_that_has_ended_but_whose_parent_does_not_know_is_not_alive(run):
    ended = subprocess.Popen([sys.executable, "-S", "-c", ""])
    created = psutil.Process(ended.pid).create_time()
    while psutil.Process(ended.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    note(run, ended.pid, created)
    assert processes.holder(run) is None
    ended.wait()


def test_of_starts_at_once_one_alone_begins(run):
    results: list[str] = []

    def start() -> None:
        try:
            processes.start(run, ["data", "list", "--help"], 0)
            results.append("begun")
        except UserError as error:
            results.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count("begun") == 1
    assert all(line == "begun" or "already" in line or "just now" in line for line in results)


def test_a_run_that_fails_says_why_in_a_line(run):
    processes.start(run, ["train", "no-such-recipe", "--run", str(run)], 0)
    state = wait_for(run, lambda state: not state.goes)
    assert state.state == "failed"
    assert state.problem.startswith("no-such-recipe: found no such recipe, expected")
    assert any("no-such-recipe" in line for line in last_lines(run))


def test_a_run_that_was_begun_elsewhere_is_not_ended_or_begun_here(tiny_model, notes, tmp_path_factory, tmp_path):
    copied = copy_run(finished_run(tiny_model, notes, tmp_path_factory), tmp_path, "copied")
    assert state_of(copied).state == "done"
    (copied / evaluation("test", "rest-em") / "stage.json").unlink()
    assert state_of(copied).state == "stopped"
    with pytest.raises(UserError, match="was not begun in the studio"):
        processes.go_on(copied)
    (copied / HOLDER).write_text(str(os.getpid()))
    assert state_of(copied).state == "under way"
    with pytest.raises(UserError, match="was not begun in the studio"):
        processes.pause(copied)


@pytest.mark.parametrize("text", ["", "- 1", "methods: [nothing]", "\xff\xfe", "a: [", "methods: *x"])
def test_a_recipe_that_cannot_be_read(run, text):
    (run / "recipe.yaml").write_bytes(text.encode("latin-1"))
    state = state_of(run)
    assert state.state == "unreadable"
    assert state.problem
    assert "\n" not in state.problem


@pytest.mark.slow
def test_killed_paused_and_gone_on_with_it_ends_as_if_nothing_had_happened(tiny_model, notes, tmp_path, served_run):
    whole, broken = tmp_path / "whole", tmp_path / "runs" / "broken"
    whole.mkdir()
    broken.mkdir(parents=True)
    begin(whole, tiny_model, notes)
    wait_for(whole, lambda state: not state.goes)
    assert state_of(whole).state == "done", last_lines(whole)

    begin(broken, tiny_model, notes)
    with pytest.raises(UserError, match="already"):
        processes.go_on(broken)
    losses = broken / training("sft") / "losses.jsonl"
    wait_for(broken, lambda state: losses.is_file() and losses.stat().st_size > 100)
    os.kill(processes.holder(broken), signal.SIGKILL)
    assert wait_for(broken, lambda state: not state.goes).state == "failed"
    assert "ended from outside" in state_of(broken).problem

    processes.go_on(broken)
    samples = broken / "rest-em" / "iteration-1" / "samples"
    wait_for(broken, lambda state: samples.is_dir())
    processes.pause(broken)
    assert wait_for(broken, lambda state: not state.goes).state == "paused"

    # Another studio than the one that began it.
    with (
        open_store(f"sqlite:///{tmp_path}/penname.db") as store,
        running_studio(store, served_run, broken.parent) as studio,
    ):
        assert studio.ask("POST", "/train/runs/broken/go-on").status == 200
    assert wait_for(broken, lambda state: not state.goes).state == "done"  # and goes on without that one
    assert summary(results_of([broken])[0]) == summary(results_of([whole])[0])
    for stage in (training("sft"), training("rest-em/iteration-1")):
        assert (broken / stage / "losses.jsonl").read_text() == (whole / stage / "losses.jsonl").read_text()
