"""Causal attention over one text, with all that architectures add to it."""

from __future__ import annotations

import torch
from torch.nn.functional import scaled_dot_product_attention

from penname.errors import UserError


def causal_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None = None,
    softcap: float | None = None,
) -> torch.Tensor:
    """Attention of the last tokens of a text, `query`, over all of it.

    query: (batch, heads, new, dim); key, value: (batch, key heads, length, dim), each shared by several heads. A token
    sees itself and what came before, with a sliding window no more than the last `window` tokens. `softcap` bounds
    the scores as in Gemma 2. Returns (batch, heads, new, dim).
    """
    new, length = query.shape[2], key.shape[2]
    repeat = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeat, dim=1), value.repeat_interleave(repeat, dim=1)
    windowed = window is not None and length > window
    if new == length and not windowed and softcap is None:
        return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    keys = torch.arange(length, device=query.device)
    queries = keys[length - new :, None]
    seen = keys <= queries
    if windowed:
        seen = seen & (keys > queries - window)
    if softcap is None:
        return scaled_dot_product_attention(query, key, value, attn_mask=seen, scale=scaling)
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    scores = (torch.tanh(scores / softcap) * softcap).masked_fill(~seen, float("-inf"))
    return scores.softmax(-1, dtype=torch.float32).to(value.dtype) @ value


def refuse_sinks(sinks: torch.Tensor | None) -> None:
    if sinks is not None:
        raise UserError("this model's attention (with sinks) is not supported")
