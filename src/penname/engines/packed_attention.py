"""Attention in a packed row (see `penname.engines.packed_row`).

Each text is attended to alone, so nothing is computed for what a mask would hide, and no text sees another. It is
registered as a transformers attention function, so any decoder-only architecture that takes one can use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AttentionInterface

from penname.engines.attention import causal_attention, refuse_sinks
from penname.engines.packed_row import Span
from penname.errors import UserError

PACKED = "penname_packed"


def take_attention(model: Any, attention: str) -> None:
    """Give `model` one of our attention functions, by its registered name.

    Raises UserError for a model that would not compute the same with it, or would go on with its own.
    """
    config = model.config.get_text_config()
    layers: Sequence[str] = getattr(config, "layer_types", None) or ()
    kinds = set(layers) - {"full_attention", "sliding_attention"}
    if model._is_stateful or kinds or getattr(config, "num_kv_shared_layers", 0):
        reason = f"layers of {', '.join(sorted(kinds))}" if kinds else "layers without keys and values of their own"
    else:
        model.set_attn_implementation(attention)
        if model.config._attn_implementation == attention:
            return
        reason = "attention of its own making"
    raise UserError(
        f"{type(model).__name__} has {reason}, which the local engine and training do not support (expected a decoder "
        "whose attention transformers lets one replace)"
    )


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
