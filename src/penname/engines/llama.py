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
from pathlib import Path

import torch
from torch.nn.functional import embedding, linear, rms_norm, silu

from penname.engines.memory import keep_memory
from penname.engines.packed_attention import attend_packed
from penname.engines.packed_row import PackedRow
from penname.engines.shared_prefix import SharedPrefixCache, attend

BLOCK = 256
"""Tokens in a block of prefill."""


@dataclass(frozen=True)
class LlamaShape:
    """The part of a checkpoint's configuration that is used here; names and meanings are those of transformers."""

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


def load_llama(folder: Path, dtype: torch.dtype, *, lay_out: bool) -> LlamaDecoder | None:
    """Load the checkpoint in a folder; None where it is not a plain Llama in safetensors.

    dtype: compute dtype.
    lay_out: see `LlamaDecoder`.
    """
    shape = _shape(folder)
    if shape is None:
        return None
    from safetensors.torch import load_file

    keep_memory()
    weights: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("model*.safetensors")):
        weights |= load_file(file)
    return LlamaDecoder(shape, weights, dtype, lay_out)


def _shape(folder: Path) -> LlamaShape | None:
    files = {name: folder / name for name in ("config.json", "adapter_config.json")}
    if not files["config.json"].is_file() or files["adapter_config.json"].exists():
        return None
    config = json.loads(files["config.json"].read_text(encoding="utf-8"))
    rope = config.get("rope_parameters") or {}
    plain = (
        config.get("architectures") == ["LlamaForCausalLM"]
        and config.get("hidden_act") == "silu"
        and rope.get("rope_type") == "default"
        and not any(config.get(name) for name in ("attention_bias", "mlp_bias", "quantization_config"))
        and any(folder.glob("model*.safetensors"))
    )
    values = {name: config.get(name, rope.get(name)) for name in LlamaShape.__dataclass_fields__}
    return LlamaShape(**values) if plain and None not in values.values() else None


class _Product:
    """A product with several weight matrices (out, in), whose results are concatenated.

    lay_out: copy them into one matrix, reordered for oneDNN where it is available. Otherwise they stay memory-mapped in
        the checkpoint's file, which takes no time to load.
    """

    def __init__(self, *weights: torch.Tensor, lay_out: bool) -> None:
        self._by_onednn = _onednn_takes(weights[0].dtype)
        self._weights = (torch.cat(weights),) if lay_out and len(weights) > 1 else weights
        if lay_out and self._by_onednn:
            self._weights = (torch.ops.mkldnn._reorder_linear_weight(self._weights[0], BLOCK),)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._by_onednn:  # for small batches twice as fast as `linear`, even with weights in their original order
            parts = [torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "") for weight in self._weights]
        else:
            parts = [linear(x, weight) for weight in self._weights]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def added_to(self, rest: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """`rest` plus the product with the only weight matrix."""
        (weight,) = self._weights
        if not self._by_onednn:
            return torch.addmm(rest, x, weight.T)
        result: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, rest, weight, None, "add")
        return result


def _onednn_takes(dtype: torch.dtype) -> bool:
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class _Layer:
    """One layer's weights, and its computation before and after attention."""

    def __init__(self, shape: LlamaShape, take: Callable[[str], torch.Tensor], lay_out: bool) -> None:
        heads, key_heads, dim = shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim
        self._heads = (heads, key_heads, key_heads)
        self._eps = shape.rms_norm_eps
        self._norm, self._second_norm = take("input_layernorm.weight"), take("post_attention_layernorm.weight")
        query, key = (_in_pairs(take(f"self_attn.{name}_proj.weight"), dim) for name in "qk")
        self._qkv = _Product(query * dim**-0.5, key, take("self_attn.v_proj.weight"), lay_out=lay_out)
        self._out = _Product(take("self_attn.o_proj.weight"), lay_out=lay_out)
        self._gate_up = _Product(take("mlp.gate_proj.weight"), take("mlp.up_proj.weight"), lay_out=lay_out)
        self._down = _Product(take("mlp.down_proj.weight"), lay_out=lay_out)

    def project(self, x: torch.Tensor, turns: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The queries, already scaled, keys and values of x (tokens, hidden), each (tokens, heads, dim)."""
        projected = self._qkv(rms_norm(x, x.shape[-1:], self._norm, self._eps)).view(len(x), sum(self._heads), -1)
        turned = projected[:, : -self._heads[-1]]
        _turn(turned, turns)
        return projected.split(self._heads, dim=1)

    def finish(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """The layer's output from its input and the output of its attention, both (tokens, width)."""
        x = self._out.added_to(x, attended)
        gate, up = self._gate_up(rms_norm(x, x.shape[-1:], self._second_norm, self._eps)).chunk(2, dim=-1)
        return self._down.added_to(x, silu(gate).mul_(up))


class LlamaDecoder:
    """A `Decoder` with the weights of a Llama checkpoint.

    weights: tensors by name; they are removed from the mapping one by one to save memory.
    dtype: compute dtype.
    lay_out: reorder the weights for oneDNN, which takes a second or more and makes steps of large batches up to twice
        as fast.
    """

    def __init__(self, shape: LlamaShape, weights: dict[str, torch.Tensor], dtype: torch.dtype, lay_out: bool) -> None:
        self.device = torch.device("cpu")
        self.limit: int | None = shape.max_position_embeddings
        self._eps = shape.rms_norm_eps

        def take(name: str) -> torch.Tensor:
            return weights.pop(name).to(dtype)

        with torch.inference_mode():
            self._embedding = take("model.embed_tokens.weight")
            head = self._embedding if shape.tie_word_embeddings else take("lm_head.weight")
            self._head = _Product(head, lay_out=lay_out)
            self._norm = take("model.norm.weight")
            self._layers = [
                _Layer(shape, partial(_of_layer, take, number), lay_out) for number in range(shape.num_hidden_layers)
            ]
            self._angles = shape.rope_theta ** -(torch.arange(0, shape.head_dim, 2).float() / shape.head_dim)
            self._turns = self._turns_to(1024)

    def read(self, row: PackedRow, wanted: Sequence[int], cache: SharedPrefixCache | None = None) -> torch.Tensor:
        """See `Decoder.read`."""
        blocks = torch.tensor(row.input_ids).split(BLOCK)
        turns = self._turns_at(torch.tensor(row.position_ids)).split(BLOCK)
        xs = [embedding(block, self._embedding) for block in blocks]
        for number, layer in enumerate(self._layers):
            parts = zip(*(layer.project(x, turn) for x, turn in zip(xs, turns, strict=True)), strict=True)
            query, key, value = (torch.cat([*part]).transpose(0, 1)[None] for part in parts)
            if cache is not None:
                cache.update(key, value, number)
            attended = attend_packed(query, key, value, row.spans, 1.0)[0].flatten(1)
            if number == len(self._layers) - 1:  # only the wanted tokens go any further
                index = torch.tensor(wanted)
                xs, attended = [torch.cat(xs)[index]], attended[index]
            xs = [layer.finish(x, part) for x, part in zip(xs, attended.split([len(x) for x in xs]), strict=True)]
        return self._logits(xs[0])

    def write(self, ids: torch.Tensor, cache: SharedPrefixCache) -> torch.Tensor:
        """See `Decoder.write`."""
        rows, new = ids.shape
        turns = self._turns_at(cache.advance(new).flatten())
        x = embedding(ids.flatten(), self._embedding)
        for number, layer in enumerate(self._layers):
            parts = layer.project(x, turns)
            query, key, value = (part.view(rows, new, *part.shape[1:]).transpose(1, 2) for part in parts)
            attended = attend(cache, number, query, *cache.update(key, value, number), 1.0)
            x = layer.finish(x, attended.reshape(len(x), -1))
        return self._logits(x).view(rows, new, -1)

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        return self._head(rms_norm(x, x.shape[-1:], self._norm, self._eps))

    def _turns_at(self, positions: torch.Tensor) -> torch.Tensor:
        """(tokens, 1, dim / 2) complex numbers that rotate queries and keys at these positions."""
        last = int(positions.max())
        if last >= len(self._turns):
            self._turns = self._turns_to(2 * last)
        return self._turns[positions][:, None]

    def _turns_to(self, positions: int) -> torch.Tensor:
        angles = torch.outer(torch.arange(positions).float(), self._angles)
        return torch.polar(torch.ones_like(angles), angles)


def _of_layer(take: Callable[[str], torch.Tensor], number: int, name: str) -> torch.Tensor:
    return take(f"model.layers.{number}.{name}")


def _in_pairs(weight: torch.Tensor, dim: int) -> torch.Tensor:
    """A projection's weight with its rows reordered so that dimensions rotated together are adjacent in each head.

    transformers pairs the first half of a head with the second; dot products of queries and keys do not depend on the
    order.
    """
    return weight.view(-1, 2, dim // 2, weight.shape[-1]).transpose(1, 2).reshape(weight.shape)


def _turn(heads: torch.Tensor, turns: torch.Tensor) -> None:
    """Rotate (tokens, heads, dim) in place, each pair of adjacent dimensions as one complex number."""
    pairs = heads.unflatten(-1, (-1, 2))
    if heads.dtype == torch.float32:
        torch.view_as_complex(pairs).mul_(turns)
    else:
        pairs.copy_(torch.view_as_real(torch.view_as_complex(pairs.float()).mul_(turns)))
