"""Packed rows: several texts in one sequence without padding; texts with a common prompt follow one copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from penname.engines.base import TokenIds


@dataclass(frozen=True)
class Span:
    """A prompt in a packed row, and the texts after it that continue it.

    start, prompt_end: the prompt's slice of the row.
    ends: where each continuing text ends and the next one starts.
    tail: each of those texts ends in several continuations with these numbers of tokens, side by side (see
        `causal_attention`).
    """

    start: int
    prompt_end: int
    ends: tuple[int, ...]
    tail: tuple[int, ...] = ()


@dataclass
class PackedRow:
    """A packed row under construction: token ids, their positions within their texts, and the spans of the texts."""

    input_ids: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def open(self, prompt: TokenIds, tail: tuple[int, ...] = ()) -> int:
        """Open a span with a prompt and return the index of its last token; `tail` is that of the texts to come."""
        start = len(self.input_ids)
        self.input_ids += prompt
        self.position_ids += range(len(prompt))
        self.spans.append(Span(start, len(self.input_ids), (), tail))
        return len(self.input_ids) - 1

    def add_alone(self, text: TokenIds) -> int:
        """Add a text without a shared prompt and return the index of its last token."""
        last = self.open(text)
        self.add([])
        return last

    def add(self, text: TokenIds, continuations: Sequence[TokenIds] = ()) -> range:
        """Add a text that continues the last prompt, then its continuations side by side; return their indices."""
        span = self.spans[-1]
        start, depth = len(self.input_ids), span.prompt_end - span.start
        self.input_ids += text
        self.position_ids += range(depth, depth + len(text))
        for continuation in continuations:
            self.input_ids += continuation
            self.position_ids += range(depth + len(text), depth + len(text) + len(continuation))
        self.spans[-1] = replace(span, ends=(*span.ends, len(self.input_ids)))
        return range(start, len(self.input_ids))

    def inputs(self, device: torch.device | str = "cpu") -> dict[str, Any]:
        """The inputs of a model with this attention: input_ids and position_ids, each (1, tokens), and spans."""
        return {
            "input_ids": torch.tensor([self.input_ids], device=device),
            "position_ids": torch.tensor([self.position_ids], device=device),
            "spans": tuple(self.spans),
        }
