"""Our own decoder of Llamas computes what transformers' does, from the same checkpoint."""

import json

import pytest
import torch
import transformers

from penname.engines.base import Sampling
from penname.engines.decoders import TransformersDecoder, make_decoder
from penname.engines.llama import LlamaDecoder
from penname.engines.local import LocalEngine
from penname.engines.models import load_model
from penname.engines.packed_sequence import PackedSequence

SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "initializer_range": 0.3,
}
PROMPTS = [list(range(3, 3 + n)) for n in (9, 4, 300)]


def saved(folder, **changes):
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES | changes))
    for parameter in model.parameters():
        if parameter.dim() == 1:  # norms begin as ones, which would hide that one is left out
            parameter.data += 0.3 * torch.randn(parameter.shape)
    model.save_pretrained(folder, max_shard_size="40KB")  # in several files
    return str(folder)


@pytest.mark.parametrize("changes", [{"tie_word_embeddings": True}, {"num_key_value_heads": 4, "rope_theta": 100.0}])
@pytest.mark.parametrize("batch_size", [1, 64])
def test_scores_and_completions_equal_those_of_transformers(tmp_path, changes, batch_size):
    name = saved(tmp_path, **changes)
    prompts = [[token % 120 for token in prompt] for prompt in PROMPTS]
    own, other = (
        LocalEngine(name, "float32", batch_size),
        LocalEngine(load_model(name, "float32"), batch_size=batch_size),
    )
    candidates = [[[5, 6, 7], [8]], [[9, 10]], [[11], [12, 13]]]
    for mine, theirs in zip(own.score(prompts, candidates), other.score(prompts, candidates), strict=True):
        for one, another in zip(mine, theirs, strict=True):
            assert one == pytest.approx(another, rel=1e-4, abs=1e-4)
    for sampling in (Sampling(20, 0.0, 1.0, (1,)), Sampling(20, 0.8, 0.9, tuple(range(100, 106)))):
        seeds = [[1, 2], [3], [4, 5, 6]]
        assert own.generate(prompts, seeds, sampling) == other.generate(prompts, seeds, sampling)


def test_bfloat16_equals_that_of_transformers_up_to_rounding(tmp_path):
    name = saved(tmp_path, initializer_range=0.1)
    packed = PackedSequence()
    last = packed.add_text([token % 120 for token in PROMPTS[2]])
    exact, own, other = (
        decoder.prefill(packed, [last])[0].float().log_softmax(-1)
        for decoder in (
            TransformersDecoder(load_model(name, "float32")),
            make_decoder(name, "bfloat16", 64),
            TransformersDecoder(load_model(name, "bfloat16")),
        )
    )
    assert (own - exact).abs().mean() < 2 * (other - exact).abs().mean() + 1e-3


@pytest.mark.parametrize(
    "changes", [{"attention_bias": True}, {"rope_parameters": {"rope_type": "linear", "factor": 2.0}}]
)
def test_other_architectures_are_loaded_with_transformers(tmp_path, changes):
    name = saved(tmp_path)
    assert isinstance(make_decoder(name, "float32", 1), LlamaDecoder)
    config = json.loads((tmp_path / "config.json").read_text())
    config["rope_parameters"] |= changes.get("rope_parameters", {})
    (tmp_path / "config.json").write_text(json.dumps(config | {"attention_bias": "attention_bias" in changes}))
    assert isinstance(make_decoder(name, "float32", 1), TransformersDecoder)
