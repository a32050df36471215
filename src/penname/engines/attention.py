"""Causal attention over one text, with architectures' variants: sliding windows, soft-capping, grouped queries."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch.nn.functional import pad, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from penname.errors import UserError

BLOCK = 256
"""Queries in a block on a CPU; keys that the causal mask hides are skipped in steps of a block."""

STEP = 16
"""Texts are filled up to a multiple of so many tokens where nothing is trained: for each other size of a product oneDNN
makes code of its own, which takes milliseconds and stays in memory."""

RECOMPUTE_ABOVE = 1024
"""In training, the attention weights of texts with more tokens are recomputed in the backward pass: they grow with the
square of the length, and from here on would take as much memory as all other activations of a layer."""


def causal_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None = None,
    softcap: float | None = None,
    branches: tuple[int, ...] = (),
    dropout: float = 0.0,
) -> torch.Tensor:
    """Causal attention of the last `new` tokens of a text over the whole text; returns (batch, heads, new, dim).

    query: (batch, heads, new, dim).
    key, value: (batch, key heads, length, dim); each key head is shared by several heads.
    scaling: factor of the scores; None for dim**-0.5.
    window: sliding window in tokens, the token itself included; None for no limit.
    softcap: bound of the scores as in Gemma 2.
    branches: the text ends in several continuations with these numbers of tokens, which do not attend to each other.
    dropout: probability with which an attention weight is dropped.

    On a CPU it is computed by matrix products over blocks of queries: torch's fused kernel takes two to three times as
    long in bfloat16, forward and backward.
    """
    # Rotary embeddings may give queries and keys a wider dtype than the values.
    query, key = query.to(value.dtype), key.to(value.dtype)
    new, length = query.shape[2], key.shape[2]
    standard = new == length and not branches and softcap is None and (window is None or length <= window)
    if query.device.type != "cpu" and standard:
        grouped = key.shape[1] < query.shape[1]
        return scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=grouped
        )
    if query.device.type == "cpu" and not query.requires_grad and not branches:
        # Behind the text, so that nothing of it attends to what it is filled up with.
        query, key, value = (pad(tensor, (0, 0, 0, -new % STEP)) for tensor in (query, key, value))
        return _in_blocks(query, key, value, scaling, window, softcap, branches, dropout)[:, :, :new]
    arguments = (query, key, value, scaling, window, softcap, branches, dropout)
    if not query.requires_grad or length <= RECOMPUTE_ABOVE:
        return _in_blocks(*arguments)
    result: torch.Tensor = checkpoint(_in_blocks, *arguments, use_reentrant=False, preserve_rng_state=dropout > 0)
    return result


def _in_blocks(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None,
    softcap: float | None,
    branches: tuple[int, ...],
    dropout: float,
) -> torch.Tensor:
    """`causal_attention`, one block of queries at a time."""
    batch, heads, new, dim = query.shape
    key_heads, length = key.shape[1:3]
    repeat = heads // key_heads
    trunk = length - sum(branches)
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
        # A block that ends before the branches has the mask of an ordinary text.
        visible = (trunk - first, branches) if last > trunk else (last - first, ())
        mask = _mask(before - first, queries, *visible, window, scores.dtype, scores.device)
        scores = scores.view(batch, key_heads, repeat, queries, -1) + mask
        weights = torch.dropout(torch.softmax(scores, dim=-1), dropout, train=dropout > 0)
        attended = weights.view(batch, key_heads, repeat * queries, -1) @ value[:, :, first:last]
        parts.append(attended.view(batch, key_heads, repeat, queries, -1))
    return torch.cat(parts, dim=3).flatten(1, 2)


def reject_sinks(sinks: torch.Tensor | None) -> None:
    """Raise UserError for attention sinks, which are not supported.

    sinks: the model's sinks, (heads,); None where it has none.
    """
    if sinks is not None:
        raise UserError("attention with sinks")


@lru_cache(maxsize=256)  # reused by all layers: texts of a packed sequence x blocks x windows
def _mask(
    before: int,
    queries: int,
    trunk: int,
    branches: tuple[int, ...],
    window: int | None,
    dtype: torch.dtype,
    device: torch.device,
) -> torch.Tensor:
    """An additive mask, (queries, before + queries), for `queries` tokens that follow `before` others.

    trunk: number of tokens of the text before its branches.
    branches, window: as in `causal_attention`.
    """
    with torch.inference_mode(False):
        last = before + queries
        numbers = [number for number, tokens in enumerate(branches, 1) for _ in range(tokens)]
        branch = torch.tensor([0] * trunk + numbers, device=device)[:last]
        depth = torch.tensor([*range(trunk), *(trunk + n for tokens in branches for n in range(tokens))], device=device)
        depth = depth[:last]
        index = torch.arange(last, device=device)
        queried = slice(before, last)
        visible = (index <= index[queried, None]) & ((branch == 0) | (branch == branch[queried, None]))
        if window is not None:
            visible &= depth > depth[queried, None] - window
        return torch.zeros(visible.shape, dtype=dtype, device=device).masked_fill_(~visible, float("-inf"))


def clear_mask_cache() -> None:
    """Drop the cached masks and free their memory."""
    _mask.cache_clear()
