"""Fine-tuning in several processes, each of which holds a part of the weights and of the optimizer's state (FSDP2).

torchrun starts the processes, torch's `fully_shard` divides the model, and `torch.distributed.checkpoint` saves it.
Each process runs the same Trainer over the same optimizer steps as a single process would; only the micro-batches of a
step are divided among them. So losses and gradients are those of one process, up to rounding, and a checkpoint can be
resumed with another number of processes.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.distributed.checkpoint import load, save
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Replicate, distribute_tensor
from transformers.optimization import Adafactor

from penname.engines.models import compute_dtype
from penname.errors import UserError
from penname.training.fine_tuning import (
    FineTuningSettings,
    WeightedTrainer,
    load_weights,
    losses_of,
    make_policy,
    make_trainer,
    newest_checkpoint,
)
from penname.training.packing import TrainingSample

JOB, STEPS, PROBLEM, RESULT, TRAINED = "job.pickle", "steps.jsonl", "problem.txt", "result.json", "trained.safetensors"
"""The files of a job: what is trained; the loss of each step; the error that ended it; how it ended; the weights."""

SCHEDULER = "scheduler.pt"

RESTARTS = 3
"""Times that all processes are started again after one has died."""

POLL = 0.2
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class Job:
    """What the processes train; the fields are those of `fine_tune`.

    validate: whether checkpoints are validated afterwards, and so have to be loadable as models.
    """

    base: str
    samples: list[TrainingSample]
    settings: FineTuningSettings
    folder: Path
    seed: int
    validate: bool

    @property
    def files(self) -> Path:
        """The folder of the files by which the processes and the one that starts them understand each other."""
        return self.folder / "checkpoints" / "processes"


def train_in_processes(job: Job, on_step: Callable[[int, float], None]) -> list[float]:
    """Train in several processes; the weights are written to `TRAINED` in the folder of the job's files.

    job: what is trained.
    on_step: see `fine_tune`.

    Returns the loss of each step. Raises UserError where the training diverges, or the processes end again and again.
    """
    job.files.mkdir(parents=True, exist_ok=True)
    for name in (STEPS, PROBLEM, RESULT):
        (job.files / name).unlink(missing_ok=True)
    (job.files / JOB).write_bytes(pickle.dumps(job))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--max-restarts={RESTARTS}"]
    command += [f"--nproc-per-node={job.settings.processes}", "-m", "penname.training.distributed", str(job.files)]
    with (job.files / "output.txt").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            _follow(process, job.files / STEPS, on_step)
        finally:
            process.terminate()  # torchrun then ends the others
            process.wait()
    if (job.files / PROBLEM).is_file():
        raise UserError((job.files / PROBLEM).read_text())
    if process.returncode or not (job.files / RESULT).is_file():
        raise UserError(
            f"training.processes: the processes ended {RESTARTS + 1} times, see {job.files / 'output.txt'}; "
            "start the same command again to go on from the last checkpoint"
        )
    losses: list[float] = json.loads((job.files / RESULT).read_text())["losses"]
    return losses


def _follow(process: subprocess.Popen[bytes], steps: Path, on_step: Callable[[int, float], None]) -> None:
    """Report the steps that are written to a file, until the process has ended."""
    last, position = 0, 0
    while True:
        ended = process.poll() is not None
        if steps.is_file():
            with steps.open("rb") as file:
                file.seek(position)
                lines = file.read().splitlines(keepends=True)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                position += len(line)
                step, loss = json.loads(line)
                if step > last:  # after a restart some are repeated
                    last = step
                    on_step(step, loss)
        if ended:
            return
        time.sleep(POLL)


class ShardedTrainer(WeightedTrainer):
    """A `WeightedTrainer` in each of several processes, whose model is divided among them.

    The Trainer does not know of the others: what it logs and when it saves is the same in each.
    """

    validate = False

    def create_optimizer(self, *arguments: Any) -> torch.optim.Optimizer:
        """See `Trainer.create_optimizer`."""
        optimizer = super().create_optimizer(*arguments)
        if isinstance(optimizer, Adafactor):
            divide_adafactor_state(optimizer)
        return optimizer

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """See `WeightedTrainer.training_step`; this process computes every n-th micro-batch.

        All processes make the same number of passes, as each takes part in the others': where the micro-batches do not
        suffice, a pass is repeated with weights of zero.
        """
        model.train()
        packed: list[Any] = [*self._prepare_inputs(inputs)["micro_batches"]]
        target_tokens = sum(micro_batch["labels"].numel() for micro_batch in packed)
        rank, processes = dist.get_rank(), dist.get_world_size()
        total = torch.zeros((), device=self.args.device)
        for first in range(0, len(packed), processes):
            if first + rank < len(packed):
                micro_batch = packed[first + rank]
            else:
                micro_batch = {**packed[first], "weights": torch.zeros_like(packed[first]["weights"])}
            # Gradients are averaged over the processes, but their sum is wanted.
            total += self.backward(model, micro_batch, target_tokens, scale=processes)
        dist.all_reduce(total)
        return total

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save the state of all processes, and of the Trainer, to one folder."""
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        save(_states(model, _plain(self.optimizer)), checkpoint_id=folder)
        if self.validate:
            save_whole_model(self, folder)
        if dist.get_rank() == 0:
            scheduler: Any = self.lr_scheduler
            torch.save(scheduler.state_dict(), folder / SCHEDULER)
            self.state.save_to_json(str(folder / "trainer_state.json"))
            self._rotate(folder)
        dist.barrier()

    def _rotate(self, newest: Path) -> None:
        """Remove all but the newest two checkpoints, unless they are to be validated."""
        if not self.validate:
            saved = sorted(newest.parent.glob("checkpoint-*"), key=lambda p: int(p.name.rsplit("-")[-1]))
            for old in saved[:-2]:
                shutil.rmtree(old)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Nothing: the model is loaded together with the optimizer's state."""

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """Load a checkpoint of any number of processes."""
        if checkpoint is None:
            return
        model: Any = self.model
        scheduler: Any = self.lr_scheduler
        optimizer = _plain(self.optimizer)
        states = _states(model, optimizer)
        load(states, checkpoint_id=checkpoint)
        set_state_dict(model, optimizer, model_state_dict=states["model"], optim_state_dict=states["optimizer"])
        scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Nothing: no model that is trained here drops out, and the order of the samples has its own seed."""


def divide_adafactor_state(optimizer: Adafactor) -> None:
    """Make the state that transformers' Adafactor would make at its first step, which would not be divided.

    Of a matrix it keeps the mean squares of the rows, which are divided as the rows are, and of the columns, to which
    each process contributes, and which all of them need.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            zeros = partial(distribute_tensor, device_mesh=parameter.device_mesh)
            # The root mean square of the weights is computed anew at each step, but saved, as a tensor.
            root_mean_square = zeros(torch.zeros((), device=parameter.device), placements=[Replicate()])
            state: dict[str, Any] = {"step": 0, "RMS": root_mean_square}
            if parameter.dim() > 1:
                rows = torch.zeros(parameter.shape[:-1], device=parameter.device)
                columns = torch.zeros(parameter.shape[:-2] + parameter.shape[-1:], device=parameter.device)
                state["exp_avg_sq_row"] = zeros(rows, placements=parameter.placements)
                state["exp_avg_sq_col"] = zeros(columns, placements=[Replicate()])
            else:
                state["exp_avg_sq"] = torch.zeros_like(parameter)
            optimizer.state[parameter] = state


def _states(model: Any, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of a model and its optimizer, of which each process has a part."""
    return dict(zip(("model", "optimizer"), get_state_dict(model, optimizer), strict=True))


def _plain(optimizer: Any) -> torch.optim.Optimizer:
    """The optimizer without accelerate's wrapper."""
    plain: torch.optim.Optimizer = getattr(optimizer, "optimizer", optimizer)
    return plain


def save_whole_model(trainer: ShardedTrainer, folder: Path) -> None:
    """Write the whole model, and its tokenizer, from the first process."""
    model: Any = trainer.model
    tokenizer: Any = trainer.processing_class
    whole = whole_weights(model)
    if dist.get_rank() == 0:
        model.save_pretrained(folder, state_dict=whole)
        tokenizer.save_pretrained(folder)


def whole_weights(model: Any) -> dict[str, Any]:
    """The weights of all processes, in the first one; of a model with an adapter, the adapter's."""
    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return get_model_state_dict(model, options=options)


def shard(model: Any, device: str) -> Any:
    """Divide a model among the processes, layer by layer. Raises UserError for a model without a list of layers."""
    mesh = init_device_mesh(device, (dist.get_world_size(),))
    policy = MixedPrecisionPolicy()
    if compute_dtype() == "bfloat16":
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    layers = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) > 1]
    if not layers:
        raise UserError("training.processes: found no list of layers in this model, expected one to divide it by")
    for layer in max(layers, key=len):
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    return fully_shard(model, mesh=mesh, mp_policy=policy)


def _train(job: Job, device: str) -> None:
    """Train as one of the processes."""
    model = shard(make_policy(load_weights(job.base), job.settings, job.seed), device)
    steps = job.files / STEPS
    first = dist.get_rank() == 0

    def on_step(step: int, loss: float) -> None:
        if first:
            with steps.open("a") as file:
                file.write(json.dumps([step, loss]) + "\n")

    checkpoints = job.folder / "checkpoints"
    trainer = make_trainer(
        ShardedTrainer, model, job.base, job.samples, job.settings, checkpoints, job.seed, on_step, job.validate
    )
    trainer.validate = job.validate
    found = [newest_checkpoint(checkpoints) if first else None]
    dist.broadcast_object_list(found)
    trainer.train(resume_from_checkpoint=found[0])
    whole = whole_weights(model)
    if first:
        save_file({name: tensor.contiguous().clone() for name, tensor in whole.items()}, job.files / TRAINED)
        held = sum(p.to_local().numel() for p in model.parameters() if isinstance(p, DTensor))
        (job.files / RESULT).write_text(json.dumps({"losses": losses_of(trainer), "held": held}))


def _join(backend: str) -> None:
    """Join the group of all processes; after a restart, without the addresses of those that have ended."""
    rank, processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(address, port, processes, is_master=False)  # torchrun's own
    restarts = dist.PrefixStore(f"restart {os.environ['TORCHELASTIC_RESTART_COUNT']}", store)
    dist.init_process_group(backend, store=restarts, rank=rank, world_size=processes)


def main() -> None:
    """One process of a training, started by torchrun."""
    files = Path(sys.argv[1])
    job: Job = pickle.loads((files / JOB).read_bytes())
    local = int(os.environ["LOCAL_RANK"])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.cuda.set_device(local)
    _join("nccl" if device == "cuda" else "gloo")
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)  # or the Trainer would copy the model to each process
    try:
        _train(job, device)
    except UserError as error:  # the same in all processes, and again at every restart
        (files / PROBLEM).write_text(str(error))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
