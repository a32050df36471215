"""Training samples and how they are laid into one row a micro-batch, without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

IGNORED = -100


@dataclass(frozen=True)
class TrainingSample:
    """Token ids of a prompt and of the target to learn, and the sample's weight (its reward; 1 for human text)."""

    prompt: list[int]
    target: list[int]
    weight: float = 1.0


def pack(samples: Sequence[TrainingSample]) -> dict[str, Any]:
    """Lay `samples` one after another into a single row.

    Position ids start at 0 for each sample; transformers makes the block-diagonal mask from them, so no sample
    sees another. Returns input_ids, position_ids, labels (IGNORED on prompts) and weights (one a token), each
    (1, total tokens).
    """
    input_ids: list[int] = []
    position_ids: list[int] = []
    labels: list[int] = []
    weights: list[float] = []
    for sample in samples:
        length = len(sample.prompt) + len(sample.target)
        input_ids += sample.prompt + sample.target
        position_ids += range(length)
        labels += [IGNORED] * len(sample.prompt) + sample.target
        weights += [sample.weight] * length
    return {
        "input_ids": torch.tensor([input_ids]),
        "position_ids": torch.tensor([position_ids]),
        "labels": torch.tensor([labels]),
        "weights": torch.tensor([weights], dtype=torch.float32),
    }


def weighted_loss(model: Any, inputs: dict[str, Any], target_tokens: int | torch.Tensor) -> torch.Tensor:
    """Sum over target tokens of weight x negative log-likelihood, over `target_tokens`.

    REST-PG Algorithm 1, line 11: the expectation of R(x, y, y_hat) log p(y_hat | x). `target_tokens` counts the
    whole optimizer step, all accumulated micro-batches and devices, so how the step is cut up does not matter.
    Weights scale the loss and do not enter the count: with all weights 1 it is the usual fine-tuning loss.
    Logits are computed at target positions only.
    """
    labels = inputs["labels"][0]
    places = torch.nonzero(labels[1:] != IGNORED)[:, 0]
    # Without a cache, packed rows are told from their position ids (transformers' masking utilities).
    logits = model(
        input_ids=inputs["input_ids"],
        position_ids=inputs["position_ids"],
        logits_to_keep=places,
        use_cache=False,
    ).logits[0]
    losses = torch.nn.functional.cross_entropy(logits.float(), labels[places + 1], reduction="none")
    return (losses * inputs["weights"][0, places + 1]).sum() / target_tokens
