"""Weighted supervised fine-tuning (REST-PG sections 3.1 and 3.2) with transformers' Trainer.

The Trainer provides optimizers, schedules, mixed precision and resuming. Ours is the loss: over target tokens only,
each sample weighted by its reward, normalized over the whole optimizer step. Training runs in one process, on
one GPU or on the CPU, or in several, see `penname.training.distributed`.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors.torch import load_file
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, set_seed

from penname.engines.memory import free_memory, trim_if_large
from penname.engines.models import compute_dtype, ignore_peft_deprecations, load_model, load_tokenizer, pick_device
from penname.engines.packed_attention import PACKED
from penname.engines.supported import replace_attention
from penname.errors import UserError
from penname.training.loss import weighted_loss
from penname.training.packing import PromptGroupedSampler, TrainingSample, micro_batches, pack

COMPLETE = "complete"
"""File that marks a checkpoint as complete; it contains the sizes of the other files."""

DIVIDED = ".metadata"
"""File in checkpoints of several processes only (see `penname.training.distributed`)."""

TRIM_EVERY = 8
"""Number of optimizer steps between checks whether a large process should return unused memory to the system."""


class FineTuningSettings(Protocol):
    """The recipe's settings that fine-tuning uses, with the meanings of `penname.config.TrainingConfig`."""

    @property
    def optimizer(self) -> str:
        """The name of the optimizer, as transformers' `optim`."""
        ...

    learning_rate: float
    warmup_steps: int
    epochs: float
    max_steps: int | None
    batch_size: int
    micro_batch_tokens: int
    weight_decay: float
    max_grad_norm: float
    lora_rank: int | None
    save_every: int
    validate_every: int | None
    gradient_checkpointing: bool
    processes: int

    def steps(self, samples: int) -> int:
        """The number of optimizer steps for so many training samples."""
        ...


@dataclass(frozen=True)
class TrainingResult:
    """What fine-tuning did.

    started_from: the model that was fine-tuned.
    weights_before, weights_after: hashes of the weights in float32.
    samples, steps: number of training samples, and of optimizer steps.
    tokens, target_tokens: number of all tokens, and of target tokens, over all epochs.
    first_loss, last_loss: of the first and the last step.
    """

    started_from: str
    weights_before: str
    weights_after: str
    samples: int
    steps: int
    tokens: int
    target_tokens: int
    first_loss: float
    last_loss: float


Trained = TypeVar("Trained", bound=Trainer)


class WeightedTrainer(Trainer):
    """transformers' Trainer with `weighted_loss`; its batch is all samples of an optimizer step."""

    def _get_train_sampler(self, train_dataset: Any = None) -> PromptGroupedSampler:
        samples: Any = self.train_dataset
        return PromptGroupedSampler(samples, self.args.data_seed or 0)

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """The loss of an optimizer step, after the backward pass of each of its micro-batches.

        model: the policy.
        inputs: see `collate_step`.
        num_items_in_batch: not used; the Trainer passes it.
        """
        model.train()
        if self.state.global_step % TRIM_EVERY == 0:
            trim_if_large()
        packed = self._prepare_inputs(inputs)["micro_batches"]
        target_tokens = sum(micro_batch["labels"].numel() for micro_batch in packed)
        return torch.stack([self.backward(model, micro_batch, target_tokens) for micro_batch in packed]).sum()

    def backward(self, model: Any, micro_batch: dict[str, Any], target_tokens: int, scale: float = 1.0) -> torch.Tensor:
        """The loss of a micro-batch, after its backward pass.

        target_tokens: see `weighted_loss`.
        scale: factor of the gradients.
        """
        with self.compute_loss_context_manager():
            loss = weighted_loss(model, micro_batch, target_tokens)
        self.accelerator.backward(loss * scale if scale != 1.0 else loss)
        return loss.detach()


def fine_tune(
    base: str,
    samples: Sequence[TrainingSample],
    settings: FineTuningSettings,
    folder: Path,
    seed: int,
    on_step: Callable[[int, float], None],
    score_checkpoint: Callable[[Path], float] | None = None,
) -> TrainingResult:
    """Fine-tune `base` on `samples`; writes the model and its tokenizer to `folder/model`.

    Checkpoints are written to `folder/checkpoints`, for the caller to remove. If the process is killed, the same call
    resumes from the newest complete checkpoint and ends with the same weights. With LoRA the merged model is written,
    and the adapter to `folder/adapter`.

    base: name of the model to start from, see `load_model`.
    samples: prompts and weighted targets.
    settings: how it is trained.
    folder: the folder of the stage.
    seed: of the order of the samples, of dropout and of an adapter's initial weights.
    on_step: progress callback, called with the number of steps done and the loss.
    score_checkpoint: the score of a checkpoint's folder, higher is better. If it is given, the best of the checkpoints
        saved every `validate_every` steps is written, not the last one.

    Raises UserError if the loss diverges, and for a model that does not support packed sequences.
    """
    checkpoints = folder / "checkpoints"
    model = load_weights(base)
    weights_before = weights_hash(model)
    newest = newest_checkpoint(checkpoints)
    divided = newest is not None and (Path(newest) / DIVIDED).is_file()
    if settings.processes > 1 and newest is not None and not divided:
        raise UserError(
            f"{newest}: the checkpoint of one process, which several cannot resume: set training.processes=1, or "
            "remove it"
        )
    if settings.processes > 1 or divided:
        from penname.training.distributed import TRAINED, Job, train_in_processes

        del model
        free_memory()
        job = Job(base, list(samples), settings, folder, seed, validate=score_checkpoint is not None)
        losses = train_in_processes(job, on_step)
        model = make_policy(load_weights(base), settings, seed)
        model.load_state_dict(load_file(job.files / TRAINED), strict=not settings.lora_rank)
    else:
        policy = make_policy(model, settings, seed)
        del model
        trainer = make_trainer(
            WeightedTrainer, policy, base, samples, settings, checkpoints, seed, on_step, score_checkpoint is not None
        )
        trainer.train(resume_from_checkpoint=newest)
        losses = losses_of(trainer)
        model = trainer.accelerator.unwrap_model(trainer.model)
        # The optimizer's state would leave too little memory for sampling from the checkpoints.
        del trainer
        free_memory()
    check_finite(model, "training.learning_rate")
    steps = len(losses)
    if score_checkpoint is not None:
        del model
        free_memory()
        best = _best_checkpoint(_complete_checkpoints(checkpoints), score_checkpoint)
        if settings.lora_rank:
            (folder / "adapter").mkdir(exist_ok=True)
            for path in best.glob("adapter_*"):
                shutil.copy(path, folder / "adapter")
        model = load_model(str(best), "float32")
    elif settings.lora_rank:
        model.save_pretrained(folder / "adapter")
        model = model.merge_and_unload()
    model.config.use_cache = True
    save_checkpoint(model, load_tokenizer(base), folder / "model")
    epochs = steps / math.ceil(len(samples) / settings.batch_size)
    return TrainingResult(
        started_from=base,
        weights_before=weights_before,
        weights_after=weights_hash(model),
        samples=len(samples),
        steps=steps,
        tokens=round(epochs * sum(len(s.prompt) + len(s.target) for s in samples)),
        target_tokens=round(epochs * sum(len(s.target) for s in samples)),
        first_loss=losses[0],
        last_loss=losses[-1],
    )


def load_weights(base: str) -> Any:
    """The model to start from, in float32 and in memory of its own."""
    model = load_model(base, "float32")
    for parameter in model.parameters():
        # A weight may be a view of its file, each page of which is copied at the optimizer's first write: slow.
        parameter.data = parameter.data.clone()
    return model


def make_policy(model: Any, settings: FineTuningSettings, seed: int) -> Any:
    """The model that is trained: with packed attention and, if the settings say so, a new adapter.

    model: see `load_weights`.
    settings, seed: see `fine_tune`.
    """
    replace_attention(model, PACKED)
    if settings.lora_rank:
        from peft import get_peft_model

        set_seed(seed)  # the Trainer sets it only later, and an adapter begins at random
        with ignore_peft_deprecations():
            model = get_peft_model(model, lora_config(settings.lora_rank))
    return model


def make_trainer(
    trainer: type[Trained],
    model: Any,
    base: str,
    samples: Sequence[TrainingSample],
    settings: FineTuningSettings,
    checkpoints: Path,
    seed: int,
    on_step: Callable[[int, float], None],
    validate: bool,
) -> Trained:
    """The Trainer of a model.

    trainer: its class.
    model: see `make_policy`.
    checkpoints: the folder of its checkpoints.
    validate: whether checkpoints are validated, and so one is saved after the last step too.
    base, samples, settings, seed, on_step: see `fine_tune`.
    """
    made = trainer(
        model=model,
        args=_training_arguments(settings, len(samples), checkpoints, seed),
        train_dataset=list(samples),
        processing_class=load_tokenizer(base),  # so that a checkpoint can be served
        data_collator=partial(collate_step, max_tokens=settings.micro_batch_tokens),
        callbacks=[StepReporter(on_step), *([] if validate else [SkipLastCheckpoint()])],
    )
    made.remove_callback(PrinterCallback)  # the run's progress shows the same
    return made


def losses_of(trainer: Trainer) -> list[float]:
    """The loss of each optimizer step, those before the training was resumed included."""
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def collate_step(samples: Sequence[TrainingSample], max_tokens: int) -> dict[str, Any]:
    """The Trainer's collator: the samples of an optimizer step as packed micro-batches.

    samples: those of the step.
    max_tokens: see `micro_batches`.

    Returns `micro_batches`: a list of what `pack` returns.
    """
    return {"micro_batches": [pack(micro_batch) for micro_batch in micro_batches(samples, max_tokens)]}


def _best_checkpoint(checkpoints: Sequence[Path], score_checkpoint: Callable[[Path], float]) -> Path:
    """The checkpoint with the highest score; scores are saved, so that a resumed process repeats at most one."""
    scores = {}
    for path in checkpoints:
        score_file = path / "score"
        if not score_file.is_file():
            scratch = path / "score.partial"
            scratch.write_text(repr(score_checkpoint(_merged(path))))
            scratch.rename(score_file)
        scores[path] = float(score_file.read_text())
    return max(scores, key=scores.__getitem__)


def _merged(checkpoint: Path) -> Path:
    """The folder of a checkpoint that every engine can load; an adapter is merged into its base model."""
    if not (checkpoint / "adapter_config.json").is_file():
        return checkpoint
    if not (checkpoint / "merged").is_dir():
        save_checkpoint(load_model(str(checkpoint), "float32"), load_tokenizer(str(checkpoint)), checkpoint / "merged")
    return checkpoint / "merged"


def save_checkpoint(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model and its tokenizer as `from_pretrained` loads them, under a temporary name until all is written."""
    scratch = folder.with_name(folder.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    model.save_pretrained(scratch)
    tokenizer.save_pretrained(scratch)
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)


def weights_hash(model: torch.nn.Module) -> str:
    """A hash of a model's weights in float32, which does not depend on the device."""
    digest = hashlib.sha256()
    for _, tensor in sorted(model.state_dict().items()):
        digest.update(tensor.detach().float().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]


def _training_arguments(settings: FineTuningSettings, samples: int, folder: Path, seed: int) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        max_steps=settings.steps(samples),
        optim=settings.optimizer,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        bf16=compute_dtype() == "bfloat16",
        use_cpu=pick_device() == "cpu",
        seed=seed,
        data_seed=seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=settings.validate_every or settings.save_every,
        save_total_limit=None if settings.validate_every else 2,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        **activation_checkpointing(settings.gradient_checkpointing),
    )
    if arguments.world_size > 1:
        raise UserError(
            f"this is one of {arguments.world_size} processes: start penname without torchrun, and set "
            "training.processes, which starts them"
        )
    arguments._n_gpu = 1  # or the Trainer would copy the model to every GPU and split packed sequences among them
    return arguments


def activation_checkpointing(wanted: bool) -> dict[str, Any]:
    """The Trainer's argument for activation checkpointing, whose name depends on the version of transformers.

    wanted: whether activations are recomputed in the backward pass.
    """
    known = {field.name for field in fields(TrainingArguments)}
    return {"activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing": wanted}


def lora_config(rank: int) -> Any:
    """peft's configuration of a LoRA adapter of all linear layers, with alpha twice the rank."""
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")


def newest_checkpoint(checkpoints: Path) -> str | None:
    """The newest complete checkpoint in a folder, None where there is none; incomplete ones are removed."""
    complete = _complete_checkpoints(checkpoints)
    for incomplete in set(checkpoints.glob("checkpoint-*")) - set(complete):
        shutil.rmtree(incomplete)
    return str(complete[-1]) if complete else None


def _complete_checkpoints(checkpoints: Path) -> list[Path]:
    """The complete checkpoints, oldest first: marked as complete, with all files of the sizes recorded then."""
    found = (mark.parent for mark in checkpoints.glob(f"checkpoint-*/{COMPLETE}"))
    complete = (folder for folder in found if _sizes(folder) == (folder / COMPLETE).read_text())
    return sorted(complete, key=lambda p: int(p.name.rsplit("-", 1)[1]))


def _sizes(checkpoint: Path) -> str:
    """The sizes of the files that the Trainer wrote, as JSON."""
    files = sorted(path for path in checkpoint.iterdir() if path.is_file())
    recorded = (path for path in files if path.name != COMPLETE and not path.name.startswith("score"))
    return json.dumps({path.name: path.stat().st_size for path in recorded})


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
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (folder / COMPLETE).write_text(_sizes(folder))


def check_finite(model: torch.nn.Module, learning_rate: str) -> None:
    """Raise UserError if any weight is not finite, as no loss is computed after the last step that would show it.

    learning_rate: see `StepReporter`.
    """
    if not all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters()):
        raise _diverged("in its last step", learning_rate)


def _diverged(where: str, learning_rate: str) -> UserError:
    return UserError(f"training diverged {where}: lower {learning_rate}, in another folder")


class SkipLastCheckpoint(TrainerCallback):
    """Keeps the Trainer from saving a checkpoint after the last step, where the model itself is written."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Cancel saving after the last step."""
        if state.global_step >= state.max_steps:
            control.should_save = False
