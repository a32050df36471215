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
    # A span falls into its prompt with the first target, and the other targets.
    ends = [end for span in spans for end in span.target_ends]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    pieces = zip(*(projected.split(lengths, dim=2) for projected in (query, key, value)), strict=True)
    parts = []
    for span in spans:
        own_query, own_key, own_value = next(pieces)
        parts.append(causal_attention(own_query, own_key, own_value, *settings))
        prompt = slice(0, span.prompt_end - span.start)
        for _ in span.target_ends[1:]:
            target_query, target_key, target_value = next(pieces)
            if target_query.shape[2]:
                keys = torch.cat([own_key[:, :, prompt], target_key], dim=2)
                values = torch.cat([own_value[:, :, prompt], target_value], dim=2)
                parts.append(causal_attention(target_query, keys, values, *settings))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(PACKED, packed_attention)
