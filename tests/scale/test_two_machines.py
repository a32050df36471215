"""Two machines, each a network namespace with a raylet of its own, and the cable between them cut."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import pairwise

import pytest
import yaml
from tests.scale.test_ray import DRIVER, contents, events, many_notes, recipe_of, start

__all__ = ["many_notes"]

HEAD, OTHER = "10.77.0.1", "10.77.0.2"
HEALTH_CHECKS = {"period_ms": "1000", "timeout_ms": "2000", "failure_threshold": "3"}  # as docs/scale.md has it
SECONDS_TO_GO_ON = 15


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def namespaces_are_allowed():
    if shutil.which("ip") is None or os.geteuid() != 0:
        return False
    made = subprocess.run(["ip", "netns", "add", "penname-probe"], capture_output=True)
    subprocess.run(["ip", "netns", "delete", "penname-probe"], capture_output=True)
    return made.returncode == 0


@pytest.fixture
def machines():
    """The names of two namespaces with a cable between them; the first has the cluster's head."""
    names = "penname-head", "penname-other"
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        **{f"RAY_health_check_{name}": value for name, value in HEALTH_CHECKS.items()},
    }
    started = []
    short = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # the names of sockets may have 107 characters
    try:
        for name in names:
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "cable-head", "netns", names[0], "type", "veth", "peer", "cable-other", "netns", names[1])
        for name, cable, address in zip(names, ("cable-head", "cable-other"), (HEAD, OTHER), strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", cable)
            ip("-n", name, "link", "set", cable, "up")
        ray = os.path.join(os.path.dirname(sys.executable), "ray")
        memory = f"--object-store-memory={80 * 2**20}"
        for name, address, role in (
            (names[0], HEAD, ["--head", "--port=6379", "--include-dashboard=false", f"--temp-dir={short}"]),
            (names[1], OTHER, [f"--address={HEAD}:6379"]),
        ):
            command = ["ip", "netns", "exec", name, ray, "start", *role, f"--node-ip-address={address}", "--num-cpus=1"]
            started.append(subprocess.Popen([*command, memory, "--block"], env=environment, stdout=subprocess.DEVNULL))
            time.sleep(8)
        yield names, environment
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)
        shutil.rmtree(short, ignore_errors=True)


def shards_of(folder):
    return sorted(folder.rglob("responses/*.parquet"), key=lambda path: path.stat().st_mtime)


@pytest.mark.slow
@pytest.mark.skipif(not namespaces_are_allowed(), reason="network namespaces are not allowed here")
def test_a_cut_cable_costs_seconds_and_changes_nothing(machines, tiny_model, many_notes, tmp_path):
    names, environment = machines
    recipe = recipe_of(tiny_model, many_notes, workers=2, address=f"{HEAD}:6379")
    evaluation = recipe.evaluation.model_copy(update={"candidates": 48})
    recipe = recipe.model_copy(update={"evaluation": evaluation})
    start(recipe.model_copy(update={"scale": recipe_of(tiny_model, many_notes).scale}), tmp_path / "alone")
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    folder = tmp_path / "run"
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "recipe.yaml"), str(folder)]
    driver = subprocess.Popen(["ip", "netns", "exec", names[0], *command], env=environment)
    while len(shards_of(folder)) < 4:
        assert driver.poll() is None
        time.sleep(0.1)
    ip("-n", names[0], "link", "set", "cable-head", "down")
    cut = time.time()
    assert driver.wait(timeout=240) == 0
    assert contents(folder) == contents(tmp_path / "alone")
    assert len({event["node"] for event in events(folder, "started")}) == 2
    assert events(folder, "lost")
    finished = [path.stat().st_mtime for path in shards_of(folder)]
    waits = [after - before for before, after in pairwise([cut, *(t for t in finished if t > cut)])]
    print(json.dumps({"shards after the cut": len(waits), "longest wait, s": round(max(waits), 1)}))
    assert max(waits) < SECONDS_TO_GO_ON
