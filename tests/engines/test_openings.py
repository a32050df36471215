"""What all prompts begin with is computed once, and each of them is written on as if it had been computed whole."""

from __future__ import annotations

import random

import pytest
import torch
from tests.engines.test_llama import saved

from penname.engines.base import Sampling
from penname.engines.batch import Batch, completions_of
from penname.engines.decoders import make_decoder
from penname.engines.packed_sequence import PackedSequence
from penname.engines.shared_prefix import SharedPrefixCache
from penname.generate.by_model import ModelWriter, setup_of_model

OPENING = [*range(1, 40)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("model"))


def prompts():
    rng = random.Random(0)
    behind = [[rng.randrange(100) for _ in range(length)] for length in (1, 5, 300, 70)]
    return [*(OPENING + tokens for tokens in behind), OPENING, OPENING[:10], [7, *OPENING]]


def prefilled(decoder, texts):
    cache, packed = SharedPrefixCache(len(texts), 8, decoder.device), PackedSequence()
    numbers = cache.add_prompts([*map(len, texts)])
    ends = [packed.add_text(text) for text in texts]
    cache.begin_prefill(numbers, packed.spans)
    with torch.inference_mode():
        return decoder.prefill(packed, ends, cache), cache


def test_logits_keys_and_values_are_those_of_whole_prompts(model, monkeypatch):
    whole, opened = make_decoder(model, "float32", 8), make_decoder(model, "float32", 8)
    opened.keep_opening(OPENING)
    computed = []
    layer = type(opened._layers[0])
    project = layer.project
    monkeypatch.setattr(layer, "project", lambda self, x, *more: computed.append(len(x)) or project(self, x, *more))
    (expected, expected_cache), before = prefilled(whole, prompts()), sum(computed)
    computed.clear()
    found, cache = prefilled(opened, prompts())
    assert before - sum(computed) == 4 * len(OPENING) * len(whole._layers)
    assert torch.allclose(found, expected, atol=1e-4)
    for bucket, other in zip(cache.buckets, expected_cache.buckets, strict=True):
        for number in range(len(whole._layers)):
            layers = [one.layer(number, len(one.prompts)) for one in (bucket, other)]
            for tensors in zip(*layers, strict=True):
                assert torch.allclose(*tensors, atol=1e-4)


def test_the_longest_opening_counts(model):
    decoder = make_decoder(model, "float32", 8)
    expected, _ = prefilled(decoder, prompts())
    for length in (5, 39, 20):
        decoder.keep_opening(OPENING[:length])
    found, _ = prefilled(decoder, prompts())
    assert torch.allclose(found, expected, atol=1e-4)


def test_texts_are_those_of_whole_prompts(model):
    written = []
    for opening in ([], OPENING):
        decoder = make_decoder(model, "float32", 8)
        if opening:
            decoder.keep_opening(opening)
        asked = [completions_of(prompt, [n, n + 50], Sampling(9, 0.9, 0.95, ())) for n, prompt in enumerate(prompts())]
        batch = Batch(decoder, 14, 9)
        with torch.inference_mode():
            batch.step(asked[:4])
            batch.step(asked[4:])
            while batch.in_progress:
                batch.step([])
        written.append([[completion.written.tokens for completion in of_prompt] for of_prompt in asked])
    assert written[0] == written[1]


def test_an_opening_is_the_template_s_own_text():
    writer = ModelWriter(setup_of_model("bundled"))
    text = writer.renderer.decode(writer.opening)
    assert text.rstrip().endswith("instruction")
    assert len(writer.opening) > 50
