"""Llama inference on a CPU.

Apart from its matrix products, a step costs memory traffic and Python overhead, so both are kept low: one product for
queries, keys and values and one for gate and up projection, weights reordered once for oneDNN, residual additions fused
into the products, rotary embeddings as one complex product, and prefill in blocks of tokens that stay in the CPU's
cache from one product to the next. transformers is not imported: that takes longer than generating a text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

import torch
from torch.nn.functional import embedding, linear, pad, rms_norm, silu

from penname.engines.base import TokenIds
from penname.engines.memory import keep_freed_memory
from penname.engines.openings import KeptLayers, OpenedPrompts, Opening
from penname.engines.packed_attention import attend_packed
from penname.engines.packed_sequence import PackedSequence, Span
from penname.engines.shared_prefix import SharedPrefixCache, attend

BLOCK = 256
"""Tokens in a block of prefill."""


@dataclass(frozen=True)
class LlamaShape:
    """The part of a checkpoint's configuration that is used here; names and meanings are those of `LlamaConfig`."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    max_position_embeddings: int
    rope_theta: float
    tie_word_embeddings: bool


def load_llama(folder: Path, dtype: torch.dtype, *, reorder_weights: bool) -> LlamaDecoder | None:
    """Load the checkpoint in a folder; None where it is not a Llama in safetensors with the usual settings.

    folder: the checkpoint's folder.
    dtype: compute dtype.
    reorder_weights: see `LlamaDecoder`.
    """
    shape = _shape(folder)
    if shape is None:
        return None
    from safetensors.torch import load_file

    keep_freed_memory()
    weights: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("model*.safetensors")):
        weights |= load_file(file)
    return LlamaDecoder(shape, weights, dtype, reorder_weights)


def _shape(folder: Path) -> LlamaShape | None:
    files = {name: folder / name for name in ("config.json", "adapter_config.json")}
    if not files["config.json"].is_file() or files["adapter_config.json"].exists():
        return None
    config = json.loads(files["config.json"].read_text(encoding="utf-8"))
    rope = config.get("rope_parameters") or {}
    supported = (
        config.get("architectures") == ["LlamaForCausalLM"]
        and config.get("hidden_act") == "silu"
        and rope.get("rope_type") == "default"
        and not any(config.get(name) for name in ("attention_bias", "mlp_bias", "quantization_config"))
        and any(folder.glob("model*.safetensors"))
    )
    values = {name: config.get(name, rope.get(name)) for name in LlamaShape.__dataclass_fields__}
    return LlamaShape(**values) if supported and None not in values.values() else None


class _Linear:
    """A linear layer of several weight matrices (out, in), whose results are concatenated.

    reorder_weights: copy them into one matrix, reordered for oneDNN where it is available. Otherwise they stay
        memory-mapped in the checkpoint's file, which takes no time to load.
    """

    def __init__(self, *weights: torch.Tensor, reorder_weights: bool) -> None:
        self._by_onednn = _onednn_supports(weights[0].dtype)
        self._weights = (torch.cat(weights),) if reorder_weights and len(weights) > 1 else weights
        if reorder_weights and self._by_onednn:
            self._weights = (torch.ops.mkldnn._reorder_linear_weight(self._weights[0], BLOCK),)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._by_onednn:  # for small batches twice as fast as `linear`, even with weights in their original order
            rows = _filled_up(x)
            parts = [torch.ops.mkldnn._linear_pointwise(rows, weight, None, "none", [], "") for weight in self._weights]
        else:
            parts = [linear(x, weight) for weight in self._weights]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1))[: len(x)]

    def add_to(self, residual: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """`residual` plus the product of `x` and the only weight matrix."""
        (weight,) = self._weights
        if not self._by_onednn:
            return torch.addmm(residual, x, weight.T)
        rows, to = _filled_up(x), _filled_up(residual)
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(rows, to, weight, None, "add")
        return result[: len(x)]


def _filled_up(x: torch.Tensor) -> torch.Tensor:
    """Rows with some of zeros behind them, so that their number is one of few.

    For each number of rows oneDNN makes code of its own, which takes milliseconds, and keeps a limited number of these.
    For a single row it also sums products in another order: a text that is written alone would be rounded otherwise.
    """
    missing = _rows_computed(len(x)) - len(x)
    return pad(x, (0, 0, 0, missing)) if missing else x


def _rows_computed(rows: int) -> int:
    if rows <= 16:
        return max(2, rows)
    step = 8 if rows <= 64 else 32
    return -(-rows // step) * step


def _onednn_supports(dtype: torch.dtype) -> bool:
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class _Layer:
    """One layer's weights, and its computation before and after attention."""

    def __init__(self, shape: LlamaShape, pop: Callable[[str], torch.Tensor], reorder_weights: bool) -> None:
        heads, key_heads, dim = shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim
        self._heads = (heads, key_heads, key_heads)
        self._eps = shape.rms_norm_eps
        self._attention_norm, self._mlp_norm = pop("input_layernorm.weight"), pop("post_attention_layernorm.weight")
        query, key = (_pair_rotated_dimensions(pop(f"self_attn.{name}_proj.weight"), dim) for name in "qk")
        self._qkv = _Linear(query * dim**-0.5, key, pop("self_attn.v_proj.weight"), reorder_weights=reorder_weights)
        self._out = _Linear(pop("self_attn.o_proj.weight"), reorder_weights=reorder_weights)
        self._gate_up = _Linear(pop("mlp.gate_proj.weight"), pop("mlp.up_proj.weight"), reorder_weights=reorder_weights)
        self._down = _Linear(pop("mlp.down_proj.weight"), reorder_weights=reorder_weights)

    def project(self, x: torch.Tensor, rotations: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The queries, already scaled, keys and values of `x` (tokens, hidden), each (tokens, heads, dim)."""
        projected = self._qkv(rms_norm(x, x.shape[-1:], self._attention_norm, self._eps)).view(
            len(x), sum(self._heads), -1
        )
        _rotate(projected[:, : -self._heads[-1]], rotations)  # queries and keys
        return projected.split(self._heads, dim=1)

    def finish(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The layer's output from its input and the output of its attention, both (tokens, width)."""
        x = self._out.add_to(x, attended)
        gate, up = self._gate_up(rms_norm(x, x.shape[-1:], self._mlp_norm, self._eps)).chunk(2, dim=-1)
        return self._down.add_to(x, silu(gate).mul_(up))


@dataclass(frozen=True)
class _Part:
    """Tokens that are computed with others, apart from their attention.

    ids: (tokens,).
    rotations: their rotary embeddings, see `_rotations_at`.
    kept: the indices of those whose logits are returned.
    attention: from a layer's index and queries, already scaled, keys and values, each (tokens, heads, dim), it makes
        the result of the attention, (tokens, heads x dim).
    """

    ids: torch.Tensor
    rotations: torch.Tensor
    kept: torch.Tensor
    attention: Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class _Prompts:
    """The attention of packed prompts.

    cache: receives their keys and values.
    opened: the prompts, where some may go on behind an opening; None where all their tokens are computed.
    """

    spans: Sequence[Span]
    cache: SharedPrefixCache | KeptLayers | None
    opened: OpenedPrompts | None = None

    def __call__(self, layer: int, *projected: torch.Tensor) -> torch.Tensor:
        query, key, value = (tensor.transpose(0, 1)[None] for tensor in projected)
        if self.opened is not None:
            key, value = self.opened.whole(key, value, layer)
        if self.cache is not None:
            self.cache.store_prompts(key, value, layer)
        if self.opened is not None:
            return self.opened.attend(query, key, value)[0].flatten(1)
        return attend_packed(query, key, value, self.spans, 1.0)[0].flatten(1)


@dataclass(frozen=True)
class _NewTokens:
    """The attention of the new tokens of sequences. shape: batch and new tokens of each."""

    shape: Sequence[int]
    cache: SharedPrefixCache

    def __call__(self, layer: int, *projected: torch.Tensor) -> torch.Tensor:
        query, key, value = (tensor.view(*self.shape, *tensor.shape[1:]).transpose(1, 2) for tensor in projected)
        attended = attend(self.cache, layer, query, *self.cache.store_new(key, value, layer), 1.0)
        return attended.reshape(len(projected[0]), -1)


def _joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """The tensors one after the other; a single one is not copied."""
    return tensors[0] if len(tensors) == 1 else torch.cat([*tensors])


class LlamaDecoder:
    """A `Decoder` with the weights of a Llama checkpoint, on the CPU.

    shape: the checkpoint's configuration.
    weights: tensors by name; they are removed from the mapping one by one to save memory.
    dtype: compute dtype.
    reorder_weights: reorder the weights for oneDNN, which takes a second or more and makes steps of large batches up
        to twice as fast.
    """

    def __init__(
        self, shape: LlamaShape, weights: dict[str, torch.Tensor], dtype: torch.dtype, reorder_weights: bool
    ) -> None:
        self.device = torch.device("cpu")
        self.max_length: int | None = shape.max_position_embeddings
        self._eps = shape.rms_norm_eps
        self._openings: list[Opening] = []

        def pop(name: str) -> torch.Tensor:
            return weights.pop(name).to(dtype)

        with torch.inference_mode():
            self._embedding = pop("model.embed_tokens.weight")
            head = self._embedding if shape.tie_word_embeddings else pop("lm_head.weight")
            self._head = _Linear(head, reorder_weights=reorder_weights)
            self._norm = pop("model.norm.weight")
            self._layers = [
                _Layer(shape, partial(_pop_of_layer, pop, index), reorder_weights)
                for index in range(shape.num_hidden_layers)
            ]
            self._angles = shape.rope_theta ** -(torch.arange(0, shape.head_dim, 2).float() / shape.head_dim)
            self._rotations = self._compute_rotations(1024)

    def keep_opening(self, tokens: TokenIds) -> None:
        """See `Decoder.keep_opening`."""
        packed, kept = PackedSequence(), KeptLayers()
        last = packed.add_text(tokens)
        with torch.inference_mode():
            self._compute([self._prompts(packed, [last], kept, [])])
        self._openings.append(Opening(tuple(tokens), kept.keys, kept.values))

    def prefill(
        self, packed: PackedSequence, indices: Sequence[int], cache: SharedPrefixCache | None = None
    ) -> torch.Tensor:
        """See `Decoder.prefill`."""
        return self._compute([self._prompts(packed, indices, cache, [] if cache is None else self._openings)])

    def decode(self, ids: torch.Tensor, cache: SharedPrefixCache) -> torch.Tensor:
        """See `Decoder.decode`."""
        return self._compute([self._new_tokens(ids, cache)]).view(*ids.shape, -1)

    def decode_and_prefill(
        self, ids: torch.Tensor, packed: PackedSequence, indices: Sequence[int], cache: SharedPrefixCache
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Decoder.decode_and_prefill`: each weight is read once for both."""
        parts = [self._new_tokens(ids, cache), self._prompts(packed, indices, cache, self._openings)]
        decoded, prefilled = self._compute(parts).split([ids.numel(), len(indices)])
        return decoded.view(*ids.shape, -1), prefilled

    def _prompts(
        self,
        packed: PackedSequence,
        indices: Sequence[int],
        cache: SharedPrefixCache | KeptLayers | None,
        openings: Sequence[Opening],
    ) -> _Part:
        """The tokens of packed prompts that are computed. indices: those whose logits are."""
        ids, positions, kept = torch.tensor(packed.input_ids), torch.tensor(packed.position_ids), torch.tensor(indices)
        if not openings:
            return _Part(ids, self._rotations_at(positions), kept, _Prompts(packed.spans, cache))
        opened = OpenedPrompts(packed, openings)
        computed = torch.tensor(opened.computed)
        rotations, kept = self._rotations_at(positions[computed]), torch.searchsorted(computed, kept)
        return _Part(ids[computed], rotations, kept, _Prompts(packed.spans, cache, opened))

    def _new_tokens(self, ids: torch.Tensor, cache: SharedPrefixCache) -> _Part:
        """New tokens of sequences, (batch, new)."""
        rotations = self._rotations_at(cache.advance(ids.shape[1]).flatten())
        return _Part(ids.flatten(), rotations, torch.arange(ids.numel()), _NewTokens(ids.shape, cache))

    def _compute(self, parts: Sequence[_Part]) -> torch.Tensor:
        """Logits (tokens, vocabulary) of the tokens of each part whose logits are asked for."""
        sizes = [len(part.ids) for part in parts]
        begins = accumulate(sizes[:-1], initial=0)
        blocks = _joined([part.ids for part in parts]).split(BLOCK)
        rotations = _joined([part.rotations for part in parts]).split(BLOCK)
        xs: Sequence[torch.Tensor] = [embedding(block, self._embedding) for block in blocks]
        for index, layer in enumerate(self._layers):
            of_blocks = [layer.project(x, rotation) for x, rotation in zip(xs, rotations, strict=True)]
            projected = (_joined(tensors).split(sizes) for tensors in zip(*of_blocks, strict=True))
            of_parts = zip(parts, *projected, strict=True)
            attended = _joined([part.attention(index, *tensors) for part, *tensors in of_parts])
            if index == len(self._layers) - 1:  # only the tokens whose logits are returned go any further
                kept = _joined([part.kept + before for part, before in zip(parts, begins, strict=True)])
                xs, attended = _joined(xs)[kept].split(BLOCK), attended[kept]
            xs = [layer.finish(x, of_x) for x, of_x in zip(xs, attended.split(BLOCK), strict=True)]
        return self._logits(_joined(xs))

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return self._head(rms_norm(x, x.shape[-1:], self._norm, self._eps))

    def _rotations_at(self, positions: torch.Tensor) -> torch.Tensor:
        """The rotary embeddings of these positions, (tokens, 1, dim / 2), as complex numbers."""
        last = int(positions.max())
        if last >= len(self._rotations):
            self._rotations = self._compute_rotations(2 * last)
        return self._rotations[positions][:, None]

    def _compute_rotations(self, positions: int) -> torch.Tensor:
        angles = torch.outer(torch.arange(positions).float(), self._angles)
        return torch.polar(torch.ones_like(angles), angles)


def _pop_of_layer(pop: Callable[[str], torch.Tensor], index: int, name: str) -> torch.Tensor:
    return pop(f"model.layers.{index}.{name}")


def _pair_rotated_dimensions(weight: torch.Tensor, dim: int) -> torch.Tensor:
    """A projection's weight with its rows reordered so that dimensions rotated together are adjacent in each head.

    transformers pairs the first half of a head with the second; dot products of queries and keys do not depend on the
    order.
    """
    return weight.view(-1, 2, dim // 2, weight.shape[-1]).transpose(1, 2).reshape(weight.shape)


def _rotate(heads: torch.Tensor, rotations: torch.Tensor) -> None:
    """Rotate (tokens, heads, dim) in place, each pair of adjacent dimensions as one complex number."""
    pairs = heads.unflatten(-1, (-1, 2))
    if heads.dtype == torch.float32:
        torch.view_as_complex(pairs).mul_(rotations)
    else:
        pairs.copy_(torch.view_as_real(torch.view_as_complex(pairs.float()).mul_(rotations)))
