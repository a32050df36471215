"""Direct preference optimization (Rafailov et al., 2023) of an adapter, with trl's DPOTrainer.

trl provides the loss and the reference policy, which is the model without the new adapter: the policy that sampled the
pairs. What is ours: prompts and completions are passed as the same token ids that the engines use.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from datasets import Dataset
from transformers import PrinterCallback
from trl import DPOConfig, DPOTrainer

from penname.engines.models import compute_dtype, load_model, load_tokenizer, pick_device
from penname.training.fine_tuning import (
    SkipLastCheckpoint,
    StepReporter,
    activation_checkpointing,
    check_finite,
    lora_config,
    newest_checkpoint,
    save_checkpoint,
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


class _TokensTrainer(DPOTrainer):
    """trl's trainer for pairs that are already tokenized."""

    def _prepare_dataset(self, dataset: Dataset, *arguments: Any) -> Dataset:
        return dataset


def train_dpo(
    base: str,
    pairs: Sequence[PreferencePair],
    settings: DPOTrainingSettings,
    folder: Path,
    seed: int,
    on_step: Callable[[int, float], None],
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

    Raises UserError if the loss diverges.
    """
    tokenizer = load_tokenizer(base)
    checkpoints = folder / "checkpoints"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # trl uses names that transformers has deprecated
        trainer = _TokensTrainer(
            model=load_model(base, "float32"),
            args=DPOConfig(
                output_dir=str(checkpoints),
                beta=settings.beta,
                learning_rate=settings.learning_rate,
                num_train_epochs=settings.epochs,
                per_device_train_batch_size=1,  # a pair is two sequences already
                gradient_accumulation_steps=settings.batch_size,
                max_length=None,
                bf16=compute_dtype() == "bfloat16",
                use_cpu=pick_device() == "cpu",
                seed=seed,
                data_seed=seed,
                logging_steps=1,
                save_strategy="steps",
                save_steps=settings.save_every,
                save_total_limit=2,
                report_to=[],
                disable_tqdm=True,
                dataloader_pin_memory=False,
                **activation_checkpointing(False),
            ),
            train_dataset=Dataset.from_list(
                [{"prompt_ids": p.prompt, "chosen_ids": p.chosen, "rejected_ids": p.rejected} for p in pairs]
            ),
            processing_class=tokenizer,
            peft_config=lora_config(settings.lora_rank),
            callbacks=[StepReporter(on_step, LEARNING_RATE), SkipLastCheckpoint()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=newest_checkpoint(checkpoints))
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    model = trainer.accelerator.unwrap_model(trainer.model)
    check_finite(model, LEARNING_RATE)
    model.save_pretrained(folder / "adapter")
    save_checkpoint(model.merge_and_unload(), tokenizer, folder / "model")
    return DPOResult(
        base,
        len(pairs),
        trainer.state.global_step,
        logged[0]["loss"],
        logged[-1]["loss"],
        logged[-1]["rewards/accuracies"],
    )
