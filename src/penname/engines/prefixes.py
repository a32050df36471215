"""Keys and values of prompts, stored in buckets of similar length so that prompts come and go without a new layout."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

FINEST = 64
"""Buckets differ by at least this many tokens in what they have room for."""

SHORTEST = 0.5
"""A bucket takes prompts of at least this share of the longest one it has room for: the rest is padding."""


def slots_for(length: int) -> int:
    """The slots of a new bucket for a prompt of this length: at most a quarter more, and few different numbers."""
    step = max(FINEST, 2 ** (length.bit_length() - 3))
    return step * math.ceil(length / step)


class Bucket:
    """Keys and values of prompts of similar length: for each layer (prompts, heads, slots, dim), padded.

    slots: the length of the longest prompt there is room for, in tokens.
    room: the number of prompts there is room for.

    prompts: the numbers of its prompts, by their places in the bucket.
    lengths: their numbers of tokens.
    """

    def __init__(self, slots: int, room: int) -> None:
        self.slots = slots
        self.room = room
        self.prompts: list[int] = []
        self.lengths: list[int] = []
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []

    def takes(self, length: int) -> bool:
        """Whether a prompt of this length belongs here, and has room."""
        shortest = SHORTEST * self.slots if self.slots > FINEST else 0
        return len(self.prompts) < self.room and shortest <= length <= self.slots

    def add(self, prompt: int, length: int) -> None:
        """Give a prompt the next place. prompt: its number."""
        self.prompts.append(prompt)
        self.lengths.append(length)

    def store(self, layer: int, place: int, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Store a prompt's keys and values in a layer, each (heads, tokens, dim). place: its place in the bucket."""
        if layer == len(self._keys):
            self._keys.append(self._empty(keys))
            self._values.append(self._empty(values))
        for tensors, new in ((self._keys, keys), (self._values, values)):
            tensors[layer][place, :, : new.shape[1]] = new
            tensors[layer][place, :, new.shape[1] :] = 0  # padding gets weight 0, and 0 times NaN would be NaN

    def layer(self, layer: int, prompts: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The first prompts' keys and values in the layer with this index, each (prompts, heads, slots, dim)."""
        return self._keys[layer][:prompts], self._values[layer][:prompts]

    def keep(self, places: Sequence[int]) -> None:
        """Keep the prompts in these places only; the last of them move to where others were."""
        moving = [place for place in places if place >= len(places)]
        free = sorted({*range(len(places))} - {*places})
        for place, source in zip(free, moving, strict=True):
            self.prompts[place], self.lengths[place] = self.prompts[source], self.lengths[source]
            for tensor in (*self._keys, *self._values):
                tensor[place] = tensor[source]
        del self.prompts[len(places) :], self.lengths[len(places) :]

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        """A tensor for all prompts there is room for. like: keys or values of one, (heads, tokens, dim)."""
        return like.new_empty((self.room, like.shape[0], self.slots, like.shape[2]))
