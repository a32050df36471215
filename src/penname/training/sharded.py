"""What each of several processes does that train together: each has a part of the weights and of the optimizer's state.

torch's `fully_shard` (FSDP2) divides the model, and `torch.distributed.checkpoint` saves it. Each process runs the same
Trainer over the same optimizer steps as a single process would; only a step's micro-batches are divided among them. So
losses and gradients are those of one process, up to rounding, and a checkpoint can be resumed with another number of
processes. The processes are started by `penname.training.processes`, and begin in `penname.training.torchrun_main`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.checkpoint import load, save
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_state_dict,
    set_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import Replicate, distribute_tensor
from transformers.optimization import Adafactor

from penname.engines.models import compute_dtype
from penname.errors import UserError
from penname.training.fine_tuning import WeightedTrainer
from penname.training.trainer import MicroBatchTrainer

SCHEDULER = "scheduler.pt"


class ShardedTrainer(MicroBatchTrainer):
    """A `MicroBatchTrainer` in each of several processes, whose model is divided among them.

    The Trainer does not know of the others: what it logs and when it saves is the same in each.
    """

    validate = False
    """Whether checkpoints are validated afterwards, and so have to be loadable as models."""

    def create_optimizer(self, *arguments: Any) -> torch.optim.Optimizer:
        """See `Trainer.create_optimizer`."""
        optimizer = super().create_optimizer(*arguments)
        if isinstance(optimizer, Adafactor):
            divide_adafactor_state(optimizer)
        return optimizer

    def backward(self, model: Any, micro_batches: Sequence[Any]) -> torch.Tensor:
        """See `MicroBatchTrainer.backward`; this process computes every n-th micro-batch.

        All processes make the same number of passes, as each takes part in the others': where the micro-batches do not
        suffice, a pass is repeated without effect.
        """
        rank, processes = dist.get_rank(), dist.get_world_size()
        total = torch.zeros((), device=self.args.device)
        for first in range(0, len(micro_batches), processes):
            if first + rank < len(micro_batches):
                # Gradients are averaged over the processes, but their sum is wanted.
                total += self.backward_one(model, micro_batches[first + rank], micro_batches, scale=processes)
            else:
                self.backward_one(model, micro_batches[first], micro_batches, scale=0.0)
                self.forget_pass()
        dist.all_reduce(total)
        return total

    def forget_pass(self) -> None:
        """Forget what was noted of the last pass, which was a repeated one."""

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


class ShardedWeightedTrainer(ShardedTrainer, WeightedTrainer):
    """A `WeightedTrainer` in each of several processes."""


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
    """Divide a model among the processes, layer by layer. Raises UserError for a model without a list of layers.

    device: "cpu" or "cuda".
    """
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
