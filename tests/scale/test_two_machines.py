"""Two machines, each with a raylet of its own, and the cable between them cut."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from itertools import pairwise

import pytest
import yaml
from tests.namespaces import ADDRESSES, cut_the_cable, on_machine, two_machines, where_allowed
from tests.scale.test_ray import DRIVER, contents, events, many_notes, recipe_of, start

__all__ = ["many_notes"]

HEALTH_CHECKS = {"period_ms": "1000", "timeout_ms": "2000", "failure_threshold": "3"}  # as docs/scale.md has it
SECONDS_TO_GO_ON = 15


@pytest.fixture
def environment():
    """The environment of what runs on the machines; the first has the cluster's head."""
    made = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        **{f"RAY_health_check_{name}": value for name, value in HEALTH_CHECKS.items()},
    }
    started = []
    short = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the names of sockets may have 107 characters
    ray = os.path.join(os.path.dirname(sys.executable), "ray")
    with two_machines(), open(os.devnull, "w") as nothing:
        try:
            head = ["--head", "--port=6379", "--include-dashboard=false", f"--temp-dir={short}"]
            for number, role in enumerate((head, [f"--address={ADDRESSES[0]}:6379"])):
                command = [ray, "start", *role, f"--node-ip-address={ADDRESSES[number]}", "--num-cpus=1", "--block"]
                command.append(f"--object-store-memory={80 * 2**20}")
                started.append(on_machine(number, *command, env=made, stdout=nothing))
                time.sleep(8)
            yield made
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()
            shutil.rmtree(short, ignore_errors=True)


def shards_of(folder):
    return sorted(folder.rglob("responses/*.parquet"), key=lambda path: path.stat().st_mtime)


@pytest.mark.slow
@where_allowed
def test_a_cut_cable_costs_seconds_and_changes_nothing(environment, tiny_model, many_notes, tmp_path):
    recipe = recipe_of(tiny_model, many_notes, workers=2, address=f"{ADDRESSES[0]}:6379")
    evaluation = recipe.evaluation.model_copy(update={"candidates": 48})
    recipe = recipe.model_copy(update={"evaluation": evaluation})
    start(recipe.model_copy(update={"scale": recipe_of(tiny_model, many_notes).scale}), tmp_path / "alone")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    folder = tmp_path / "run"
    driver = on_machine(0, sys.executable, "-c", DRIVER, str(tmp_path / "recipe.yaml"), str(folder), env=environment)
    while len(shards_of(folder)) < 4:
        assert driver.poll() is None
        time.sleep(0.1)
    cut_the_cable()
    cut = time.time()
    assert driver.wait(timeout=240) == 0
    assert contents(folder) == contents(tmp_path / "alone")
    assert len({event["node"] for event in events(folder, "started")}) == 2
    assert events(folder, "lost")
    finished = [path.stat().st_mtime for path in shards_of(folder)]
    waits = [after - before for before, after in pairwise([cut, *(t for t in finished if t > cut)])]
    print(json.dumps({"shards after the cut": len(waits), "longest wait, s": round(max(waits), 1)}))
    assert max(waits) < SECONDS_TO_GO_ON
