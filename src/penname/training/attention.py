"""Attention in a packed row: a prompt's tokens see the prompt, a target's see its prompt and the target so far.

Each span is attended to alone, so nothing is computed for what a mask would hide, and no sample sees another. It is
registered as a transformers attention function, so any decoder-only architecture that takes one can use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface

from penname.engines.attention import causal_attention, refuse_sinks

PACKED = "penname_packed"


@dataclass(frozen=True)
class Span:
    """Places in a packed row: a prompt from `start` to `prompt_end`, its targets one after another behind it."""

    start: int
    prompt_end: int
    target_ends: tuple[int, ...]


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
    """query: (1, heads, tokens, dim); key, value: (1, key heads, tokens, dim). Returns (1, tokens, heads, dim)."""
    refuse_sinks(kwargs.get("s_aux"))
    settings = (scaling, sliding_window, softcap)
    parts = []
    for span in spans:
        end = span.target_ends[0]
        first = slice(span.start, end)
        parts.append(causal_attention(query[:, :, first], key[:, :, first], value[:, :, first], *settings))
        for next_end in span.target_ends[1:]:
            keys, values = (
                torch.cat([held[:, :, span.start : span.prompt_end], held[:, :, end:next_end]], dim=2)
                for held in (key, value)
            )
            parts.append(causal_attention(query[:, :, end:next_end], keys, values, *settings))
            end = next_end
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(PACKED, packed_attention)
