"""Training samples, and how a micro-batch of them is packed into one sequence in which each prompt occurs once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Sampler

from penname.engines.packed_row import PackedRow

LENGTHS = 128
"""Packed sequences are padded to a multiple of this many tokens: what torch prepares for matrix products of each new
length takes time and memory, and is cached."""


@dataclass(frozen=True)
class TrainingSample:
    """Token ids of a prompt and of its target, and the sample's weight (its reward, or 1 for what users wrote)."""

    prompt: list[int]
    target: list[int]
    weight: float = 1.0


class ByPrompt(Sampler[int]):
    """A random order of the samples, a new one in each epoch, that keeps samples of the same prompt together.

    So the samples kept for one input, up to 10, are mostly in the same optimizer step, where they share the prompt.
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


def micro_batches(samples: Sequence[TrainingSample], most_tokens: int) -> list[list[TrainingSample]]:
    """Divide the samples of an optimizer step into micro-batches of at most `most_tokens` tokens, or of one sample.

    Samples of the same prompt stay together, and the prompt counts once in each micro-batch. The largest micro-batch
    comes first: the memory that it frees has room for every other, so memory is not fragmented.
    """
    parts: list[list[TrainingSample]] = []
    sizes: list[int] = []
    room = 0
    for members in _by_prompt(samples):
        opened = False
        for sample in (samples[i] for i in members):
            needed = len(sample.target) - 1 + (0 if opened else len(sample.prompt))
            if needed > room or not parts:
                parts.append([])
                sizes.append(0)
                needed = len(sample.target) - 1 + len(sample.prompt)
                room = max(most_tokens, needed)
            parts[-1].append(sample)
            sizes[-1] += needed
            room -= needed
            opened = True
    return [parts[i] for i in sorted(range(len(parts)), key=lambda i: -sizes[i])]


def pack(samples: Sequence[TrainingSample]) -> dict[str, Any]:
    """Pack `samples` into one sequence: each prompt once, followed by its targets.

    A target's last token is only predicted, never part of the input. Padding at the end takes no part in the loss.
    Returns
    - input_ids, position_ids, spans: see `PackedRow.inputs`; a target's positions continue from its prompt's,
    - labels: the target tokens, shape (1, target tokens),
    - sources: for each of them the index whose logits predict it, shape (1, target tokens),
    - weights: the weight of each, shape (1, target tokens).
    """
    row = PackedRow()
    labels: list[int] = []
    sources: list[int] = []
    weights: list[float] = []
    for members in _by_prompt(samples):
        last = row.open(samples[members[0]].prompt)
        for sample in (samples[i] for i in members):
            sources += [last, *row.add(sample.target[:-1])]
            labels += sample.target
            weights += [sample.weight] * len(sample.target)
    filler = -len(row.input_ids) % LENGTHS
    if filler:
        row.add_alone([row.input_ids[0]] * filler)
    return {
        **row.inputs(),
        "labels": torch.tensor([labels]),
        "sources": torch.tensor([sources]),
        "weights": torch.tensor([weights], dtype=torch.float32),
    }


def _by_prompt(samples: Sequence[TrainingSample]) -> list[list[int]]:
    """The indices of each prompt's samples; prompts are in the order in which they first occur."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, sample in enumerate(samples):
        groups.setdefault(tuple(sample.prompt), []).append(place)
    return list(groups.values())
