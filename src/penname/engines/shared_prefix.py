"""Attention for many sequences that share a prompt: the prompt's keys and values are stored, and read, once.

Attention of new tokens over a prompt is one matrix product for all sequences (rows) that continue it; attention over a
row's own completion is separate; the two are merged by their log-sum-exp (Hydragen, arXiv 2402.05099, section 3). The
completions' keys and values are in buffers with spare room, so that a step copies nothing.

`shared_prefix_attention` has the signature of a transformers attention function, and the model is passed the cache, so
any decoder-only architecture whose layers call `cache.update` and then the attention function can use it
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
"""The rows' buffers grow by this many tokens: few copies, few unused slots."""


class SharedPrefixCache:
    """Key-value cache of prompts, each stored once, and of the rows (completions) that continue them.

    rows: largest number of rows at once.
    capacity: longest row, in tokens.

    `open_prompts` makes room for prompts; after `read_prompts`, a forward pass over a packed row of prompts stores
    their keys and values; then `open_rows` makes room for their rows. Repeating this lets other prompts join later. A
    model's layers call `update`.
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
        """Make room for more prompts of these lengths and return their indices."""
        before = len(self.lengths)
        self.lengths = [*self.lengths, *lengths]
        for prefixes in (self._prefix_keys, self._prefix_values):
            for layer, held in enumerate(prefixes):
                shape = (len(self.lengths), held.shape[1], max(self.lengths), held.shape[3])
                prefixes[layer] = held.new_zeros(shape)
                prefixes[layer][:before, :, : held.shape[2]] = held
        return range(before, len(self.lengths))

    def read_prompts(self, numbers: Sequence[int], spans: Sequence[Span]) -> None:
        """Announce that the next forward pass is over these prompts, at `spans` of a packed row."""
        self._reading = {
            number: slice(span.start, span.prompt_end) for number, span in zip(numbers, spans, strict=True)
        }

    def open_rows(self, owners: list[int]) -> None:
        """Add empty rows; `owners` is the index of each row's prompt."""
        self._reading = {}
        for buffer in (*self._keys, *self._values):
            buffer.open_rows(len(owners))
        self._used += [0] * len(owners)
        self._assign([*self.owners, *owners])

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new tokens' keys and values.

        Those of prompts, (1, heads, tokens, dim), are returned as they are. For the rows' new tokens, (rows, heads,
        new, dim), all keys and values of the rows are returned, with some unused slots at the end.
        """
        if not self._reading:
            return self._keys[layer].put(keys, self._at), self._values[layer].put(values, self._at)
        if layer == len(self._prefix_keys):
            shape = (len(self.lengths), keys.shape[1], max(self.lengths), keys.shape[3])
            self._prefix_keys.append(keys.new_zeros(shape))
            self._prefix_values.append(values.new_zeros((*shape[:3], values.shape[3])))
            self._keys.append(_Buffer(self._rows, keys.shape[1], self._capacity, keys.shape[3], keys))
            self._values.append(_Buffer(self._rows, keys.shape[1], self._capacity, values.shape[3], values))
        for number, span in self._reading.items():
            self._prefix_keys[layer][number, :, : self.lengths[number]] = keys[0, :, span]
            self._prefix_values[layer][number, :, : self.lengths[number]] = values[0, :, span]
        return keys, values

    def advance(self, new: int = 1) -> torch.Tensor:
        """Make room for `new` tokens in every row and return their positions, (rows, new).

        In a full row, which is no longer used, the last tokens are overwritten.
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
        """Drop the last `tokens[i]` tokens of row i; their slots will be overwritten."""
        self._used = [used - dropped for used, dropped in zip(self._used, tokens, strict=True)]

    def prefix(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self._prefix_keys[layer], self._prefix_values[layer]

    def keep(self, rows: list[int]) -> None:
        """Keep only these rows, and the prompts that still have one."""
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
        """Group the rows by prompt: `by_prompt` selects each prompt's rows, padded to equal numbers; `back` undoes it.

        Only attention over the prompts needs this padding; everything else is computed for the rows as they are.
        """
        self.owners = owners
        members: list[list[int]] = [[] for _ in self.lengths]
        back = []
        for row, owner in enumerate(owners):
            back.append((owner, len(members[owner])))
            members[owner].append(row)
        most = max(map(len, members), default=0)
        self.by_prompt = torch.tensor([rows + rows[:1] * (most - len(rows)) for rows in members], device=self._device)
        self.back = torch.tensor([owner * most + index for owner, index in back], device=self._device)
        self._starts = torch.tensor([self.lengths[owner] for owner in owners], device=self._device)

    def masks(self, places: int, repeat: int, window: int | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The additive masks of the new tokens' scores over prompts and over the rows' own slots; None for no mask.

        places: slots of a row.
        repeat: heads that share a key head.
        window: sliding window in tokens, the token itself included; None for no limit.

        A token attends to its prompt and to its row up to itself. Layers of the same kind share the masks of a step.
        """
        longest = self.get_seq_length()
        if window is not None and longest <= window:
            window = None
        if window not in self._masks:
            prefix = torch.arange(max(self.lengths), device=self._device)
            beyond = (prefix >= torch.tensor(self.lengths, device=self._device)[:, None])[:, None]
            keys = torch.arange(places, device=self._device)
            # (heads that share a key head) x (new tokens), the layout of the queries.
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
        # Finite: a fully masked prompt must get weight 0 beside the row's own tokens, not NaN.
        mask = torch.zeros(unseen.shape, dtype=dtype, device=unseen.device)
        return mask.masked_fill_(unseen, torch.finfo(dtype).min / 2)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """An upper bound of the sequences' lengths, the new token included; 0 while there are none."""
        return max(self.lengths, default=0) + max(self._used, default=0)


class _Buffer:
    """Keys or values of the rows' own tokens in one layer: a contiguous tensor (rows, heads, slots, dim).

    It is contiguous because a matrix product with a slice of a tensor copies the slice first. So it is laid out anew
    when rows or slots grow, within memory that is allocated once: growing allocations would fragment the heap.
    """

    def __init__(self, rows: int, heads: int, capacity: int, dim: int, like: torch.Tensor) -> None:
        # Zeros: unused slots get weight 0, and 0 times NaN would be NaN.
        self._memory = like.new_zeros(rows * heads * capacity * dim)
        self._capacity = capacity
        self.held = self._view(0, heads, min(GROWTH, capacity), dim)

    def reach(self, slots: int) -> None:
        """Grow to at least so many slots a row."""
        if slots > self.held.shape[2]:
            self._lay(self.held.shape[0], min(max(slots, self.held.shape[2] + GROWTH), self._capacity))

    def put(self, new: torch.Tensor, at: tuple[torch.Tensor, slice, torch.Tensor]) -> torch.Tensor:
        """Store `new` (rows, heads, new tokens, dim) at the index `at` and return the whole buffer."""
        self.held[at] = new.transpose(1, 2)
        return self.held

    def open_rows(self, rows: int) -> None:
        self._lay(self.held.shape[0] + rows, self.held.shape[2])

    def keep(self, rows: torch.Tensor, slots: int) -> None:
        """Keep these rows, and no more slots than their tokens need, rounded up."""
        kept = self.held[rows, :, : -(-max(slots, 1) // GROWTH) * GROWTH]
        self.held = self._view(*kept.shape)
        self.held.copy_(kept)

    def _lay(self, rows: int, slots: int) -> None:
        """Lay the tokens out anew with more rows or slots."""
        old = self.held.clone()
        self.held = self._view(rows, old.shape[1], slots, old.shape[3])
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
    """Attention of each row's new tokens over its prompt and its own tokens; returns (rows, new, heads, dim).

    query: (rows, heads, new, dim).
    key, value: (rows, key heads, slots, dim), of the rows' own tokens only.
    shared_prefix: the cache with the prompts; without it, this is attention in a packed row.
    scaling, sliding_window, softcap: see `causal_attention`.
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
    """As `shared_prefix_attention`, for the layer with this index."""
    rows, heads, new, dim = query.shape
    key_heads, slots = key.shape[1:3]
    repeat = heads // key_heads
    scaling = dim**-0.5 if scaling is None else scaling
    prefix_mask, own_mask = cache.masks(slots, repeat, window)
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

    torch's fused kernel is twice as slow here: it is made for many queries, and a decoding step has few.
    """
    scores = torch.matmul(query * scaling, keys.transpose(-1, -2))
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if mask is not None:
        scores += mask
    probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32)
    # The highest score minus its log-probability: one pass over the scores instead of three.
    lse = scores.amax(-1, keepdim=True).float() - probabilities.amax(-1, keepdim=True).log()
    return torch.matmul(probabilities.to(values.dtype), values), lse
