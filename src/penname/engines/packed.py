"""Attention in a packed row: texts one after another, those with a common start behind it, the start held once.

Each text is attended to alone, so nothing is computed for what a mask would hide, and no text sees another. It is
registered as a transformers attention function, so any decoder-only architecture that takes one can use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from transformers import AttentionInterface

from penname.engines.attention import causal_attention, refuse_sinks
from penname.engines.base import TokenIds

PACKED = "penname_packed"


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


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    spans: Sequence[Span] = (),
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """query: (1, heads, tokens, dim); key, value: (1, key heads, tokens, dim). Returns (1, tokens, heads, dim).

    Without spans the row is one text.
    """
    refuse_sinks(kwargs.get("s_aux"))
    spans = spans or (Span(0, query.shape[2], (query.shape[2],)),)
    settings = (scaling, sliding_window, softcap)
    # A span falls into its prompt with the first text, and the other texts.
    ends = [end for span in spans for end in span.ends]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    pieces = zip(*(projected.split(lengths, dim=2) for projected in (query, key, value)), strict=True)
    parts = []
    for span in spans:
        own_query, own_key, own_value = next(pieces)
        parts.append(causal_attention(own_query, own_key, own_value, *settings, span.tail))
        prompt = slice(0, span.prompt_end - span.start)
        for _ in span.ends[1:]:
            text_query, text_key, text_value = next(pieces)
            if text_query.shape[2]:
                keys = torch.cat([own_key[:, :, prompt], text_key], dim=2)
                values = torch.cat([own_value[:, :, prompt], text_value], dim=2)
                parts.append(causal_attention(text_query, keys, values, *settings, span.tail))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(PACKED, packed_attention)
