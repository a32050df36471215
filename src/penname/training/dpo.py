"""Direct preference optimization (Rafailov et al., 2023) of an adapter, with trl's DPOTrainer.

trl provides the loss and the reference policy, which is the model without the new adapter: the policy that sampled the
pairs. What is ours: prompts and completions are passed as the same token ids that the engines use.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
import torch.distributed as dist
from datasets import Dataset
from peft import get_peft_model
from safetensors.torch import load_file
from transformers import PrinterCallback
from trl import DPOConfig, DPOTrainer

from penname.engines.models import ignore_peft_deprecations, load_model, load_tokenizer
from penname.training.checkpoints import newest_checkpoint, save_model
from penname.training.fine_tuning import needs_processes
from penname.training.processes import Job, Processes, train_in_processes
from penname.training.sharded import ShardedTrainer, shard
from penname.training.trainer import (
    MicroBatchTrainer,
    SkipLastCheckpoint,
    StepReporter,
    check_finite,
    lora_config,
    shared_arguments,
    step_logs,
)

LEARNING_RATE = "pat.dpo.learning_rate"
"""Name of the setting that the error message recommends lowering if the loss diverges."""


class DPOTrainingSettings(Protocol):
    """The recipe's settings that DPO uses, with the meanings of `penname.config.DPOSettings`."""

    beta: float
    learning_rate: float
    epochs: int
    batch_size: int
    lora_rank: int
    save_every: int


@dataclass(frozen=True)
class PreferencePair:
    """A prompt and two completions of it, of which one is preferred.

    prompt, chosen, rejected: token ids; each completion ends with the token that ends it.
    """

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]


@dataclass(frozen=True)
class DPOResult:
    """What DPO did.

    started_from: the model that the adapter was trained on.
    pairs, steps: number of pairs, and of optimizer steps.
    first_loss, last_loss: of the first and the last step.
    last_accuracy: share of the last step's pairs whose chosen completion has the higher implicit reward.
    """

    started_from: str
    pairs: int
    steps: int
    first_loss: float
    last_loss: float
    last_accuracy: float


def train_dpo(
    base: str,
    pairs: Sequence[PreferencePair],
    settings: DPOTrainingSettings,
    folder: Path,
    seed: int,
    on_step: Callable[[int, float], None],
    processes: Processes | None = None,
) -> DPOResult:
    """Train a LoRA adapter of `base`; writes the merged model to `folder/model` and the adapter to `folder/adapter`.

    Checkpoints are written to `folder/checkpoints`, for the caller to remove. If the process is killed, the same call
    resumes from the newest complete checkpoint and ends with the same weights.

    base: name of the model to start from, see `load_model`.
    pairs: the preference pairs.
    settings: how the adapter is trained.
    folder: the folder of the stage.
    seed: of the order of the pairs and of the adapter's initial weights.
    on_step: progress callback, called with the number of steps done and the loss.
    processes: those that train together; None for this one alone.

    Raises UserError if the loss diverges.
    """
    job = PreferenceTraining(folder, base, list(pairs), settings, seed)
    newest = newest_checkpoint(job.checkpoints)
    if needs_processes(newest, processes):
        trained = train_in_processes(job, processes or Processes(), on_step)
        logs = trained.logs
        with ignore_peft_deprecations():
            model: Any = get_peft_model(load_model(base, "float32"), lora_config(settings.lora_rank))
        model.load_state_dict(load_file(trained.weights), strict=False)
    else:
        trainer = make_trainer(PairTrainer, job, on_step)
        trainer.train(resume_from_checkpoint=newest)
        logs = step_logs(trainer)
        model = trainer.accelerator.unwrap_model(trainer.model)
    check_finite(model, LEARNING_RATE)
    model.save_pretrained(folder / "adapter")
    save_model(model.merge_and_unload(), load_tokenizer(base), folder / "model")
    first, last = logs[0], logs[-1]
    return DPOResult(base, len(pairs), len(logs), first["loss"], last["loss"], last["rewards/accuracies"])


@dataclass(frozen=True)
class PreferenceTraining(Job):
    """A training on preference pairs; the fields are those of `train_dpo`."""

    base: str
    pairs: list[PreferencePair]
    settings: DPOTrainingSettings
    seed: int

    def make_trainer(self, device: str, on_step: Callable[[int, float], None]) -> Any:
        """See `Job.make_trainer`."""
        trainer = make_trainer(ShardedPairTrainer, self, on_step)
        shard(trainer.model, device)  # only now, as trl has changed the model
        return trainer


class PairTrainer(MicroBatchTrainer, DPOTrainer):
    """trl's trainer for pairs that are already tokenized; each is a micro-batch."""

    def _prepare_dataset(self, dataset: Dataset, *arguments: Any) -> Dataset:
        return dataset

    def micro_batch_loss(self, model: Any, micro_batch: Any, step: Sequence[Any]) -> torch.Tensor:
        """See `MicroBatchTrainer.micro_batch_loss`; a step's loss is the mean of its pairs' losses.

        micro_batch: see `collate_pairs`.
        """
        loss: torch.Tensor = self.compute_loss(model, micro_batch)
        return loss / len(step)


class ShardedPairTrainer(ShardedTrainer, PairTrainer):
    """A `PairTrainer` in each of several processes."""

    def forget_pass(self) -> None:
        """See `ShardedTrainer.forget_pass`."""
        for values in self._metrics["train"].values():
            values.pop()

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log the means over all processes' pairs. The arguments are those of `Trainer.log`."""
        metrics = self._metrics["train"]
        for name, values in metrics.items():
            total = torch.tensor([sum(values), len(values)], device=self.args.device)
            dist.all_reduce(total)
            metrics[name] = [float(total[0] / total[1])]
        super().log(logs, start_time)


AnyTrainer = TypeVar("AnyTrainer", bound=PairTrainer)


def make_trainer(
    trainer: type[AnyTrainer], job: PreferenceTraining, on_step: Callable[[int, float], None]
) -> AnyTrainer:
    """The trainer of a new adapter.

    trainer: its class.
    job: what is trained.
    on_step: see `train_dpo`.
    """
    settings = job.settings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # trl uses names that transformers has deprecated
        arguments = DPOConfig(
            beta=settings.beta,
            learning_rate=settings.learning_rate,
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.batch_size,
            max_length=None,
            save_total_limit=2,
            **shared_arguments(job.checkpoints, job.seed, settings.save_every, checkpointing=False),
        )
        arguments._n_gpu = 1  # or the Trainer would copy the model to every GPU
        made = trainer(
            model=load_model(job.base, "float32"),
            args=arguments,
            train_dataset=Dataset.from_list(
                [{"prompt_ids": p.prompt, "chosen_ids": p.chosen, "rejected_ids": p.rejected} for p in job.pairs]
            ),
            processing_class=load_tokenizer(job.base),
            peft_config=lora_config(settings.lora_rank),
            callbacks=[StepReporter(on_step, LEARNING_RATE), SkipLastCheckpoint()],
        )
    made.data_collator = partial(collate_pairs, collator=made.data_collator)
    made.remove_callback(PrinterCallback)
    return made


def collate_pairs(pairs: Sequence[dict[str, Any]], collator: Callable[[list[dict[str, Any]]], Any]) -> dict[str, Any]:
    """The Trainer's collator: the pairs of an optimizer step, each a batch of its own.

    collator: trl's.

    Returns `micro_batches`: a list of what `collator` returns.
    """
    return {"micro_batches": [collator([pair]) for pair in pairs]}
