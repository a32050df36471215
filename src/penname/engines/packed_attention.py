"""Attention in a packed sequence (see `penname.engines.packed_sequence`).

Attention is computed for each text separately, so that nothing masked is computed and no text attends to another.
`packed_attention` has the signature of a transformers attention function, so any decoder-only architecture that accepts
one can use it (`penname.engines.supported` registers it).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from penname.engines.attention import causal_attention, reject_sinks
from penname.engines.packed_sequence import Span
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
    """Attention within each text of a packed sequence; returns (1, tokens, heads, dim).

    module: the model's attention layer; not used.
    query: (1, heads, tokens, dim).
    key, value: (1, key heads, tokens, dim).
    attention_mask: transformers' mask; not used.
    spans: the texts of the packed sequence.
    scaling, sliding_window, softcap, dropout: see `causal_attention`.

    Raises UserError without spans, as a layer that does not pass them on would let texts attend to each other.
    """
    reject_sinks(kwargs.get("s_aux"))
    if not spans:
        raise UserError("layers that do not pass the spans of texts to their attention")
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
    """Like `packed_attention`, without the arguments that only transformers passes; returns (1, tokens, heads, dim)."""
    settings = (scaling, sliding_window, softcap)
    # The pieces of a span: its prompt with the first text, then each other text.
    ends = [end for span in spans for end in span.ends]
    lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    pieces = zip(*(projected.split(lengths, dim=2) for projected in (query, key, value)), strict=True)
    parts = []
    for span in spans:
        first_query, first_key, first_value = next(pieces)
        parts.append(causal_attention(first_query, first_key, first_value, *settings, span.branches, dropout))
        prompt = slice(0, span.prompt_end - span.start)
        for _ in span.ends[1:]:
            text_query, text_key, text_value = next(pieces)
            if text_query.shape[2]:
                keys = torch.cat([first_key[:, :, prompt], text_key], dim=2)
                values = torch.cat([first_value[:, :, prompt], text_value], dim=2)
                parts.append(causal_attention(text_query, keys, values, *settings, span.branches, dropout))
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous()
