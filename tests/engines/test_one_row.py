"""A row alone is computed as among others, bit for bit, so that a text does not depend on what else is written."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest
import torch
from tests.engines.test_llama import saved

from penname.engines import batch
from penname.engines.base import Sampling
from penname.engines.batch import Batch, completions_of
from penname.engines.decoders import make_decoder
from penname.engines.llama import _Linear, _onednn_supports
from penname.engines.models import compute_dtype

SIZES = [(960, 576), (576, 576), (3072, 576), (576, 1536)]
"""Those of the bundled model: rows and columns of its weights."""


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("reorder", [True, False], ids=["reordered", "as they are"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_row_alone_is_computed_as_among_others(size, reorder, dtype):
    if not _onednn_supports(dtype):
        pytest.skip("this processor has no such arithmetic")
    random = torch.Generator().manual_seed(0)
    out, inputs = size
    weight = (torch.randn(size, generator=random) * 0.05).to(dtype)
    linear = _Linear(weight, reorder_weights=reorder)
    for _ in range(40):
        rows = torch.randn(33, inputs, generator=random).to(dtype)
        residual = torch.randn(33, out, generator=random).to(dtype)
        together, added = linear(rows), linear.add_to(residual, rows)
        for count in (1, 2, 5, 16):
            assert torch.equal(linear(rows[:count]), together[:count])
            assert torch.equal(linear.add_to(residual[:count], rows[:count]), added[:count])


SHAPE = {"hidden_size": 576, "intermediate_size": 1536, "num_attention_heads": 9, "num_key_value_heads": 3}
SHAPE |= {
    "head_dim": 64,
    "initializer_range": 0.05,
    "num_hidden_layers": 3,
    "vocab_size": 1000,
    "max_position_embeddings": 2048,
}
"""The bundled model's, with fewer layers."""

LENGTHS = (520, 270, 40, 300, 20)
"""Those of prompts that join one after the other: they share buckets of different sizes, and are padded differently."""


@pytest.mark.parametrize("dtype", sorted({"float32", compute_dtype()}))
def test_a_text_has_the_same_probabilities_alone_as_among_others(dtype, monkeypatch, tmp_path):
    if dtype == "bfloat16" and "ONEDNN_MAX_CPU_ISA" in os.environ:
        pytest.skip("a processor without bfloat16 computes in float32")
    monkeypatch.setattr(batch, "DRAFT_BATCH", 0)  # without bfloat16, products of many rows, as of drafts, are others
    decoder = make_decoder(saved(tmp_path, **SHAPE), dtype, 32)
    rng = random.Random(0)
    prompts = [[rng.randrange(2, 1000) for _ in range(length)] for length in LENGTHS]
    sampling = Sampling(6, 0.8, 0.95, ())

    def requests():
        return [
            completions_of(prompt, [number], replace(sampling, max_new_tokens=6 + 8 * number), most_likely=3)
            for number, prompt in enumerate(prompts)
        ]

    def write(written, joining):
        while joining or written.in_progress:
            written.step([joining.pop(0)] if joining else [])
            if written.in_progress % 2:  # the next one does not join at once
                written.step([])

    with torch.inference_mode():
        together = requests()
        write(Batch(decoder, 16, 64), [*together])
        for (among_others,), alone in zip(together, requests(), strict=True):
            write(Batch(decoder, 16, 64), [alone])
            assert alone[0].written.tokens == among_others.written.tokens
            assert alone[0].log_probs == among_others.log_probs
