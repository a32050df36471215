"""Training in several processes, each with a part of the weights: the same losses, gradients and weights as in one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from penname.config import DPOSettings, TrainingConfig
from penname.engines.models import COMPUTE_DTYPE
from penname.errors import UserError
from penname.runs.worker_log import WorkerLog, describe_workers
from penname.training.checkpoints import COMPLETE, newest_checkpoint
from penname.training.dpo import PreferencePair, train_dpo
from penname.training.fine_tuning import FineTuning, WeightedTrainer, fine_tune, load_weights, make_trainer
from penname.training.packing import TrainingSample
from penname.training.processes import Processes

SETTINGS = {"learning_rate": 1e-3, "batch_size": 8, "micro_batch_tokens": 100, "warmup_steps": 2, "weight_decay": 0.01}


def make_samples(count=36):
    """Three targets of each prompt, in lengths that divide into an odd number of micro-batches now and then."""
    generator = torch.Generator().manual_seed(1)

    def tokens(low, high):
        length = int(torch.randint(low, high, (1,), generator=generator))
        return torch.randint(3, 300, (length,), generator=generator).tolist()

    prompts = [tokens(5, 60) for _ in range(count // 3)]
    return [TrainingSample(prompts[i // 3], tokens(3, 30), 0.2 + 0.1 * (i % 7)) for i in range(count)]


class Training:
    """A training, whose losses are kept, and which may be stopped or disturbed after a step."""

    def __init__(self, base, folder, after=None, act=None, **settings):
        self.base, self.folder, self.after, self.act = str(base), folder, after, act
        self.settings = TrainingConfig(**SETTINGS | settings)
        self.processes = Processes(self.settings.processes)
        self.losses = {}

    def run(self):
        self.folder.mkdir(exist_ok=True)
        self.result = fine_tune(
            self.base, make_samples(), self.settings, self.folder, 0, self._on_step, processes=self.processes
        )
        return self

    def _on_step(self, step, loss):
        self.losses[step] = loss
        if step == self.after:
            self.act(self)

    @property
    def held(self):
        return json.loads((self.folder / "checkpoints/processes/result.json").read_text())["held"]


class Stop(Exception):
    pass


def stop(training):
    raise Stop


def same_losses(one, other):
    assert one.keys() == other.keys()
    return [other[step] for step in one] == pytest.approx([*one.values()], rel=1e-5)


def weights(training):
    return load_file(training.folder / "model/model.safetensors")


def same_weights(one, other, tolerance=2e-4):
    """Within a fifth of a step of the optimizer, which turns the smallest rounding of a gradient near 0 into a step."""
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first) < tolerance


@pytest.fixture(scope="module", autouse=True)
def in_float32():
    """Whatever this processor computes in: another rounding would hide what is compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(COMPUTE_DTYPE, "float32")
        yield


@pytest.fixture(scope="module")
def one(tiny_model, tmp_path_factory):
    return Training(tiny_model, tmp_path_factory.mktemp("one"), epochs=2).run()


def test_two_processes_train_as_one(one, tiny_model, tmp_path):
    two = Training(tiny_model, tmp_path / "two", epochs=2, processes=2, save_every=4).run()
    assert same_losses(one.losses, two.losses)
    assert same_weights(one, two)
    total = sum(tensor.numel() for tensor in weights(one).values())
    assert two.held == pytest.approx(total / 2, rel=0.02)  # each has half: they are not copies
    assert two.result.samples == one.result.samples
    assert two.result.steps == one.result.steps == 10


def first_gradients(training):
    """The gradients of the first step, by parameter: after it AdamW's running mean is a tenth of them."""
    checkpoint = training.folder / "checkpoints/checkpoint-1"
    if training.processes.several:
        dcp_to_torch_save(checkpoint, training.folder / "whole.pt")
        states = torch.load(training.folder / "whole.pt")["optimizer"]["state"]
        return {name: state["exp_avg"] for name, state in states.items()}
    model = load_weights(training.base)
    names = {parameter: name for name, parameter in model.named_parameters()}
    job = FineTuning(training.folder / "other", training.base, make_samples(), training.settings, 0, False)
    groups = make_trainer(WeightedTrainer, model, job, lambda *_: None).create_optimizer().param_groups
    order = [names[parameter] for group in groups for parameter in group["params"]]
    states = torch.load(checkpoint / "optimizer.pt")["state"]
    return {order[number]: state["exp_avg"] for number, state in states.items()}


@pytest.mark.slow
@pytest.mark.parametrize("clipped", [1e9, 0.1], ids=["free", "clipped"])
def test_gradients_are_those_of_one_process(tiny_model, tmp_path, clipped):
    settings = {"max_steps": 2, "save_every": 1, "max_grad_norm": clipped}
    one, two = (Training(tiny_model, tmp_path / str(n), processes=n, **settings).run() for n in (1, 2))
    gradients, divided = first_gradients(one), first_gradients(two)
    assert gradients.keys() == divided.keys()
    for name, gradient in gradients.items():
        assert float((divided[name] - gradient).norm() / gradient.norm()) < 1e-5, name


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 4])
def test_a_checkpoint_of_two_is_resumed_with_another_number(one, tiny_model, tmp_path, processes):
    folder = tmp_path / "run"
    with pytest.raises(Stop):
        Training(tiny_model, folder, epochs=2, processes=2, save_every=3, after=7, act=stop).run()
    assert newest_checkpoint(folder / "checkpoints").endswith("-6")
    rest = Training(tiny_model, folder, epochs=2, processes=processes, save_every=3).run()
    assert [*rest.losses] == [7, 8, 9, 10]
    assert [*rest.losses.values()] == pytest.approx([one.losses[step] for step in rest.losses], rel=1e-5)
    assert same_weights(one, rest)


def running(folder):
    """What trains in a folder, without torchrun itself."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if "penname.training.torchrun_main" in (process.info["cmdline"] or ())
        and str(folder) in " ".join(process.info["cmdline"])
        and "torch.distributed.run" not in process.info["cmdline"]
    ]


def kill_one(training):
    os.kill(running(training.folder)[-1].pid, signal.SIGKILL)


DRIVER = """
import sys
from pathlib import Path
from tests.training.test_distributed import Training
Training(sys.argv[1], Path(sys.argv[2]), epochs=2, processes=2, save_every=3).run()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_driver_that_is_killed_leaves_nothing_running_and_goes_on(one, tiny_model, tmp_path, number):
    folder = tmp_path / "run"
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (root, *sys.path)))}
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tiny_model), str(folder)], cwd=root, env=environment)
    while not list(folder.glob(f"checkpoints/checkpoint-*/{COMPLETE}")):
        assert driver.poll() is None
        time.sleep(0.02)
    trained = running(folder)
    driver.send_signal(number)
    driver.wait()
    rest = Training(tiny_model, folder, epochs=2, processes=2, save_every=3).run()
    assert not any(process.is_running() for process in trained)
    assert min(rest.losses) > 3
    steps = [json.loads(line)[0] for line in (folder / "checkpoints/processes/steps.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))  # of one training only
    assert same_weights(one, rest)


@pytest.mark.slow
def test_a_process_that_is_killed_is_started_again(one, tiny_model, tmp_path):
    training = Training(tiny_model, tmp_path / "run", epochs=2, processes=2, save_every=3, after=5, act=kill_one)
    (tmp_path / "run").mkdir()
    told = []
    log = WorkerLog(tmp_path / "run")
    training.processes = replace(training.processes, say=told.append, restarted=log.restarted)
    training.run()
    assert same_losses(one.losses, training.losses)
    assert same_weights(one, training)
    assert len(told) == 1
    assert "started again, from the last checkpoint (1 of 3 times)" in told[0]
    assert describe_workers(tmp_path / "run").endswith("/run started again 1 time")


class KillerWhileSaving(threading.Thread):
    """Kills one of the processes as soon as there is a checkpoint that is not complete, a number of times."""

    def __init__(self, folder, kills):
        super().__init__(daemon=True)
        self.folder, self.kills, self.seen = folder, kills, set()

    def run(self):
        while self.kills:
            for checkpoint in self.folder.glob("checkpoints/checkpoint-*"):
                if checkpoint not in self.seen and any(checkpoint.iterdir()) and not (checkpoint / COMPLETE).exists():
                    self.seen.add(checkpoint)
                    if processes := running(self.folder):
                        os.kill(processes[self.kills % len(processes)].pid, signal.SIGKILL)
                        self.kills -= 1
                        break
            time.sleep(0.001)


@pytest.mark.slow
def test_a_process_killed_while_a_checkpoint_is_written(one, tiny_model, tmp_path):
    training = Training(tiny_model, tmp_path / "run", epochs=2, processes=2, save_every=2)
    (tmp_path / "run").mkdir()
    killer = KillerWhileSaving(tmp_path / "run", 3)
    killer.start()
    training.run()
    assert killer.kills < 3
    assert same_losses(one.losses, training.losses)
    assert same_weights(one, training)


@pytest.mark.slow
def test_mixed_precision_is_that_of_one_process(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv(COMPUTE_DTYPE, "bfloat16")
    one, two = (Training(tiny_model, tmp_path / str(n), epochs=2, processes=n).run() for n in (1, 2))
    assert [*two.losses.values()] == pytest.approx([*one.losses.values()], rel=0.02)
    assert two.losses[10] < two.losses[1]


@pytest.mark.slow
def test_activations_that_are_not_kept_change_nothing(one, tiny_model, tmp_path):
    two = Training(tiny_model, tmp_path / "two", epochs=2, processes=2, gradient_checkpointing=True).run()
    assert same_losses(one.losses, two.losses)
    assert same_weights(one, two)


@pytest.mark.slow
def test_a_checkpoint_that_is_not_whole_is_passed_over(one, tiny_model, tmp_path):
    """Whichever of its files was being written."""
    folder = tmp_path / "run"
    with pytest.raises(Stop):
        Training(tiny_model, folder, epochs=2, processes=2, save_every=3, after=7, act=stop).run()
    checkpoints = folder / "checkpoints"
    files = [path.name for path in (checkpoints / "checkpoint-6").iterdir()]
    assert {".metadata", "__0_0.distcp", "__1_0.distcp", "scheduler.pt", "trainer_state.json", COMPLETE} <= set(files)
    for name in files:
        path = checkpoints / "checkpoint-6" / name
        data = path.read_bytes()
        for left in (data[: len(data) // 2], None):
            path.unlink()
            if left is not None:
                path.write_bytes(left)
            found = newest_checkpoint_of_copy(checkpoints, tmp_path / "copy")
            assert found.endswith("checkpoint-3"), name
            path.write_bytes(data)
    path.write_bytes(data[: len(data) // 2])
    rest = Training(tiny_model, folder, epochs=2, processes=2, save_every=3).run()
    assert min(rest.losses) == 4
    assert same_weights(one, rest)


def newest_checkpoint_of_copy(checkpoints, copy):
    """The newest complete checkpoint, found in a copy, as those that are not complete are removed."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(checkpoints, copy)
    return newest_checkpoint(copy)


@pytest.mark.slow
def test_adafactor_is_divided_too_and_resumed(tiny_model, tmp_path):
    settings = {"epochs": 2, "save_every": 3, "optimizer": "adafactor"}
    one = Training(tiny_model, tmp_path / "one", **settings).run()
    with pytest.raises(Stop):
        Training(tiny_model, tmp_path / "two", processes=2, after=7, act=stop, **settings).run()
    rest = Training(tiny_model, tmp_path / "two", processes=2, **settings).run()
    assert [*rest.losses] == [7, 8, 9, 10]
    assert [*rest.losses.values()] == pytest.approx([one.losses[step] for step in rest.losses], rel=1e-5)
    assert same_weights(one, rest)


@pytest.mark.slow
def test_an_adapter_is_trained_alike(tiny_model, tmp_path):
    trained = [Training(tiny_model, tmp_path / str(n), epochs=2, lora_rank=4, processes=n).run() for n in (1, 2)]
    assert same_losses(trained[0].losses, trained[1].losses)
    assert same_weights(*trained)


class PreferenceTraining(Training):
    """As `Training`, of an adapter on preference pairs: two steps of four pairs, and one of three, an epoch."""

    def run(self):
        self.folder.mkdir(exist_ok=True)
        generator = torch.Generator().manual_seed(2)
        tokens = [torch.randint(3, 300, (12,), generator=generator).tolist() for _ in range(33)]
        pairs = [PreferencePair(*tokens[i : i + 3]) for i in range(0, 33, 3)]
        settings = DPOSettings(learning_rate=1e-3, batch_size=4, epochs=3, lora_rank=4, save_every=2)
        self.result = train_dpo(self.base, pairs, settings, self.folder, 0, self._on_step, self.processes)
        return self


@pytest.mark.slow
def test_an_agent_is_trained_alike_and_resumed(tiny_model, tmp_path):
    one = PreferenceTraining(tiny_model, tmp_path / "one").run()
    two = PreferenceTraining(tiny_model, tmp_path / "two", processes=2).run()
    assert same_losses(one.losses, two.losses)
    assert same_weights(one, two)
    assert two.result == replace(
        one.result, first_loss=two.result.first_loss, last_loss=two.result.last_loss
    )  # the accuracy over all processes' pairs too
    assert two.held < sum(tensor.numel() for tensor in weights(one).values()) * 0.55
    with pytest.raises(Stop):
        PreferenceTraining(tiny_model, tmp_path / "stopped", processes=2, after=5, act=stop).run()
    rest = PreferenceTraining(tiny_model, tmp_path / "stopped", processes=2).run()
    assert min(rest.losses) == 5
    assert same_weights(one, rest)


@pytest.mark.slow
def test_a_training_that_diverges_is_one_line_and_is_not_tried_again(tiny_model, tmp_path):
    began = time.monotonic()
    with pytest.raises(UserError, match=r"training diverged .*: lower training.learning_rate"):
        Training(tiny_model, tmp_path / "run", epochs=2, processes=2, learning_rate=1e30).run()
    assert time.monotonic() - began < 120


def test_what_one_process_began_several_do_not_go_on_with(tiny_model, tmp_path):
    with pytest.raises(Stop):
        Training(tiny_model, tmp_path / "run", epochs=2, save_every=3, after=7, act=stop).run()
    with pytest.raises(UserError, match=r"checkpoint-6: the checkpoint of one process, which several cannot resume"):
        Training(tiny_model, tmp_path / "run", epochs=2, processes=2).run()
