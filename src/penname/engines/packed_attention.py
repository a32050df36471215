"""Attention in a packed row (see `penname.engines.packed_row`).

Each text is attended to alone, so nothing is computed for what a mask would hide, and no text sees another.
`packed_attention` has the form of a transformers attention function, so any decoder-only architecture that takes one
can use it (`penname.engines.supported` registers it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from penname.engines.attention import causal_attention, refuse_sinks
from penname.engines.packed_row import Span
from penname.errors import UserError

PACKED = "penname_packed"


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
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """query: (1, heads, tokens, dim); key, value: (1, key heads, tokens, dim). Returns (1, tokens, heads, dim).

    Raises UserError without spans: a layer that does not hand them on would let texts see each other.
    """
    refuse_sinks(kwargs.get("s_aux"))
    if not spans:
        raise UserError("layers that do not hand on to their attention where texts lie")
    return attend_packed(query, key, value, spans, scaling, sliding_window, softcap, dropout), None


def attend_packed(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    spans: Sequence[Span],
    scaling: float | None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """As `packed_attention`."""
    settings = (scaling, sliding_window, softcap)
    # A span falls into its prompt with the first text, and the other texts.
    ends = [end for span in spans for end in span.ends]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    pieces = zip(*(projected.split(lengths, dim=2) for projected in (query, key, value)), strict=True)
    parts = []
    for span in spans:
        own_query, own_key, own_value = next(pieces)
        parts.append(causal_attention(own_query, own_key, own_value, *settings, span.tail, dropout))
        prompt = slice(0, span.prompt_end - span.start)
        for _ in span.ends[1:]:
            text_query, text_key, text_value = next(pieces)
            if text_query.shape[2]:
                keys = torch.cat([own_key[:, :, prompt], text_key], dim=2)
                values = torch.cat([own_value[:, :, prompt], text_value], dim=2)
                parts.append(causal_attention(text_query, keys, values, *settings, span.tail, dropout))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous()
