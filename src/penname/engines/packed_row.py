"""Packed rows: texts one after another, those with a common start behind it, the start held once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from penname.engines.base import TokenIds


@dataclass(frozen=True)
class Span:
    """Places in a packed row: a prompt from `start` to `prompt_end`, and behind it the texts that go on from it.

    ends: where each of those texts ends; the next one starts there. tail: each of them ends in several continuations
    of these numbers of tokens, side by side (see `causal_attention`).
    """

    start: int
    prompt_end: int
    ends: tuple[int, ...]
    tail: tuple[int, ...] = ()


@dataclass
class PackedRow:
    """A packed row in the making: token ids, positions in their texts, and where the texts are."""

    input_ids: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def open(self, prompt: TokenIds, tail: tuple[int, ...] = ()) -> int:
        """Open a span with a prompt; `tail` is that of the texts to come. Returns the place of its last token."""
        start = len(self.input_ids)
        self.input_ids += prompt
        self.position_ids += range(len(prompt))
        self.spans.append(Span(start, len(self.input_ids), (), tail))
        return len(self.input_ids) - 1

    def add_alone(self, text: TokenIds) -> int:
        """Add a text that shares nothing with another. Returns the place of its last token."""
        last = self.open(text)
        self.add([])
        return last

    def add(self, text: TokenIds, continuations: Sequence[TokenIds] = ()) -> range:
        """Add a text that goes on from the last prompt, and its continuations side by side; returns their places."""
        span = self.spans[-1]
        place, depth = len(self.input_ids), span.prompt_end - span.start
        self.input_ids += text
        self.position_ids += range(depth, depth + len(text))
        for continuation in continuations:
            self.input_ids += continuation
            self.position_ids += range(depth + len(text), depth + len(text) + len(continuation))
        self.spans[-1] = replace(span, ends=(*span.ends, len(self.input_ids)))
        return range(place, len(self.input_ids))

    def inputs(self, device: torch.device | str = "cpu") -> dict[str, Any]:
        """What a model with this attention takes: input_ids and position_ids, each (1, tokens), and spans."""
        return {
            "input_ids": torch.tensor([self.input_ids], device=device),
            "position_ids": torch.tensor([self.position_ids], device=device),
            "spans": tuple(self.spans),
        }
