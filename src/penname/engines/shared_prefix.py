"""Attention for many rows that share a prompt: the prompt's keys and values are held, and read, once.

Attention of new tokens over a prompt is one matrix product for all rows that go on from it; attention over the
row's own tokens is separate; the two are merged by their log-sum-exp (Hydragen, arXiv 2402.05099, section 3). The
rows' own keys and values lie in buffers with room to spare, so that a step copies nothing.

`shared_prefix_attention` has the form of a transformers attention function, and the model is given the cache, so any
decoder-only architecture whose layers call `cache.update` and then the attention function can use it
(`penname.engines.supported` registers it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from penname.engines.attention import refuse_sinks
from penname.engines.packed_attention import packed_attention
from penname.engines.packed_row import Span

ATTENTION = "penname_shared_prefix"

GROWTH = 32
"""The rows' buffers grow by this many tokens: few copies, few empty places."""


class SharedPrefixCache:
    """Keys and values of the prompts, each held once, and of the rows that go on from them.

    rows: how many there may be at once; capacity: tokens a row may grow to.
    Room is made with `open_prompts`; after `read_prompts` a forward pass over a packed row of prompts leaves their keys
    and values here; then `open_rows` makes room for their rows. The same again later lets other prompts join. `update`
    is what a model's layers call.
    """

    is_compileable = False

    def __init__(self, rows: int, capacity: int, device: torch.device) -> None:
        self.lengths: list[int] = []
        self.owners: list[int] = []
        self._used: list[int] = []
        self._reading: dict[int, slice] = {}
        self._device = device
        self._rows = rows
        self._capacity = capacity
        self._prefix_keys: list[torch.Tensor] = []
        self._prefix_values: list[torch.Tensor] = []
        self._keys: list[_Buffer] = []
        self._values: list[_Buffer] = []
        self._masks: dict[int | None, tuple[torch.Tensor | None, torch.Tensor | None]] = {}

    def open_prompts(self, lengths: list[int]) -> range:
        """Make room for more prompts of these lengths; returns their numbers."""
        before = len(self.lengths)
        self.lengths = [*self.lengths, *lengths]
        for prefixes in (self._prefix_keys, self._prefix_values):
            for layer, held in enumerate(prefixes):
                shape = (len(self.lengths), held.shape[1], max(self.lengths), held.shape[3])
                prefixes[layer] = held.new_zeros(shape)
                prefixes[layer][:before, :, : held.shape[2]] = held
        return range(before, len(self.lengths))

    def read_prompts(self, numbers: Sequence[int], spans: Sequence[Span]) -> None:
        """The next forward pass is over these prompts, which lie at `spans` of a packed row."""
        self._reading = {
            number: slice(span.start, span.prompt_end) for number, span in zip(numbers, spans, strict=True)
        }

    def open_rows(self, owners: list[int]) -> None:
        """Add rows without tokens; each goes on from the prompt of that number."""
        self._reading = {}
        for buffer in (*self._keys, *self._values):
            buffer.open_rows(len(owners))
        self._used += [0] * len(owners)
        self._assign([*self.owners, *owners])

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new tokens' keys and values.

        Of prompts, (1, heads, tokens, dim): returned as they are. Of each row's new tokens, (rows, heads, new, dim):
        returned are the rows' own ones, with some empty places at the end.
        """
        if not self._reading:
            return self._keys[layer].put(keys, self._at), self._values[layer].put(values, self._at)
        if layer == len(self._prefix_keys):
            shape = (len(self.lengths), keys.shape[1], max(self.lengths), keys.shape[3])
            self._prefix_keys.append(keys.new_zeros(shape))
            self._prefix_values.append(values.new_zeros((*shape[:3], values.shape[3])))
            self._keys.append(_Buffer(self._rows, keys.shape[1], self._capacity, keys.shape[3], keys))
            self._values.append(_Buffer(self._rows, keys.shape[1], self._capacity, values.shape[3], values))
        for number, places in self._reading.items():
            self._prefix_keys[layer][number, :, : self.lengths[number]] = keys[0, :, places]
            self._prefix_values[layer][number, :, : self.lengths[number]] = values[0, :, places]
        return keys, values

    def advance(self, new: int = 1) -> torch.Tensor:
        """Make room for `new` tokens in every row; returns their positions (rows, new).

        A row that is full, which nobody reads any more, has its last tokens overwritten.
        """
        first = [min(used, self._capacity - new) for used in self._used]
        self._used = [used + new for used in first]
        for buffer in (*self._keys, *self._values):
            buffer.reach(max(self._used))
        depths = torch.tensor(first, device=self._device)[:, None] + torch.arange(new, device=self._device)
        self._at = (torch.arange(len(first), device=self._device)[:, None], slice(None), depths)
        self._positions = self._starts[:, None] + depths
        self._masks.clear()
        return self._positions

    def take_back(self, tokens: Sequence[int]) -> None:
        """Forget the last tokens of each row, so many as `tokens` says; their places are written anew."""
        self._used = [used - taken for used, taken in zip(self._used, tokens, strict=True)]

    def prefix(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._prefix_keys[layer], self._prefix_values[layer]

    def keep(self, rows: list[int]) -> None:
        """Keep `rows` only, and the prompts that still have one."""
        index = torch.tensor(rows, dtype=torch.long, device=self._device)
        self._used = [self._used[row] for row in rows]
        for buffer in (*self._keys, *self._values):
            buffer.keep(index, max(self._used, default=0))
        owners = [self.owners[row] for row in rows]
        groups = sorted(set(owners))
        if len(groups) < len(self.lengths):
            self.lengths = [self.lengths[group] for group in groups]
            chosen = torch.tensor(groups, dtype=torch.long, device=self._device)
            for prefixes in (self._prefix_keys, self._prefix_values):
                for layer, prefix in enumerate(prefixes):
                    prefixes[layer] = prefix[chosen, :, : max(self.lengths, default=0)]
        self._assign([groups.index(owner) for owner in owners])

    def _assign(self, owners: list[int]) -> None:
        """Lay the rows out by prompt: `by_prompt` picks each prompt's rows, padded to equal numbers; `back` undoes it.

        Only attention over the prompts is padded so; all else is computed for the rows as they are.
        """
        self.owners = owners
        members: list[list[int]] = [[] for _ in self.lengths]
        back = []
        for row, owner in enumerate(owners):
            back.append((owner, len(members[owner])))
            members[owner].append(row)
        most = max(map(len, members), default=0)
        self.by_prompt = torch.tensor([rows + rows[:1] * (most - len(rows)) for rows in members], device=self._device)
        self.back = torch.tensor([owner * most + place for owner, place in back], device=self._device)
        self._starts = torch.tensor([self.lengths[owner] for owner in owners], device=self._device)

    def masks(self, places: int, repeat: int, window: int | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """What is added to the new tokens' scores over the prompts and over the rows' own `places`; None for nothing.

        A token sees its prompt and its row's own tokens up to itself; with a sliding window, no more than the last
        `window` tokens, itself among them. Layers alike share the masks of a step.
        """
        longest = self.get_seq_length()
        if window is not None and longest <= window:
            window = None
        if window not in self._masks:
            prefix = torch.arange(max(self.lengths), device=self._device)
            beyond = (prefix >= torch.tensor(self.lengths, device=self._device)[:, None])[:, None]
            keys = torch.arange(places, device=self._device)
            # Heads that share a key x new tokens, as the queries are laid out.
            positions = self._positions.repeat(1, repeat)
            depths = (positions - self._starts[:, None])[..., None]
            unseen = keys > depths
            if window is not None:
                unseen = unseen | (keys <= depths - window)
                beyond = beyond | (prefix <= positions[self.by_prompt].flatten(1)[..., None] - window)
            elif self._positions.shape[1] == 1:
                unseen = unseen[:, :1]
            plain_prefix = window is None and len(set(self.lengths)) == 1
            plain_rows = window is None and self._positions.shape[1] == 1 and set(self._used) == {places}
            self._masks[window] = (
                None if plain_prefix else self._added(beyond[:, None]),
                None if plain_rows else self._added(unseen[:, None]),
            )
        return self._masks[window]

    def _added(self, unseen: torch.Tensor) -> torch.Tensor:
        dtype = self._prefix_keys[0].dtype
        # Not infinity: a prompt all out of sight must weigh nothing beside the row's own tokens, not be undefined.
        mask = torch.zeros(unseen.shape, dtype=dtype, device=unseen.device)
        return mask.masked_fill_(unseen, torch.finfo(dtype).min / 2)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """An upper bound of the rows' lengths, the new token included; 0 while there are none."""
        return max(self.lengths, default=0) + max(self._used, default=0)


class _Buffer:
    """Keys or values of the rows' own tokens in one layer, (rows, heads, places, dim) in one piece.

    In one piece, because a matrix product of a part of a tensor copies it first. So the places grow with the rows,
    within memory that is taken once: blocks that grow again and again leave holes that nothing else fits into.
    """

    def __init__(self, rows: int, heads: int, capacity: int, dim: int, like: torch.Tensor) -> None:
        # Zeros, because empty places get a weight of 0, and 0 times what is not a number is not a number.
        self._memory = like.new_zeros(rows * heads * capacity * dim)
        self._capacity = capacity
        self.held = self._view(0, heads, min(GROWTH, capacity), dim)

    def reach(self, places: int) -> None:
        """Hold so many places a row at least."""
        if places > self.held.shape[2]:
            self._lay(self.held.shape[0], min(max(places, self.held.shape[2] + GROWTH), self._capacity))

    def put(self, new: torch.Tensor, at: tuple[torch.Tensor, slice, torch.Tensor]) -> torch.Tensor:
        """Lay `new` (rows, heads, new tokens, dim) at the rows' next places; return all places."""
        self.held[at] = new.transpose(1, 2)
        return self.held

    def open_rows(self, rows: int) -> None:
        self._lay(self.held.shape[0] + rows, self.held.shape[2])

    def keep(self, rows: torch.Tensor, places: int) -> None:
        """Keep these rows, and no more places than they have tokens in, rounded up."""
        kept = self.held[rows, :, : -(-max(places, 1) // GROWTH) * GROWTH]
        self.held = self._view(*kept.shape)
        self.held.copy_(kept)

    def _lay(self, rows: int, places: int) -> None:
        """The same tokens in more rows or places."""
        old = self.held.clone()
        self.held = self._view(rows, old.shape[1], places, old.shape[3])
        self.held.zero_()
        self.held[: old.shape[0], :, : old.shape[2]] = old

    def _view(self, *shape: int) -> torch.Tensor:
        return self._memory[: math.prod(shape)].view(shape)


def shared_prefix_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    shared_prefix: SharedPrefixCache | None = None,
    spans: Sequence[Span] = (),
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of each row's new tokens over the row's prompt and over the row's own tokens.

    Without `shared_prefix` it is attention in a packed row.

    query: (rows, heads, new, dim); key, value: (rows, key heads, places, dim), the rows' own tokens only.
    Returns (rows, new, heads, dim).
    """
    if shared_prefix is None:
        return packed_attention(
            module, query, key, value, attention_mask, scaling, spans, sliding_window, softcap, **kwargs
        )
    refuse_sinks(kwargs.get("s_aux"))
    layer: int = module.layer_idx  # type: ignore[assignment]
    return attend(shared_prefix, layer, query, key, value, scaling, sliding_window, softcap), None


def attend(
    cache: SharedPrefixCache,
    layer: int,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None = None,
    window: int | None = None,
    softcap: float | None = None,
) -> torch.Tensor:
    """As `shared_prefix_attention`, in the layer of this number."""
    rows, heads, new, dim = query.shape
    key_heads, places = key.shape[1:3]
    repeat = heads // key_heads
    scaling = dim**-0.5 if scaling is None else scaling
    prefix_mask, own_mask = cache.masks(places, repeat, window)
    query = query.reshape(rows, key_heads, repeat * new, dim)
    prompts, most = cache.by_prompt.shape
    by_prompt = query[cache.by_prompt].transpose(1, 2).reshape(prompts, key_heads, -1, dim)
    over_prefix, prefix_lse = _attend(by_prompt, *cache.prefix(layer), prefix_mask, scaling, softcap)
    by_row = (prompts, key_heads, most, repeat * new, -1)
    over_prefix = over_prefix.view(by_row).transpose(1, 2).flatten(0, 1)[cache.back]
    prefix_lse = prefix_lse.view(by_row).transpose(1, 2).flatten(0, 1)[cache.back]

    over_own, own_lse = _attend(query, key, value, own_mask, scaling, softcap)

    share = torch.sigmoid(prefix_lse - own_lse).to(query.dtype)
    return torch.lerp(over_own, over_prefix, share).reshape(rows, heads, new, -1).transpose(1, 2)


def _attend(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    softcap: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention (batch, heads, queries, dim), and the log-sum-exp of its scores (batch, heads, queries, 1), float32.

    torch's fused kernel is twice as slow here: it is made for many queries, and a step has a few a row.
    """
    scores = torch.matmul(query * scaling, keys.transpose(-1, -2))
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if mask is not None:
        scores += mask
    probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32)
    # The most probable key's score less its log-probability: one pass over the scores instead of three.
    lse = scores.amax(-1, keepdim=True).float() - probabilities.amax(-1, keepdim=True).log()
    return torch.matmul(probabilities.to(values.dtype), values), lse
