"""Training samples and how they are laid into rows, one a micro-batch: side by side, and a prompt once a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Sampler

from penname.engines.packed_row import PackedRow

LENGTHS = 128
"""Rows are filled up to a multiple of so many tokens: what torch prepares for the products of a length takes time and
memory, and it is kept."""


@dataclass(frozen=True)
class TrainingSample:
    """Token ids of a prompt and of the target to learn, and the sample's weight (its reward; 1 for human text)."""

    prompt: list[int]
    target: list[int]
    weight: float = 1.0


class ByPrompt(Sampler[int]):
    """A random order of the samples, another one each epoch, in which samples of one prompt stand together.

    So those that are kept for one input, up to 10, fall into the same optimizer step, where they share rows.
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
    """The samples of an optimizer step in parts of at most `most_tokens` tokens, or of one sample.

    Samples of a prompt stand together, and in each part the prompt counts once. The largest part comes first: what it
    frees has room for every other, and memory does not fall to pieces.
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
    """Lay `samples` one after another into a single row: each prompt once, behind it the targets that follow it.

    A target's last token is only predicted, never read. At the end stands filler that nothing is learned from. Returns
    - input_ids, position_ids, spans: see `PackedRow.inputs`; a target's positions go on from its prompt's,
    - labels: (1, target tokens), what is to be predicted,
    - sources: (1, target tokens), the place whose logits predict it,
    - weights: (1, target tokens).
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
    """Places of the samples of each prompt, in order of their first one."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, sample in enumerate(samples):
        groups.setdefault(tuple(sample.prompt), []).append(place)
    return list(groups.values())
