"""Attention for many rows that share a prompt: the prompt's keys and values are held, and read, once.

Each of G prompts has R rows. Attention of a row's new tokens over the prompt is one matrix product for all rows of
that prompt; attention over the row's own tokens is separate; the two are merged by their log-sum-exp
(Hydragen, arXiv 2402.05099, section 3). The rows' own keys and values lie in buffers of their full length, so a
step copies nothing.

It is registered as a transformers attention function and given to the model as a cache, so any decoder-only
architecture whose layers call `cache.update` and then the attention function can use it.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface

from penname.errors import UserError

ATTENTION = "penname_shared_prefix"


class SharedPrefixCache:
    """Keys and values of G prompts and of their G*R rows.

    lengths: number of tokens of each prompt.
    The cache is made from the prompts' own caches, one after another with `add_prompt`, then `open_rows` makes
    room for the rows. `update` is what a model's layers call.
    """

    is_compileable = False

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths
        self._prefix_keys: list[torch.Tensor] = []
        self._prefix_values: list[torch.Tensor] = []
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self.rows = 0
        self.used = 0
        self._prefix_mask: torch.Tensor | None = None

    def add_prompt(self, index: int, layers: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Take over the keys and values, each (1, heads, length, dim), that a plain forward pass left."""
        longest = max(self.lengths)
        for layer, (keys, values) in enumerate(layers):
            if layer == len(self._prefix_keys):
                shape = (len(self.lengths), keys.shape[1], longest, keys.shape[3])
                self._prefix_keys.append(keys.new_zeros(shape))
                self._prefix_values.append(values.new_zeros((*shape[:3], values.shape[3])))
            self._prefix_keys[layer][index, :, : keys.shape[2]] = keys[0]
            self._prefix_values[layer][index, :, : values.shape[2]] = values[0]

    def open_rows(self, rows: int, capacity: int) -> None:
        """Make room for `rows` rows a prompt of at most `capacity` tokens each."""
        self.rows = rows
        lengths = torch.tensor(self.lengths)
        if len(set(self.lengths)) > 1:
            positions = torch.arange(max(self.lengths))
            mask = torch.zeros(len(self.lengths), 1, 1, len(positions))
            mask.masked_fill_((positions[None] >= lengths[:, None])[:, None, None], float("-inf"))
            self._prefix_mask = mask.to(self._prefix_keys[0])
        for keys, values in zip(self._prefix_keys, self._prefix_values, strict=True):
            groups, heads, _, _ = keys.shape
            shape = (groups * rows, heads, capacity)
            self._keys.append(keys.new_empty((*shape, keys.shape[3])))
            self._values.append(values.new_empty((*shape, values.shape[3])))

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new tokens' keys and values; return those of all of the rows' own tokens so far."""
        end = self.used + keys.shape[2]
        self._keys[layer][:, :, self.used : end] = keys
        self._values[layer][:, :, self.used : end] = values
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end]

    def advance(self, tokens: int) -> None:
        self.used += tokens

    def prefix(self, layer: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        return self._prefix_keys[layer], self._prefix_values[layer], self._prefix_mask

    def keep(self, groups: list[int], rows: torch.Tensor) -> None:
        """Keep the prompts `groups`, each with as many rows; `rows` are the flat indices of the rows to keep."""
        self.lengths = [self.lengths[group] for group in groups]
        self.rows = len(rows) // len(groups)
        for buffers in (self._keys, self._values):
            for layer, buffer in enumerate(buffers):
                kept = buffer.new_empty((len(rows), *buffer.shape[1:]))
                kept[:, :, : self.used] = buffer[rows, :, : self.used]
                buffers[layer] = kept
        chosen = torch.tensor(groups, device=rows.device)
        for buffers in (self._prefix_keys, self._prefix_values):
            for layer, buffer in enumerate(buffers):
                if len(groups) < len(buffer):
                    buffers[layer] = buffer[chosen]
        if self._prefix_mask is not None:
            self._prefix_mask = self._prefix_mask[chosen]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return max(self.lengths) + self.used


def shared_prefix_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    shared_prefix: SharedPrefixCache | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of new tokens over the shared prompt and over their rows' own tokens.

    query: (G*R, heads, new, dim); key, value: (G*R, key heads, so far, dim), the rows' own tokens only.
    Returns (G*R, new, heads, dim).
    """
    assert shared_prefix is not None
    if softcap is not None or kwargs.get("s_aux") is not None:
        raise UserError("this model's attention (soft-capped, or with sinks) is not supported by the local engine")
    cache = shared_prefix
    layer: int = module.layer_idx  # type: ignore[assignment]
    prefix_key, prefix_value, prefix_mask = cache.prefix(layer)
    count, heads, new, dim = query.shape
    key_heads = key.shape[1]
    repeat = heads // key_heads
    groups = prefix_key.shape[0]
    scaling = dim**-0.5 if scaling is None else scaling
    if sliding_window is not None and cache.get_seq_length() + new > sliding_window:
        raise UserError(
            f"this model's layers see {sliding_window} tokens only, fewer than the prompt and its completion: "
            "not yet supported by the local engine"
        )
    grouped = query.view(groups, cache.rows, key_heads, repeat, new, dim)
    over_prefix = grouped.transpose(1, 2).reshape(groups, key_heads, cache.rows * repeat * new, dim)
    scores = torch.matmul(over_prefix * scaling, prefix_key.transpose(-1, -2))
    if prefix_mask is not None:
        scores = scores + prefix_mask
    from_prefix, prefix_lse = _attend(scores, prefix_value)
    shape = (groups, key_heads, cache.rows, repeat * new)
    from_prefix = from_prefix.view(*shape, -1).transpose(1, 2).reshape(count, key_heads, repeat * new, -1)
    prefix_lse = prefix_lse.view(*shape, 1).transpose(1, 2).reshape(count, key_heads, repeat * new, 1)

    over_own = query.reshape(count, key_heads, repeat * new, dim)
    scores = torch.matmul(over_own * scaling, key.transpose(-1, -2))
    if new > 1:
        so_far = key.shape[2]
        future = torch.ones(new, so_far, dtype=torch.bool, device=key.device).triu(so_far - new + 1)
        scores = scores.masked_fill(future.repeat(repeat, 1), float("-inf"))
    from_own, own_lse = _attend(scores, value)

    share = torch.sigmoid(prefix_lse - own_lse)
    merged = from_prefix.float() * share + from_own.float() * (1 - share)
    return merged.to(query.dtype).reshape(count, heads, new, -1).transpose(1, 2), None


def _attend(scores: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted values, and the log-sum-exp (float32) of the scores they were weighted by."""
    scores = scores.float()
    lse = torch.logsumexp(scores, dim=-1, keepdim=True)
    return torch.matmul((scores - lse).exp().to(values.dtype), values), lse


AttentionInterface.register(ATTENTION, shared_prefix_attention)
