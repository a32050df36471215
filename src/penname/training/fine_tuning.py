"""Weighted supervised fine-tuning (REST-PG sections 3.1 and 3.2) with transformers' Trainer.

The Trainer provides optimizers, schedules, mixed precision and resuming. Ours is the loss: over target tokens only,
each sample weighted by its reward, normalized over the whole optimizer step. Training runs in one process, on
one GPU or on the CPU, or in several, see `penname.training.processes`.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from safetensors.torch import load_file
from transformers import PrinterCallback, TrainingArguments, set_seed

from penname.engines.memory import free_memory
from penname.engines.models import ignore_peft_deprecations, load_model, load_tokenizer
from penname.engines.packed_attention import PACKED
from penname.engines.supported import replace_attention
from penname.errors import UserError
from penname.training.checkpoints import DIVIDED, complete_checkpoints, newest_checkpoint, save_model, weights_hash
from penname.training.loss import weighted_loss
from penname.training.packing import PromptGroupedSampler, TrainingSample, micro_batches, pack
from penname.training.processes import Job, Processes, train_in_processes
from penname.training.trainer import (
    MicroBatchTrainer,
    SkipLastCheckpoint,
    StepReporter,
    check_finite,
    lora_config,
    shared_arguments,
    step_logs,
)


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


AnyTrainer = TypeVar("AnyTrainer", bound="WeightedTrainer")


def fine_tune(
    base: str,
    samples: Sequence[TrainingSample],
    settings: FineTuningSettings,
    folder: Path,
    seed: int,
    on_step: Callable[[int, float], None],
    score_checkpoint: Callable[[Path], float] | None = None,
    processes: Processes | None = None,
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
    processes: those that train together; None for this one alone.

    Raises UserError if the loss diverges, and for a model that does not support packed sequences.
    """
    job = FineTuning(folder, base, list(samples), settings, seed, validate=score_checkpoint is not None)
    newest = newest_checkpoint(job.checkpoints)
    if needs_processes(newest, processes):
        trained = train_in_processes(job, processes or Processes(), on_step)
        losses = [step["loss"] for step in trained.logs]
        model = load_weights(base)
        weights_before = weights_hash(model)
        model = make_policy(model, settings, seed)
        model.load_state_dict(load_file(trained.weights), strict=not settings.lora_rank)
    else:
        model = load_weights(base)
        weights_before = weights_hash(model)
        trainer = make_trainer(WeightedTrainer, make_policy(model, settings, seed), job, on_step)
        del model
        trainer.train(resume_from_checkpoint=newest)
        losses = [step["loss"] for step in step_logs(trainer)]
        model = trainer.accelerator.unwrap_model(trainer.model)
        # The optimizer's state would leave too little memory for sampling from the checkpoints.
        del trainer
        free_memory()
    check_finite(model, "training.learning_rate")
    steps = len(losses)
    if score_checkpoint is not None:
        del model
        free_memory()
        best = _best_checkpoint(complete_checkpoints(job.checkpoints), score_checkpoint)
        if settings.lora_rank:
            (folder / "adapter").mkdir(exist_ok=True)
            for path in best.glob("adapter_*"):
                shutil.copy(path, folder / "adapter")
        model = load_model(str(best), "float32")
    elif settings.lora_rank:
        model.save_pretrained(folder / "adapter")
        model = model.merge_and_unload()
    model.config.use_cache = True
    save_model(model, load_tokenizer(base), folder / "model")
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


def needs_processes(newest: str | None, processes: Processes | None) -> bool:
    """Whether processes are started for a training, which is also how a checkpoint of several is resumed by one.

    newest: see `newest_checkpoint`.

    Raises UserError for a checkpoint of one process that several are to resume.
    """
    several = processes is not None and processes.several
    divided = newest is not None and (Path(newest) / DIVIDED).is_file()
    if several and newest is not None and not divided:
        raise UserError(
            f"{newest}: the checkpoint of one process, which several cannot resume: set training.processes=1, or "
            "remove it"
        )
    return several or divided


@dataclass(frozen=True)
class FineTuning(Job):
    """A fine-tuning; the fields are those of `fine_tune`.

    validate: whether checkpoints are validated, and so one is saved after the last step too.
    """

    base: str
    samples: list[TrainingSample]
    settings: FineTuningSettings
    seed: int
    validate: bool

    def make_trainer(self, device: str, on_step: Callable[[int, float], None]) -> Any:
        """See `Job.make_trainer`."""
        from penname.training.sharded import ShardedWeightedTrainer, shard

        model = shard(make_policy(load_weights(self.base), self.settings, self.seed), device)
        trainer = make_trainer(ShardedWeightedTrainer, model, self, on_step)
        trainer.validate = self.validate
        return trainer


class WeightedTrainer(MicroBatchTrainer):
    """transformers' Trainer with `weighted_loss`."""

    def _get_train_sampler(self, train_dataset: Any = None) -> PromptGroupedSampler:
        samples: Any = self.train_dataset
        return PromptGroupedSampler(samples, self.args.data_seed or 0)

    def micro_batch_loss(self, model: Any, micro_batch: Any, step: Sequence[Any]) -> torch.Tensor:
        """See `MicroBatchTrainer.micro_batch_loss`.

        micro_batch: see `collate_step`.
        """
        target_tokens = sum(micro_batch["labels"].numel() for micro_batch in step)
        return weighted_loss(model, micro_batch, target_tokens)


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
    trainer: type[AnyTrainer], model: Any, job: FineTuning, on_step: Callable[[int, float], None]
) -> AnyTrainer:
    """The Trainer of a model.

    trainer: its class.
    model: see `make_policy`.
    job: what is trained.
    on_step: see `fine_tune`.
    """
    made = trainer(
        model=model,
        args=_training_arguments(job.settings, len(job.samples), job.checkpoints, job.seed),
        train_dataset=job.samples,
        processing_class=load_tokenizer(job.base),  # so that a checkpoint can be served
        data_collator=partial(collate_step, max_tokens=job.settings.micro_batch_tokens),
        callbacks=[StepReporter(on_step), *([] if job.validate else [SkipLastCheckpoint()])],
    )
    made.remove_callback(PrinterCallback)  # the run's progress shows the same
    return made


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
            scratch.write_text(repr(score_checkpoint(_merged(path))), encoding="utf-8")
            scratch.replace(score_file)
        scores[path] = float(score_file.read_text(encoding="utf-8"))
    return max(scores, key=scores.__getitem__)


def _merged(checkpoint: Path) -> Path:
    """The folder of a checkpoint that every engine can load; an adapter is merged into its base model."""
    if not (checkpoint / "adapter_config.json").is_file():
        return checkpoint
    if not (checkpoint / "merged").is_dir():
        save_model(load_model(str(checkpoint), "float32"), load_tokenizer(str(checkpoint)), checkpoint / "merged")
    return checkpoint / "merged"


def _training_arguments(settings: FineTuningSettings, samples: int, folder: Path, seed: int) -> TrainingArguments:
    arguments = TrainingArguments(
        per_device_train_batch_size=settings.batch_size,
        max_steps=settings.steps(samples),
        optim=settings.optimizer,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        logging_nan_inf_filter=False,
        save_total_limit=None if settings.validate_every else 2,
        remove_unused_columns=False,
        **shared_arguments(
            folder,
            seed,
            settings.validate_every or settings.save_every,
            checkpointing=settings.gradient_checkpointing,
        ),
    )
    if arguments.world_size > 1:
        raise UserError(
            f"this is one of {arguments.world_size} processes: start penname without torchrun, and set "
            "training.processes, which starts them"
        )
    arguments._n_gpu = 1  # or the Trainer would copy the model to every GPU and split packed sequences among them
    return arguments
