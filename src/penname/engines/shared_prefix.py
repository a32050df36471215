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
from typing import Any, NamedTuple

import torch
from torch.nn.functional import pad

from penname.engines.attention import reject_sinks
from penname.engines.packed_attention import packed_attention
from penname.engines.packed_sequence import Span
from penname.engines.prefixes import Bucket, slots_for

SHARED_PREFIX = "penname_shared_prefix"

Masks = tuple[list[torch.Tensor | None], torch.Tensor | None]

LARGEST = 8
"""Largest number of prompts in a bucket on a GPU, unless more join at once: a bucket takes its whole memory at once."""

VECTORS = 64
"""At least as many numbers as a processor computes with at once."""

GROWTH = 32
"""The completions' buffers grow by this many tokens: few copies, few unused slots."""


class SharedPrefixCache:
    """Key-value cache of prompts, each stored once, and of the sequences (completions) that continue them.

    batch_size: largest number of sequences at once.
    capacity: longest completion, in tokens.
    device: where keys and values are stored.

    buckets: the prompts.

    `add_prompts` makes room for prompts; after `begin_prefill`, a forward pass over a packed sequence of prompts stores
    their keys and values; after `end_prefill`, `add_sequences` makes room for their completions. Repeating this lets
    other prompts join later. A model's layers call `update`, or what it calls: `store_prompts` and `store_new`.
    """

    is_compileable = False

    def __init__(self, batch_size: int, capacity: int, device: torch.device) -> None:
        self.buckets: list[Bucket] = []
        self._lengths: dict[int, int] = {}
        self._prompts: list[int] = []
        self._used: list[int] = []
        self._prefilling: list[tuple[Bucket, int, slice]] = []
        self._device = device
        self._batch_size = batch_size
        self._capacity = capacity
        self._keys: list[_Buffer] = []
        self._values: list[_Buffer] = []
        self._masks: dict[int | None, Masks] = {}

    def add_prompts(self, lengths: Sequence[int]) -> range:
        """Make room for more prompts and return their numbers.

        lengths: the prompts' numbers of tokens.
        """
        first = max(self._lengths, default=-1) + 1
        numbers = range(first, first + len(lengths))
        left = len(lengths)
        for number, length in sorted(zip(numbers, lengths, strict=True), key=lambda prompt: -prompt[1]):
            self._bucket(length, left).add(number, length)
            left -= 1
        self._lengths |= zip(numbers, lengths, strict=True)
        return numbers

    def _bucket(self, length: int, joining: int) -> Bucket:
        """The bucket with the least padding for a prompt of this length, a new one where none takes it.

        joining: number of prompts, this one and shorter ones, that join now.
        """
        taking = [bucket for bucket in self.buckets if bucket.takes(length)]
        if not taking:
            slots = slots_for(length)
            taking = [Bucket(slots, max(joining, self._room(slots)))]
            self.buckets += taking
        return min(taking, key=lambda bucket: bucket.slots)

    def _room(self, slots: int) -> int:
        """How many prompts a new bucket takes: it never grows, so that nothing is copied, and each costs a step time.

        On a GPU it is as large as all others with as many slots together, so that there are few of them.

        slots: the bucket's.
        """
        if self._device.type == "cpu":
            return self._batch_size  # what is not written to takes up addresses only
        present = sum(bucket.room for bucket in self.buckets if bucket.slots == slots)
        return min(LARGEST, present)

    def begin_prefill(self, prompts: Sequence[int], spans: Sequence[Span]) -> None:
        """Announce that the next forward pass is over a packed sequence of prompts.

        prompts: their numbers.
        spans: where each of them is in the packed sequence.
        """
        places = {prompt: (bucket, place) for bucket in self.buckets for place, prompt in enumerate(bucket.prompts)}
        self._prefilling = [
            (*places[prompt], slice(span.start, span.prompt_end)) for prompt, span in zip(prompts, spans, strict=True)
        ]

    def end_prefill(self) -> None:
        """Announce that the next forward pass is over the sequences' new tokens."""
        self._prefilling = []

    def add_sequences(self, prompts: Sequence[int]) -> None:
        """Add sequences that do not have any tokens yet.

        prompts: the number of each sequence's prompt.
        """
        for buffer in (*self._keys, *self._values):
            buffer.add_sequences(len(prompts))
        self._used += [0] * len(prompts)
        self._prompts += prompts
        self._assign()

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
            return self.store_new(keys, values, layer)
        self.store_prompts(keys, values, layer)
        return keys, values

    def store_prompts(self, keys: torch.Tensor, values: torch.Tensor, layer: int) -> None:
        """Store what `update` is passed in a prefill."""
        if layer == len(self._keys):
            self._keys.append(_Buffer(self._batch_size, keys.shape[1], self._capacity, keys.shape[3], keys))
            self._values.append(_Buffer(self._batch_size, keys.shape[1], self._capacity, values.shape[3], values))
        for bucket, place, span in self._prefilling:
            bucket.store(layer, place, keys[0, :, span], values[0, :, span])

    def store_new(self, keys: torch.Tensor, values: torch.Tensor, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Store what `update` is passed of the sequences' new tokens, and return what it returns."""
        return self._keys[layer].store(keys, self._at), self._values[layer].store(values, self._at)

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

    def keep(self, sequences: Sequence[int]) -> None:
        """Keep only the sequences with these indices, in ascending order, and the prompts that they continue."""
        if len(sequences) == len(self._used):
            return
        index = torch.tensor(sequences, dtype=torch.long, device=self._device)
        self._used = [self._used[i] for i in sequences]
        for buffer in (*self._keys, *self._values):
            buffer.keep(index, max(self._used, default=0))
        self._prompts = [self._prompts[i] for i in sequences]
        continued = {*self._prompts}
        for bucket in self.buckets:
            bucket.keep([place for place, prompt in enumerate(bucket.prompts) if prompt in continued])
        self.buckets = [bucket for bucket in self.buckets if bucket.prompts]
        self._lengths = {prompt: self._lengths[prompt] for prompt in continued}
        self._assign()

    def _assign(self) -> None:
        """Group the sequences by prompt.

        `by_prompt` selects the sequences of each prompt of each bucket, (prompts, largest group), padded to equal
        numbers; `ungrouped` selects from all buckets' flattened results each sequence's own entry. Only attention over
        the prompts needs this padding; everything else is computed for the sequences as they are.
        """
        groups: dict[int, list[int]] = {prompt: [] for prompt in self._lengths}
        for sequence, prompt in enumerate(self._prompts):
            groups[prompt].append(sequence)
        self.by_prompt = []
        entries = [0] * len(self._prompts)
        before = 0
        for bucket in self.buckets:
            largest = max(len(groups[prompt]) for prompt in bucket.prompts)
            padded = []
            for place, prompt in enumerate(bucket.prompts):
                group = groups[prompt]
                padded.append(group + group[:1] * (largest - len(group)))
                for index, sequence in enumerate(group):
                    entries[sequence] = before + place * largest + index
            self.by_prompt.append(torch.tensor(padded, device=self._device))
            before += len(padded) * largest
        self.ungrouped = torch.tensor(entries, device=self._device)
        self._starts = torch.tensor([self._lengths[prompt] for prompt in self._prompts], device=self._device)

    def masks(self, slots: int, repeat: int, window: int | None) -> Masks:
        """The additive masks of the new tokens' scores over the prompts of each bucket, and over completions.

        slots: slots of a completion in the buffers, in tokens.
        repeat: number of heads that share a key head.
        window: sliding window in tokens, the token itself included; None for no limit.

        A token attends to its prompt and to its completion up to itself. Layers of the same kind share the masks of a
        step.
        """
        if window is not None and self.get_seq_length() <= window:
            window = None
        if window not in self._masks:
            # (heads that share a key head) x (new tokens), the layout of the queries.
            positions = self._positions.repeat(1, repeat)
            over_prompts = [
                self._prompt_mask(bucket, positions[by_prompt], window)
                for bucket, by_prompt in zip(self.buckets, self.by_prompt, strict=False)
            ]
            self._masks[window] = over_prompts, self._completion_mask(slots, positions, window)
        return self._masks[window]

    def _prompt_mask(self, bucket: Bucket, positions: torch.Tensor, window: int | None) -> torch.Tensor | None:
        """The mask over a bucket's prompts; None where none is needed.

        positions: (prompts, largest group, new); prompts that are only joining are left out, they are the last.
        """
        lengths = bucket.lengths[: len(positions)]
        if window is None and {*lengths} == {bucket.slots}:
            return None
        slots = torch.arange(bucket.slots, device=self._device)
        hidden = (slots >= torch.tensor(lengths, device=self._device)[:, None])[:, None]
        if window is not None:
            hidden = hidden | (slots <= positions.flatten(1)[..., None] - window)
        return self._additive_mask(hidden[:, None])

    def _completion_mask(self, slots: int, positions: torch.Tensor, window: int | None) -> torch.Tensor | None:
        """The mask over completions; None where none is needed. positions: (batch, new)."""
        one_token = self._positions.shape[1] == 1
        if window is None and one_token and {*self._used} == {slots}:
            return None
        keys = torch.arange(slots, device=self._device)
        depths = (positions - self._starts[:, None])[..., None]
        hidden = keys > depths
        if window is not None:
            hidden = hidden | (keys <= depths - window)
        elif one_token:
            hidden = hidden[:, :1]
        return self._additive_mask(hidden[:, None])

    def _additive_mask(self, hidden: torch.Tensor) -> torch.Tensor:
        dtype = self._keys[0].tensor.dtype
        # Finite: a fully masked prompt must get weight 0 beside the completion's tokens, not NaN.
        mask = torch.zeros(hidden.shape, dtype=dtype, device=hidden.device)
        return mask.masked_fill_(hidden, torch.finfo(dtype).min / 2)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """An upper bound of the sequences' lengths in tokens, the new ones included; 0 while there are none.

        layer_idx: not used; transformers passes it.
        """
        return max(self._lengths.values(), default=0) + max(self._used, default=0)


class _Buffer:
    """Keys or values of the completions' tokens in one layer: a contiguous tensor (batch, heads, slots, dim).

    It is contiguous because a matrix product with a slice of a tensor copies the slice first. So it is laid out anew
    when the slots grow, within memory that is allocated once: growing allocations would fragment the heap.
    """

    def __init__(self, batch_size: int, heads: int, capacity: int, dim: int, like: torch.Tensor) -> None:
        # Not zeros: what is not written to takes up addresses only.
        self._memory = like.new_empty(batch_size * heads * capacity * dim)
        self._capacity = capacity
        self.tensor = self._view(0, heads, min(GROWTH, capacity), dim)

    def grow_to(self, slots: int) -> None:
        """Grow to at least this many slots for each completion."""
        if slots > self.tensor.shape[2]:
            self._lay_out(min(max(slots, self.tensor.shape[2] + GROWTH), self._capacity))

    def store(self, new: torch.Tensor, at: tuple[torch.Tensor, slice, torch.Tensor]) -> torch.Tensor:
        """Store `new` (batch, heads, new tokens, dim) at the index `at` and return the whole tensor."""
        self.tensor[at] = new.transpose(1, 2)
        return self.tensor

    def add_sequences(self, count: int) -> None:
        """Make room for more sequences behind the others, which stay where they are."""
        before, *shape = self.tensor.shape
        self.tensor = self._view(before + count, *shape)
        self.tensor[before:] = 0  # unused slots get weight 0, and 0 times NaN would be NaN

    def keep(self, sequences: torch.Tensor, slots: int) -> None:
        """Keep these sequences, and no more slots than their tokens need, rounded up."""
        kept = self.tensor[sequences, :, : -(-max(slots, 1) // GROWTH) * GROWTH]
        self.tensor = self._view(*kept.shape)
        self.tensor.copy_(kept)

    def _lay_out(self, slots: int) -> None:
        """Lay the tensor out anew, for more slots."""
        old = self.tensor.clone()
        self.tensor = self._view(*old.shape[:2], slots, old.shape[3])
        self.tensor.zero_()
        self.tensor[:, :, : old.shape[2]] = old

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
    prompt_masks, completion_mask = cache.masks(slots, repeat, window)
    query = query.reshape(batch, key_heads, repeat * new, dim)
    of_buckets = [
        _attend_prompts(query[by_prompt], *bucket.layer(layer, len(by_prompt)), mask, scaling, softcap)
        for bucket, by_prompt, mask in zip(cache.buckets, cache.by_prompt, prompt_masks, strict=False)
    ]
    over_prompt = _Attended(*(torch.cat(parts)[cache.ungrouped] for parts in zip(*of_buckets, strict=True)))
    over_completion = _attend(query, key, value, completion_mask, scaling, softcap)
    share = over_prompt.share_beside(over_completion).to(query.dtype)
    merged = torch.lerp(over_completion.values, over_prompt.values, share)
    return merged.reshape(batch, heads, new, -1).transpose(1, 2)


class _Attended(NamedTuple):
    """Attention of queries over some of their keys.

    values: (batch, heads, queries, dim).
    highest, probability: the highest score and what it is in the softmax, (batch, heads, queries, 1), float32.
    """

    values: torch.Tensor
    highest: torch.Tensor
    probability: torch.Tensor

    def share_beside(self, other: _Attended) -> torch.Tensor:
        """The share of these keys in the softmax over them and other keys together."""
        # A sum of exponentials, the denominator of a softmax, is that of the highest score over its probability.
        return 1 / (1 + _exp(other.highest - self.highest) * self.probability / other.probability)


def _exp(x: torch.Tensor) -> torch.Tensor:
    """exp(x), each element computed alike however many there are.

    Of a tensor's last elements torch computes those that do not fill a vector by other code, which rounds otherwise.
    """
    return pad(x.flatten(), (0, VECTORS)).exp_()[: x.numel()].view(x.shape)


def _attend_prompts(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    softcap: float | None,
) -> _Attended:
    """Attention over a bucket's prompts; its batch is prompts x group.

    query: of the sequences that continue each prompt, (prompts, group, key heads, queries, dim).
    """
    prompts, group, heads, queries, dim = query.shape
    together = query.transpose(1, 2).reshape(prompts, heads, group * queries, dim)
    attended = _attend(together, keys, values, mask, scaling, softcap)
    return _Attended(
        *(part.view(prompts, heads, group, queries, -1).transpose(1, 2).flatten(0, 1) for part in attended)
    )


def _attend(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    softcap: float | None,
) -> _Attended:
    """Attention of (batch, heads, queries, dim).

    torch's fused kernel is twice as slow here: it is made for many queries, and a decoding step has few.
    """
    scores = torch.matmul(query * scaling, keys.transpose(-1, -2))
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if mask is not None:
        scores += mask
    probabilities = torch.softmax(scores, dim=-1, dtype=torch.float32)
    attended = torch.matmul(probabilities.to(values.dtype), values)
    return _Attended(attended, scores.amax(-1, keepdim=True).float(), probabilities.amax(-1, keepdim=True))
