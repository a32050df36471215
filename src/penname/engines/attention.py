"""Causal attention over one text, with what architectures add to it."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch.nn.functional import scaled_dot_product_attention

from penname.errors import UserError

BLOCK = 256
"""So many queries at a time on a processor: what a causal mask hides is skipped in steps of it."""


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

    On a processor it is matrix products over blocks of queries: torch's fused kernel takes two to three times as long
    in bfloat16, forwards and backwards.
    """
    # The keys and queries of a rotary embedding may come in a wider type than the values.
    query, key = query.to(value.dtype), key.to(value.dtype)
    batch, heads, new, dim = query.shape
    key_heads, length = key.shape[1:3]
    repeat = heads // key_heads
    if query.device.type != "cpu" and new == length and softcap is None and (window is None or length <= window):
        return scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling, enable_gqa=repeat > 1)
    query = (query * (dim**-0.5 if scaling is None else scaling)).view(batch, key_heads, repeat, new, dim)
    parts = []
    for start, block in zip(range(0, new, BLOCK), query.split(BLOCK, dim=3), strict=True):
        end = start + block.shape[3]
        before = length - new + start
        first = 0 if window is None else max(0, before - window + 1)
        last = before + end - start
        scores = block.reshape(batch, key_heads, -1, dim) @ key[:, :, first:last].transpose(-1, -2)
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        mask = _mask(end - start, last - first, repeat, window, scores.dtype, scores.device)
        attended = torch.softmax(scores + mask, dim=-1) @ value[:, :, first:last]
        parts.append(attended.view(batch, key_heads, repeat, end - start, -1))
    return torch.cat(parts, dim=3).flatten(1, 2)


def refuse_sinks(sinks: torch.Tensor | None) -> None:
    if sinks is not None:
        raise UserError("this model's attention (with sinks) is not supported")


@lru_cache(maxsize=32)
def _mask(
    queries: int, keys: int, repeat: int, window: int | None, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """(repeat x queries, keys), to be added to scores; the last query stands at the last key."""
    with torch.inference_mode(False):
        places = torch.arange(keys, device=device)
        own = places[keys - queries :, None]
        seen = places <= own
        if window is not None:
            seen = seen & (places > own - window)
        mask = torch.zeros(queries, keys, dtype=dtype, device=device).masked_fill_(~seen, float("-inf"))
        return mask.repeat(repeat, 1)
