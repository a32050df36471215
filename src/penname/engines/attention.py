"""Causal attention over one text, with what architectures add to it."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from penname.errors import UserError

BLOCK = 256
"""So many queries at a time on a processor: what a causal mask hides is skipped in steps of it."""

RECOMPUTE_ABOVE = 1024
"""In training, a longer text's attention weights are computed again on the way back, not kept: they grow with the
square of its length, and from here on would be as large as all else that is kept of a layer."""


def causal_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None = None,
    softcap: float | None = None,
    tail: tuple[int, ...] = (),
    dropout: float = 0.0,
) -> torch.Tensor:
    """Attention of the last tokens of a text, `query`, over all of it.

    query: (batch, heads, new, dim); key, value: (batch, key heads, length, dim), each shared by several heads. A token
    sees itself and what came before, with a sliding window no more than the last `window` tokens. `softcap` bounds
    the scores as in Gemma 2. `tail`: the text ends in several continuations of these numbers of tokens, side by side,
    which do not see each other. `dropout`: this share of the weights is dropped. Returns (batch, heads, new, dim).

    On a processor it is matrix products over blocks of queries: torch's fused kernel takes two to three times as long
    in bfloat16, forwards and backwards.
    """
    # The keys and queries of a rotary embedding may come in a wider type than the values.
    query, key = query.to(value.dtype), key.to(value.dtype)
    new, length = query.shape[2], key.shape[2]
    plain = new == length and not tail and softcap is None and (window is None or length <= window)
    if query.device.type != "cpu" and plain:
        grouped = key.shape[1] < query.shape[1]
        return scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped
        )
    given = (query, key, value, scaling, window, softcap, tail, dropout)
    if not query.requires_grad or length <= RECOMPUTE_ABOVE:
        return _in_blocks(*given)
    result: torch.Tensor = checkpoint(_in_blocks, *given, use_reentrant=False, preserve_rng_state=dropout > 0)
    return result


def _in_blocks(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None,
    softcap: float | None,
    tail: tuple[int, ...],
    dropout: float,
) -> torch.Tensor:
    """`causal_attention`, a block of queries at a time."""
    batch, heads, new, dim = query.shape
    key_heads, length = key.shape[1:3]
    repeat = heads // key_heads
    trunk = length - sum(tail)
    query = (query * (dim**-0.5 if scaling is None else scaling)).view(batch, key_heads, repeat, new, dim)
    parts = []
    for start, block in zip(range(0, new, BLOCK), query.split(BLOCK, dim=3), strict=True):
        queries = block.shape[3]
        before = length - new + start
        first = 0 if window is None else max(0, min(before, trunk) - window + 1)
        last = before + queries
        scores = block.reshape(batch, key_heads, -1, dim) @ key[:, :, first:last].transpose(-1, -2)
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        # Blocks that stop short of the continuations have the masks of any text.
        seen_of = (trunk - first, tail) if last > trunk else (last - first, ())
        mask = _mask(before - first, queries, *seen_of, window, scores.dtype, scores.device)
        scores = scores.view(batch, key_heads, repeat, queries, -1) + mask
        shares = torch.dropout(torch.softmax(scores, dim=-1), dropout, train=dropout > 0)
        attended = shares.view(batch, key_heads, repeat * queries, -1) @ value[:, :, first:last]
        parts.append(attended.view(batch, key_heads, repeat, queries, -1))
    return torch.cat(parts, dim=3).flatten(1, 2)


def refuse_sinks(sinks: torch.Tensor | None) -> None:
    if sinks is not None:
        raise UserError("attention with sinks")


@lru_cache(maxsize=256)  # every layer asks for the same ones: a row's texts, times their blocks, times the windows
def _mask(
    before: int,
    queries: int,
    trunk: int,
    tail: tuple[int, ...],
    window: int | None,
    dtype: torch.dtype,
    device: torch.device,
) -> torch.Tensor:
    """(queries, before + queries), to be added to the scores of `queries` behind `before` tokens.

    The text has `trunk` tokens before it falls into its `tail`.
    """
    with torch.inference_mode(False):
        last = before + queries
        continuation = [number for number, tokens in enumerate(tail, 1) for _ in range(tokens)]
        part = torch.tensor([0] * trunk + continuation, device=device)[:last]
        depth = torch.tensor([*range(trunk), *(trunk + n for tokens in tail for n in range(tokens))], device=device)
        depth = depth[:last]
        place = torch.arange(last, device=device)
        own = slice(before, last)
        seen = (place <= place[own, None]) & ((part == 0) | (part == part[own, None]))
        if window is not None:
            seen &= depth > depth[own, None] - window
        return torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, float("-inf"))


def forget_masks() -> None:
    """Let go of the masks that are held for texts of the same lengths."""
    _mask.cache_clear()
