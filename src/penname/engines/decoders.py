"""The models behind the local engine: they prefill prompts and decode from them token by token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from penname.engines.llama import load_llama
from penname.engines.models import compute_dtype, length_limit, load_model, locate_model, pick_device
from penname.engines.packed_row import PackedRow
from penname.engines.shared_prefix import ATTENTION, SharedPrefixCache

FEW_ROWS = 4
"""Batch size up to which reordering the weights does not pay."""


class Decoder(Protocol):
    """A decoder-only language model.

    limit: longest text in tokens; None where the model states no limit.
    """

    device: torch.device
    limit: int | None

    def read(self, row: PackedRow, wanted: Sequence[int], cache: SharedPrefixCache | None = None) -> torch.Tensor:
        """Prefill: logits (wanted, vocabulary) at the positions `wanted` of a packed row.

        cache: receives the keys and values of the row's prompts.
        """
        ...

    def write(self, ids: torch.Tensor, cache: SharedPrefixCache) -> torch.Tensor:
        """Decode: logits (rows, new, vocabulary) after each of the new tokens.

        ids: the new tokens of each sequence, (rows, new).
        cache: holds the sequences so far, and receives the new tokens' keys and values.
        """
        ...


class TransformersDecoder:
    """Any transformers model whose attention can be replaced by ours. Raises UserError for others."""

    def __init__(self, model: Any) -> None:
        from penname.engines.supported import cache_name, take_attention

        take_attention(model, ATTENTION)
        self._model = model
        self._cache_name = cache_name(model)
        self.device: torch.device = model.device
        self.limit = length_limit(model.config)

    def read(self, row: PackedRow, wanted: Sequence[int], cache: SharedPrefixCache | None = None) -> torch.Tensor:
        """See `Decoder.read`."""
        out = self._model(
            **row.inputs(self.device),
            use_cache=cache is not None,
            logits_to_keep=torch.tensor(wanted, device=self.device),
            **{self._cache_name: cache},
        )
        logits: torch.Tensor = out.logits[0]
        return logits

    def write(self, ids: torch.Tensor, cache: SharedPrefixCache) -> torch.Tensor:
        """See `Decoder.write`."""
        positions = cache.advance(ids.shape[1])
        caches = {self._cache_name: cache, "shared_prefix": cache}
        out = self._model(input_ids=ids, position_ids=positions, use_cache=True, **caches)
        logits: torch.Tensor = out.logits
        return logits


def make_decoder(model: str | Any, dtype: str, rows: int) -> Decoder:
    """The decoder of a model: our own faster code where it supports the architecture, otherwise transformers.

    model: a loaded transformers model, or a name as for `load_model`.
    dtype: compute dtype, as for `load_model`.
    rows: batch size, in completions.

    Raises UserError where the model cannot be loaded, or its attention cannot be replaced by ours.
    """
    if not isinstance(model, str):
        return TransformersDecoder(model)
    if pick_device() == "cpu":
        llama = load_llama(Path(locate_model(model)), getattr(torch, compute_dtype(dtype)), lay_out=rows > FEW_ROWS)
        if llama is not None:
            return llama
    return TransformersDecoder(load_model(model, dtype))
