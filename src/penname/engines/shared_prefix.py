"""Attention for many sequences that share a prompt: the prompt's keys and values are stored, and read, once.

Attention of new tokens over a prompt is one matrix product for all sequences that continue it; attention over each
sequence's completion is computed separately; the two are merged by their log-sum-exp (Hydragen, arXiv 2402.05099,
section 3). The completions' keys and values are in buffers with spare room, so that a step copies nothing.

`shared_prefix_attention` has the signature of a transformers attention function, and the model is passed the cache, so
any decoder-only architecture whose layers call `cache.update` and then the attention function can use it
(`penname.engines.supported` registers it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from penname.engines.attention import reject_sinks
from penname.engines.packed_attention import packed_attention
from penname.engines.packed_sequence import Span

SHARED_PREFIX = "penname_shared_prefix"

GROWTH = 32
"""The completions' buffers grow by this many tokens: few copies, few unused slots."""


class SharedPrefixCache:
    """Key-value cache of prompts, each stored once, and of the sequences (completions) that continue them.

    batch_size: largest number of sequences at once.
    capacity: longest completion, in tokens.
    device: where keys and values are stored.

    `add_prompts` makes room for prompts; after `begin_prefill`, a forward pass over a packed sequence of prompts stores
    their keys and values; then `add_sequences` makes room for their completions. Repeating this lets other prompts join
    later. A model's layers call `update`.
    """

    is_compileable = False

    def __init__(self, batch_size: int, capacity: int, device: torch.device) -> None:
        self.lengths: list[int] = []
        self.prompt_indices: list[int] = []
        self._used: list[int] = []
        self._prefilling: dict[int, slice] = {}
        self._device = device
        self._batch_size = batch_size
        self._capacity = capacity
        self._prefix_keys: list[torch.Tensor] = []
        self._prefix_values: list[torch.Tensor] = []
        self._keys: list[_Buffer] = []
        self._values: list[_Buffer] = []
        self._masks: dict[int | None, tuple[torch.Tensor | None, torch.Tensor | None]] = {}

    def add_prompts(self, lengths: list[int]) -> range:
        """Make room for more prompts and return their indices in the cache.

        lengths: the prompts' numbers of tokens.
        """
        before = len(self.lengths)
        self.lengths = [*self.lengths, *lengths]
        for prefixes in (self._prefix_keys, self._prefix_values):
            for layer, tensor in enumerate(prefixes):
                shape = (len(self.lengths), tensor.shape[1], max(self.lengths), tensor.shape[3])
                prefixes[layer] = tensor.new_zeros(shape)
                prefixes[layer][:before, :, : tensor.shape[2]] = tensor
        return range(before, len(self.lengths))

    def begin_prefill(self, indices: Sequence[int], spans: Sequence[Span]) -> None:
        """Announce that the next forward pass is over a packed sequence of prompts.

        indices: the prompts' indices in the cache.
        spans: where each of them is in the packed sequence.
        """
        self._prefilling = {
            index: slice(span.start, span.prompt_end) for index, span in zip(indices, spans, strict=True)
        }

    def add_sequences(self, prompt_indices: list[int]) -> None:
        """Add sequences that do not have any tokens yet.

        prompt_indices: the index of each sequence's prompt in the cache.
        """
        self._prefilling = {}
        for buffer in (*self._keys, *self._values):
            buffer.add_sequences(len(prompt_indices))
        self._used += [0] * len(prompt_indices)
        self._assign([*self.prompt_indices, *prompt_indices])

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store the new tokens' keys and values; transformers' layers call this too, with further arguments.

        keys, values: those of prompts, (1, heads, tokens, dim), are returned as they are. For the sequences' new
            tokens, (batch, heads, new, dim), the keys and values of all their completions' tokens are returned, with
            some unused slots at the end.
        layer: the layer's index.
        """
        if not self._prefilling:
            return self._keys[layer].store(keys, self._at), self._values[layer].store(values, self._at)
        if layer == len(self._prefix_keys):
            shape = (len(self.lengths), keys.shape[1], max(self.lengths), keys.shape[3])
            self._prefix_keys.append(keys.new_zeros(shape))
            self._prefix_values.append(values.new_zeros((*shape[:3], values.shape[3])))
            self._keys.append(_Buffer(self._batch_size, keys.shape[1], self._capacity, keys.shape[3], keys))
            self._values.append(_Buffer(self._batch_size, keys.shape[1], self._capacity, values.shape[3], values))
        for index, span in self._prefilling.items():
            self._prefix_keys[layer][index, :, : self.lengths[index]] = keys[0, :, span]
            self._prefix_values[layer][index, :, : self.lengths[index]] = values[0, :, span]
        return keys, values

    def advance(self, new: int = 1) -> torch.Tensor:
        """Make room for `new` tokens in every sequence and return their positions, (batch, new).

        In a full sequence, which is no longer used, the last tokens are overwritten.
        """
        first = [min(used, self._capacity - new) for used in self._used]
        self._used = [used + new for used in first]
        for buffer in (*self._keys, *self._values):
            buffer.grow_to(max(self._used))
        depths = torch.tensor(first, device=self._device)[:, None] + torch.arange(new, device=self._device)
        self._at = (torch.arange(len(first), device=self._device)[:, None], slice(None), depths)
        self._positions = self._starts[:, None] + depths
        self._masks.clear()
        return self._positions

    def drop_last(self, tokens: Sequence[int]) -> None:
        """Drop the last `tokens[i]` tokens of sequence i; their slots will be overwritten."""
        self._used = [used - dropped for used, dropped in zip(self._used, tokens, strict=True)]

    def prefix(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The prompts' keys and values in the layer with this index, each (prompts, heads, tokens, dim), padded."""
        return self._prefix_keys[layer], self._prefix_values[layer]

    def keep(self, sequences: list[int]) -> None:
        """Keep only the sequences with these indices, and the prompts that they continue."""
        index = torch.tensor(sequences, dtype=torch.long, device=self._device)
        self._used = [self._used[i] for i in sequences]
        for buffer in (*self._keys, *self._values):
            buffer.keep(index, max(self._used, default=0))
        prompt_indices = [self.prompt_indices[i] for i in sequences]
        prompts = sorted(set(prompt_indices))
        if len(prompts) < len(self.lengths):
            self.lengths = [self.lengths[prompt] for prompt in prompts]
            chosen = torch.tensor(prompts, dtype=torch.long, device=self._device)
            for prefixes in (self._prefix_keys, self._prefix_values):
                for layer, prefix in enumerate(prefixes):
                    prefixes[layer] = prefix[chosen, :, : max(self.lengths, default=0)]
        self._assign([prompts.index(prompt) for prompt in prompt_indices])

    def _assign(self, prompt_indices: list[int]) -> None:
        """Group the sequences by prompt.

        `by_prompt` selects the sequences of each prompt, (prompts, largest group), padded to equal numbers;
        `ungrouped` selects from its flattened result each sequence's own entry. Only attention over the prompts needs
        this padding; everything else is computed for the sequences as they are.
        """
        self.prompt_indices = prompt_indices
        groups: list[list[int]] = [[] for _ in self.lengths]
        entries = []
        for sequence, prompt in enumerate(prompt_indices):
            entries.append((prompt, len(groups[prompt])))
            groups[prompt].append(sequence)
        largest = max(map(len, groups), default=0)
        padded = [group + group[:1] * (largest - len(group)) for group in groups]
        self.by_prompt = torch.tensor(padded, device=self._device)
        self.ungrouped = torch.tensor([prompt * largest + index for prompt, index in entries], device=self._device)
        self._starts = torch.tensor([self.lengths[prompt] for prompt in prompt_indices], device=self._device)

    def masks(self, slots: int, repeat: int, window: int | None) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """The additive masks of the new tokens' scores over prompts and over completions; None where none is needed.

        slots: slots of a completion in the buffers, in tokens.
        repeat: number of heads that share a key head.
        window: sliding window in tokens, the token itself included; None for no limit.

        A token attends to its prompt and to its completion up to itself. Layers of the same kind share the masks of a
        step.
        """
        longest = self.get_seq_length()
        if window is not None and longest <= window:
            window = None
        if window not in self._masks:
            prefix = torch.arange(max(self.lengths), device=self._device)
            hidden_prefix = (prefix >= torch.tensor(self.lengths, device=self._device)[:, None])[:, None]
            keys = torch.arange(slots, device=self._device)
            # (heads that share a key head) x (new tokens), the layout of the queries.
            positions = self._positions.repeat(1, repeat)
            depths = (positions - self._starts[:, None])[..., None]
            hidden = keys > depths
            if window is not None:
                hidden = hidden | (keys <= depths - window)
                hidden_prefix = hidden_prefix | (prefix <= positions[self.by_prompt].flatten(1)[..., None] - window)
            elif self._positions.shape[1] == 1:
                hidden = hidden[:, :1]
            prefix_visible = window is None and len(set(self.lengths)) == 1
            completion_visible = window is None and self._positions.shape[1] == 1 and set(self._used) == {slots}
            self._masks[window] = (
                None if prefix_visible else self._additive_mask(hidden_prefix[:, None]),
                None if completion_visible else self._additive_mask(hidden[:, None]),
            )
        return self._masks[window]

    def _additive_mask(self, hidden: torch.Tensor) -> torch.Tensor:
        dtype = self._prefix_keys[0].dtype
        # Finite: a fully masked prompt must get weight 0 beside the completion's tokens, not NaN.
        mask = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
        return mask.masked_fill_(hidden, torch.finfo(dtype).min / 2)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """An upper bound of the sequences' lengths in tokens, the new ones included; 0 while there are none.

        layer_idx: not used; transformers passes it.
        """
        return max(self.lengths, default=0) + max(self._used, default=0)


class _Buffer:
    """Keys or values of the completions' tokens in one layer: a contiguous tensor (batch, heads, slots, dim).

    It is contiguous because a matrix product with a slice of a tensor copies the slice first. So it is laid out anew
    when the batch or the slots grow, within memory that is allocated once: growing allocations would fragment the heap.
    """

    def __init__(self, batch_size: int, heads: int, capacity: int, dim: int, like: torch.Tensor) -> None:
        # Zeros: unused slots get weight 0, and 0 times NaN would be NaN.
        self._memory = like.new_zeros(batch_size * heads * capacity * dim)
        self._capacity = capacity
        self.tensor = self._view(0, heads, min(GROWTH, capacity), dim)

    def grow_to(self, slots: int) -> None:
        """Grow to at least this many slots for each completion."""
        if slots > self.tensor.shape[2]:
            self._resize(self.tensor.shape[0], min(max(slots, self.tensor.shape[2] + GROWTH), self._capacity))

    def store(self, new: torch.Tensor, at: tuple[torch.Tensor, slice, torch.Tensor]) -> torch.Tensor:
        """Store `new` (batch, heads, new tokens, dim) at the index `at` and return the whole tensor."""
        self.tensor[at] = new.transpose(1, 2)
        return self.tensor

    def add_sequences(self, count: int) -> None:
        self._resize(self.tensor.shape[0] + count, self.tensor.shape[2])

    def keep(self, sequences: torch.Tensor, slots: int) -> None:
        """Keep these sequences, and no more slots than their tokens need, rounded up."""
        kept = self.tensor[sequences, :, : -(-max(slots, 1) // GROWTH) * GROWTH]
        self.tensor = self._view(*kept.shape)
        self.tensor.copy_(kept)

    def _resize(self, batch_size: int, slots: int) -> None:
        """Lay the tensor out anew for more sequences or slots."""
        old = self.tensor.clone()
        self.tensor = self._view(batch_size, old.shape[1], slots, old.shape[3])
        self.tensor.zero_()
        self.tensor[: old.shape[0], :, : old.shape[2]] = old

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
    """Attention of each sequence's new tokens over its prompt and its completion; returns (batch, new, heads, dim).

    module: the model's attention layer.
    query: (batch, heads, new, dim).
    key, value: (batch, key heads, slots, dim), of the completions' tokens only.
    attention_mask: transformers' mask; not used.
    shared_prefix: the cache with the prompts; without it, this is attention in a packed sequence.
    spans: see `packed_attention`.
    scaling, sliding_window, softcap: see `causal_attention`.
    """
    if shared_prefix is None:
        return packed_attention(
            module, query, key, value, attention_mask, scaling, spans, sliding_window, softcap, **kwargs
        )
    reject_sinks(kwargs.get("s_aux"))
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
    """Like `shared_prefix_attention`, without the arguments that only transformers passes.

    layer: the layer's index.
    """
    batch, heads, new, dim = query.shape
    key_heads, slots = key.shape[1:3]
    repeat = heads // key_heads
    scaling = dim**-0.5 if scaling is None else scaling
    prefix_mask, completion_mask = cache.masks(slots, repeat, window)
    query = query.reshape(batch, key_heads, repeat * new, dim)
    prompts, largest = cache.by_prompt.shape
    by_prompt = query[cache.by_prompt].transpose(1, 2).reshape(prompts, key_heads, -1, dim)
    over_prefix, prefix_lse = _attend(by_prompt, *cache.prefix(layer), prefix_mask, scaling, softcap)
    per_sequence = (prompts, key_heads, largest, repeat * new, -1)
    over_prefix = over_prefix.view(per_sequence).transpose(1, 2).flatten(0, 1)[cache.ungrouped]
    prefix_lse = prefix_lse.view(per_sequence).transpose(1, 2).flatten(0, 1)[cache.ungrouped]

    over_completion, completion_lse = _attend(query, key, value, completion_mask, scaling, softcap)

    share = torch.sigmoid(prefix_lse - completion_lse).to(query.dtype)
    return torch.lerp(over_completion, over_prefix, share).reshape(batch, heads, new, -1).transpose(1, 2)


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
    # The highest score minus its log probability: one pass over the scores instead of three.
    lse = scores.amax(-1, keepdim=True).float() - probabilities.amax(-1, keepdim=True).log()
    return torch.matmul(probabilities.to(values.dtype), values), lse
