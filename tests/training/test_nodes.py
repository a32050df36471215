"""A run whose model is trained on two machines that share a disk."""

from __future__ import annotations

import json
import os
import sys
import time

import psutil
import pytest
import yaml
from rich.console import Console
from safetensors.torch import load_file
from tests.experiments.test_resume import small_recipe
from tests.namespaces import ADDRESSES, cable_bytes, on_machine, two_machines, where_allowed

from penname.engines.models import COMPUTE_DTYPE
from penname.experiments.train import train_run
from penname.runs.progress import ConsoleProgress

PENNAME = os.path.join(os.path.dirname(sys.executable), "penname")
TRAINED = "sft/training/model/model.safetensors"


def lose(joined, checkpoints):
    """Kill what the other machine trains with, once there is a checkpoint."""
    while not list(checkpoints.glob("checkpoint-*/complete")):
        time.sleep(0.05)
    for process in psutil.Process(joined.pid).children(recursive=True):
        if "penname.training.torchrun_main" in process.cmdline():
            process.kill()


@pytest.mark.slow
@where_allowed
@pytest.mark.parametrize("lost", [False, True], ids=["undisturbed", "one lost"])
def test_a_model_is_trained_on_two_machines(tiny_model, notes, tmp_path, monkeypatch, lost):
    monkeypatch.setenv(COMPUTE_DTYPE, "float32")  # another rounding would hide what is compared
    recipe = small_recipe(tiny_model, notes)
    training = recipe.training.model_copy(update={"epochs": 4})
    recipe = recipe.model_copy(update={"methods": ["sft"], "training": training})
    train_run(recipe, tmp_path / "alone", ConsoleProgress(Console(quiet=True)))
    training = recipe.training.model_copy(update={"nodes": 2, "rendezvous": f"{ADDRESSES[0]}:29400"})
    together = recipe.model_copy(update={"training": training})
    path, run = tmp_path / "recipe.yaml", tmp_path / "together"
    path.write_text(yaml.safe_dump(together.model_dump(mode="json"), sort_keys=False))
    with two_machines():
        joined = on_machine(1, PENNAME, "join", str(run))
        try:
            started = on_machine(0, PENNAME, "train", str(path), "--run", str(run))
            if lost:
                lose(joined, run / "sft/training/checkpoints")
            assert started.wait(timeout=240) == 0
            assert joined.wait(timeout=30) == 0
            passed = cable_bytes()
        finally:
            joined.kill()
    one, two = load_file(tmp_path / "alone" / TRAINED), load_file(run / TRAINED)
    assert one.keys() == two.keys()
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 2e-4
    losses = [json.loads((folder / "sft/training/stage.json").read_text()) for folder in (tmp_path / "alone", run)]
    assert losses[0]["last_loss"] == pytest.approx(losses[1]["last_loss"], rel=1e-5)
    size = sum(tensor.numel() * 4 for tensor in one.values())
    print(json.dumps({"MB over the cable": round(passed / 1e6, 1), "times the model": round(passed / size, 1)}))
    assert passed > size  # each has half of the weights, which the other one needs
