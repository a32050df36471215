"""What fine-tuning and DPO share: a Trainer that computes each optimizer step in micro-batches of our choice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from transformers import Trainer, TrainerCallback, TrainingArguments

from penname.engines.memory import trim_if_large
from penname.engines.models import compute_dtype, pick_device
from penname.errors import UserError
from penname.training.checkpoints import mark_complete

TRIM_EVERY = 8
"""Number of optimizer steps between checks whether a large process should return unused memory to the system."""


class MicroBatchTrainer(Trainer):
    """transformers' Trainer whose batch is a whole optimizer step, as a list of micro-batches.

    A step's loss is the sum of its micro-batches' losses.
    """

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """The loss of an optimizer step, after the backward pass of each of its micro-batches.

        model: the policy.
        inputs: `micro_batches`, a list.
        num_items_in_batch: not used; the Trainer passes it.
        """
        model.train()
        if self.state.global_step % TRIM_EVERY == 0:
            trim_if_large()
        prepared: Any = self._prepare_inputs(inputs)
        return self.backward(model, prepared["micro_batches"])

    def backward(self, model: Any, micro_batches: Sequence[Any]) -> torch.Tensor:
        """The sum of the losses of a step's micro-batches, after the backward pass of each."""
        losses = [self.backward_one(model, micro_batch, micro_batches) for micro_batch in micro_batches]
        return torch.stack(losses).sum()

    def backward_one(
        self, model: Any, micro_batch: Any, step: Sequence[Any], scale: float | None = None
    ) -> torch.Tensor:
        """The loss of a micro-batch, after its backward pass.

        step: all micro-batches of the step.
        scale: factor of the gradients.
        """
        with self.compute_loss_context_manager():
            loss = self.micro_batch_loss(model, micro_batch, step)
        self.accelerator.backward(loss if scale is None else loss * scale)
        return loss.detach()

    def micro_batch_loss(self, model: Any, micro_batch: Any, step: Sequence[Any]) -> torch.Tensor:
        """What a micro-batch adds to the loss of its step.

        step: all micro-batches of the step.
        """
        raise NotImplementedError


class StepReporter(TrainerCallback):
    """Calls `on_step` after each step, and marks checkpoints as complete.

    on_step: called with the number of steps done and the loss.
    learning_rate: name of the setting that the error message recommends lowering if the loss diverges.

    Training ends with UserError if the loss is not finite.
    """

    def __init__(self, on_step: Callable[[int, float], None], learning_rate: str = "training.learning_rate") -> None:
        self._on_step, self._learning_rate = on_step, learning_rate

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Report a step. Raises UserError if its loss is not finite."""
        if logs and "loss" in logs:
            if not math.isfinite(logs["loss"]):
                raise _diverged(f"in step {state.global_step} (loss {logs['loss']})", self._learning_rate)
            self._on_step(state.global_step, float(logs["loss"]))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the checkpoint as complete: the Trainer has written all its files."""
        if not dist.is_initialized() or dist.get_rank() == 0:  # of several processes the first one writes last
            mark_complete(Path(args.output_dir) / f"checkpoint-{state.global_step}")


class SkipLastCheckpoint(TrainerCallback):
    """Keeps the Trainer from saving a checkpoint after the last step, where the model itself is written."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Cancel saving after the last step."""
        if state.global_step >= state.max_steps:
            control.should_save = False


def check_finite(model: torch.nn.Module, learning_rate: str) -> None:
    """Raise UserError if any weight is not finite, as no loss is computed after the last step that would show it.

    learning_rate: see `StepReporter`.
    """
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise _diverged("in its last step", learning_rate)


def _diverged(where: str, learning_rate: str) -> UserError:
    return UserError(f"training diverged {where}: lower {learning_rate}, in another folder")


def step_logs(trainer: Trainer) -> list[dict[str, float]]:
    """What the Trainer has logged of each step: `loss` and others."""
    return [entry for entry in trainer.state.log_history if "loss" in entry]


def shared_arguments(folder: Path, seed: int, save_every: int, *, checkpointing: bool) -> dict[str, Any]:
    """The arguments that fine-tuning and DPO give transformers' Trainer alike.

    folder: that of the checkpoints.
    seed: of everything that is random.
    save_every: steps between two checkpoints.
    checkpointing: whether activations are recomputed in the backward pass.
    """
    return {
        "output_dir": str(folder),
        "bf16": compute_dtype() == "bfloat16",
        "use_cpu": pick_device() == "cpu",
        "seed": seed,
        "data_seed": seed,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": save_every,
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
        **_activation_checkpointing(checkpointing),
    }


def _activation_checkpointing(wanted: bool) -> dict[str, Any]:
    """The Trainer's argument for activation checkpointing, whose name depends on the version of transformers.

    wanted: whether activations are recomputed in the backward pass.
    """
    known = {field.name for field in fields(TrainingArguments)}
    return {"activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing": wanted}


def lora_config(rank: int) -> Any:
    """peft's configuration of a LoRA adapter of all linear layers, with alpha twice the rank."""
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
