"""Training samples, and how a micro-batch of them is packed into one sequence in which each prompt occurs once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Sampler

from penname.engines.packed_sequence import PackedSequence

LENGTH_MULTIPLE = 128
"""Packed sequences are padded to a multiple of this many tokens: what torch prepares for matrix products of each new
length takes time and memory, and is cached."""


@dataclass(frozen=True)
class TrainingSample:
    """A prompt and its target.

    prompt, target: token ids; the target ends with the token that ends a completion.
    weight: factor of its loss: its reward, or 1 for an expected output.
    """

    prompt: list[int]
    target: list[int]
    weight: float = 1.0


class PromptGroupedSampler(Sampler[int]):
    """A random order of the samples, a new one in each epoch, that keeps samples of the same prompt together.

    So the samples kept for one input, up to 10, are mostly in the same optimizer step, where they share the prompt.

    samples: the training samples.
    seed: of the random order.
    """

    def __init__(self, samples: Sequence[TrainingSample], seed: int) -> None:
        self._groups = _by_prompt(samples)
        self._count = len(samples)
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order the next iteration gives, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        for group in torch.randperm(len(self._groups), generator=generator).tolist():
            yield from self._groups[group]


def micro_batches(samples: Sequence[TrainingSample], max_tokens: int) -> list[list[TrainingSample]]:
    """Divide the samples of an optimizer step into micro-batches.

    samples: those of the step.
    max_tokens: largest number of tokens in a micro-batch, unless a single sample has more.

    Samples of the same prompt stay together, and the prompt counts once in each micro-batch. The largest micro-batch
    comes first: the memory that it frees has room for every other, so memory is not fragmented.
    """
    batches: list[list[TrainingSample]] = []
    sizes: list[int] = []
    free = 0
    for members in _by_prompt(samples):
        has_prompt = False
        for sample in (samples[i] for i in members):
            needed = len(sample.target) - 1 + (0 if has_prompt else len(sample.prompt))
            if needed > free or not batches:
                batches.append([])
                sizes.append(0)
                needed = len(sample.target) - 1 + len(sample.prompt)
                free = max(max_tokens, needed)
            batches[-1].append(sample)
            sizes[-1] += needed
            free -= needed
            has_prompt = True
    return [batches[i] for i in sorted(range(len(batches)), key=lambda i: -sizes[i])]


def pack(samples: Sequence[TrainingSample]) -> dict[str, Any]:
    """Pack `samples` into one sequence: each prompt once, followed by its targets.

    A target's last token is only predicted, never part of the input. Padding at the end takes no part in the loss.
    Returns
    - input_ids, position_ids, spans: see `PackedSequence.model_inputs`; a target's positions continue its prompt's,
    - labels: the target tokens, shape (1, target tokens),
    - logit_indices: for each of them the index of the token whose logits predict it, shape (1, target tokens),
    - weights: the weight of each target token, shape (1, target tokens).
    """
    packed = PackedSequence()
    labels: list[int] = []
    logit_indices: list[int] = []
    weights: list[float] = []
    for members in _by_prompt(samples):
        last = packed.add_prompt(samples[members[0]].prompt)
        for sample in (samples[i] for i in members):
            logit_indices += [last, *packed.add_continuation(sample.target[:-1])]
            labels += sample.target
            weights += [sample.weight] * len(sample.target)
    padding = -len(packed.input_ids) % LENGTH_MULTIPLE
    if padding:
        packed.add_text([packed.input_ids[0]] * padding)
    return {
        **packed.model_inputs(),
        "labels": torch.tensor([labels]),
        "logit_indices": torch.tensor([logit_indices]),
        "weights": torch.tensor([weights], dtype=torch.float32),
    }


def _by_prompt(samples: Sequence[TrainingSample]) -> list[list[int]]:
    """The indices of each prompt's samples; prompts are in the order in which they first occur."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, sample in enumerate(samples):
        groups.setdefault(tuple(sample.prompt), []).append(index)
    return list(groups.values())
