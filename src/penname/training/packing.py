"""Training samples and how they are laid into one row a micro-batch: no padding, and each prompt once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Sampler

from penname.engines.packed import Span


@dataclass(frozen=True)
class TrainingSample:
    """Token ids of a prompt and of the target to learn, and the sample's weight (its reward; 1 for human text)."""

    prompt: list[int]
    target: list[int]
    weight: float = 1.0


class ByPrompt(Sampler[int]):
    """A random order of the samples, another one each epoch, in which samples of one prompt stand together.

    So those that are kept for one input, up to 10, fall into the same micro-batch, where their prompt is computed once.
    """

    def __init__(self, samples: Sequence[TrainingSample], seed: int) -> None:
        self._groups = _by_prompt(samples)
        self._count = len(samples)
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        for group in torch.randperm(len(self._groups), generator=generator).tolist():
            yield from self._groups[group]


def pack(samples: Sequence[TrainingSample]) -> dict[str, Any]:
    """Lay `samples` one after another into a single row: each prompt once, behind it the targets that follow it.

    A target's last token is only predicted, never read. Returns
    - input_ids, position_ids: (1, tokens); a target's positions go on from its prompt's,
    - spans: where the prompts and targets are; attention keeps to them,
    - labels: (1, target tokens), what is to be predicted, also as shift_labels, which is what the Trainer counts,
    - sources: (1, target tokens), the place whose logits predict it,
    - weights: (1, target tokens).
    """
    input_ids: list[int] = []
    position_ids: list[int] = []
    labels: list[int] = []
    sources: list[int] = []
    weights: list[float] = []
    spans: list[Span] = []
    for members in _by_prompt(samples):
        prompt = samples[members[0]].prompt
        start, prompt_end = len(input_ids), len(input_ids) + len(prompt)
        input_ids += prompt
        position_ids += range(len(prompt))
        target_ends = []
        for sample in (samples[i] for i in members):
            read = sample.target[:-1]
            sources += [prompt_end - 1, *range(len(input_ids), len(input_ids) + len(read))]
            input_ids += read
            position_ids += range(len(prompt), len(prompt) + len(read))
            labels += sample.target
            weights += [sample.weight] * len(sample.target)
            target_ends.append(len(input_ids))
        spans.append(Span(start, prompt_end, tuple(target_ends)))
    targets = torch.tensor([labels])
    return {
        "input_ids": torch.tensor([input_ids]),
        "position_ids": torch.tensor([position_ids]),
        "spans": tuple(spans),
        "labels": targets,
        "shift_labels": targets,
        "sources": torch.tensor([sources]),
        "weights": torch.tensor([weights], dtype=torch.float32),
    }


def weighted_loss(model: Any, inputs: dict[str, Any], target_tokens: int | torch.Tensor) -> torch.Tensor:
    """Sum over target tokens of weight x negative log-likelihood, over `target_tokens`.

    REST-PG Algorithm 1, line 11: the expectation of R(x, y, y_hat) log p(y_hat | x). `target_tokens` counts the
    whole optimizer step, all accumulated micro-batches and devices, so how the step is cut up does not matter.
    Weights scale the loss and do not enter the count: with all weights 1 it is the usual fine-tuning loss.
    Logits are computed only where a target token is predicted.
    """
    logits = model(
        input_ids=inputs["input_ids"],
        position_ids=inputs["position_ids"],
        spans=inputs["spans"],
        logits_to_keep=inputs["sources"][0],
        use_cache=False,
    ).logits[0]
    losses = torch.nn.functional.cross_entropy(logits.float(), inputs["labels"][0], reduction="none")
    return (losses * inputs["weights"][0]).sum() / target_tokens


def _by_prompt(samples: Sequence[TrainingSample]) -> list[list[int]]:
    """Places of the samples of each prompt, in order of their first one."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, sample in enumerate(samples):
        groups.setdefault(tuple(sample.prompt), []).append(place)
    return list(groups.values())
