"""What the local engine computes with: a model that reads prompts and writes on from them, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from penname.engines.llama import load_llama
from penname.engines.models import arithmetic, length_limit, load_model, locate_model, pick_device
from penname.engines.packed_row import PackedRow
from penname.engines.shared_prefix import ATTENTION, SharedPrefixCache

FEW_ROWS = 4
"""For no more rows than these it is not worth while to lay weights out anew."""


class Decoder(Protocol):
    """A decoder-only language model.

    limit: the most tokens of a text that it takes; None where it does not say.
    """

    device: torch.device
    limit: int | None

    def read(self, row: PackedRow, wanted: Sequence[int], cache: SharedPrefixCache | None = None) -> torch.Tensor:
        """Logits (wanted, vocabulary) at these places of a packed row; `cache` keeps its prompts' keys and values."""
        ...

    def write(self, ids: torch.Tensor, cache: SharedPrefixCache) -> torch.Tensor:
        """Logits (rows, new, vocabulary) after each of the rows' new tokens, `ids` (rows, new), which `cache` keeps."""
        ...


class TransformersDecoder:
    """Any model of transformers whose attention ours can stand for. Raises UserError for others."""

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
        given = {self._cache_name: cache, "shared_prefix": cache}
        out = self._model(input_ids=ids, position_ids=positions, use_cache=True, **given)
        logits: torch.Tensor = out.logits
        return logits


def make_decoder(model: str | Any, dtype: str, rows: int) -> Decoder:
    """A model of transformers, or one that is loaded: by our own code where that knows it, which is faster.

    model: the model itself, or its name as `load_model` takes it. dtype: as `load_model` takes it. rows: how many
    completions it is to write at once.
    Raises UserError where the model is not there, or computes attention otherwise than we can.
    """
    if not isinstance(model, str):
        return TransformersDecoder(model)
    if pick_device() == "cpu":
        own = load_llama(Path(locate_model(model)), getattr(torch, arithmetic(dtype)), lay_out=rows > FEW_ROWS)
        if own is not None:
            return own
    return TransformersDecoder(load_model(model, dtype))
