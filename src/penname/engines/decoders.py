"""The models behind the local engine: they prefill prompts and decode from them token by token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from penname.engines.base import TokenIds
from penname.engines.llama import load_llama
from penname.engines.models import compute_dtype, length_limit, load_model, locate_model, pick_device
from penname.engines.packed_sequence import PackedSequence
from penname.engines.shared_prefix import SHARED_PREFIX, SharedPrefixCache

SMALL_BATCH = 4
"""Batch size up to which reordering the weights does not pay."""


class Decoder(Protocol):
    """A decoder-only language model.

    device: where its weights and logits are.
    max_length: longest text in tokens; None where the model states no limit.
    """

    device: torch.device
    max_length: int | None

    def prefill(
        self, packed: PackedSequence, indices: Sequence[int], cache: SharedPrefixCache | None = None
    ) -> torch.Tensor:
        """Logits (indices, vocabulary) of a packed sequence.

        packed: the texts or prompts.
        indices: the tokens of the packed sequence whose logits are returned.
        cache: receives the keys and values of the prompts.
        """
        ...

    def keep_opening(self, tokens: TokenIds) -> None:
        """Compute once what many prompts begin with, where the decoder can go on behind it.

        tokens: those in front of all that differs between the prompts.
        """
        ...

    def decode(self, ids: torch.Tensor, cache: SharedPrefixCache) -> torch.Tensor:
        """Logits (batch, new, vocabulary) after each new token of a batch of sequences.

        ids: the new tokens of each sequence, (batch, new).
        cache: holds the sequences so far, and receives the new tokens' keys and values.
        """
        ...

    def decode_and_prefill(
        self, ids: torch.Tensor, packed: PackedSequence, indices: Sequence[int], cache: SharedPrefixCache
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What `decode` and `prefill` return, for sequences in progress and prompts that join them."""
        ...


class TransformersDecoder:
    """A `Decoder` of any transformers model whose attention can be replaced by ours.

    model: a loaded causal language model.

    Raises UserError for a model whose attention cannot be replaced.
    """

    def __init__(self, model: Any) -> None:
        from penname.engines.supported import cache_name, replace_attention

        replace_attention(model, SHARED_PREFIX)
        self._model = model
        self._cache_name = cache_name(model)
        self.device: torch.device = model.device
        self.max_length = length_limit(model.config)

    def prefill(
        self, packed: PackedSequence, indices: Sequence[int], cache: SharedPrefixCache | None = None
    ) -> torch.Tensor:
        """See `Decoder.prefill`."""
        out = self._model(
            **packed.model_inputs(self.device),
            use_cache=cache is not None,
            logits_to_keep=torch.tensor(indices, device=self.device),
            **{self._cache_name: cache},
        )
        if cache is not None:
            cache.end_prefill()
        logits: torch.Tensor = out.logits[0]
        return logits

    def keep_opening(self, tokens: TokenIds) -> None:
        """See `Decoder.keep_opening`; each prompt is computed whole here."""

    def decode(self, ids: torch.Tensor, cache: SharedPrefixCache) -> torch.Tensor:
        """See `Decoder.decode`."""
        positions = cache.advance(ids.shape[1])
        caches = {self._cache_name: cache, "shared_prefix": cache}
        out = self._model(input_ids=ids, position_ids=positions, use_cache=True, **caches)
        logits: torch.Tensor = out.logits
        return logits

    def decode_and_prefill(
        self, ids: torch.Tensor, packed: PackedSequence, indices: Sequence[int], cache: SharedPrefixCache
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Decoder.decode_and_prefill`."""
        prefilled = self.prefill(packed, indices, cache)
        return self.decode(ids, cache), prefilled


def make_decoder(model: str | Any, dtype: str, batch_size: int) -> Decoder:
    """The decoder of a model: our own faster code where it supports the architecture, otherwise transformers.

    model: a loaded transformers model, or a name as for `load_model`.
    dtype: compute dtype, as for `load_model`.
    batch_size: number of completions that will be decoded together.

    Raises UserError where the model cannot be loaded, or its attention cannot be replaced by ours.
    """
    if not isinstance(model, str):
        return TransformersDecoder(model)
    if pick_device() == "cpu":
        weights_dtype, reorder = getattr(torch, compute_dtype(dtype)), batch_size > SMALL_BATCH
        llama = load_llama(Path(locate_model(model)), weights_dtype, reorder_weights=reorder)
        if llama is not None:
            return llama
    return TransformersDecoder(load_model(model, dtype))
