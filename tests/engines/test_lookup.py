"""Drafts save steps and do not change completions."""

import pytest
import torch
import transformers
from tests.engines.test_llama import SIZES, saved

from penname.engines import batch
from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.lookup import FIRST_LENGTH, PromptLookup


def test_a_draft_continues_an_earlier_occurrence():
    text = PromptLookup([1, 2, 3, 4, 5, 6, 9, 2, 3])
    assert text.draft(10) == [4, 5, 6, 9]
    assert text.draft(2) == [4, 5]
    text.add(7)
    assert text.draft(10) == []
    for token in (1, 2, 3):
        text.add(token)
    assert text.draft(3) == [4, 5, 6]  # not 7, which followed 2, 3 last: three tokens are known again


def test_drafts_are_longer_after_accepted_ones():
    text = PromptLookup([*range(40), 0, 1, 2])
    assert len(text.draft(40)) == FIRST_LENGTH
    text.adapt(FIRST_LENGTH, FIRST_LENGTH)
    assert len(text.draft(40)) == 2 * FIRST_LENGTH
    text.adapt(2 * FIRST_LENGTH, 0)
    assert len(text.draft(40)) == 1


def model_of(family, tmp_path):
    if family == "own":
        return saved(tmp_path)
    torch.manual_seed(0)
    if family == "gemma3":
        return transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(**SIZES, sliding_window=6)).eval()
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)).eval()


@pytest.mark.parametrize("family", ["own", "llama", "gemma3"])
@pytest.mark.parametrize("temperature", [0.0, 0.05])
def test_completions_are_the_same_with_and_without_drafts(family, temperature, tmp_path, monkeypatch):
    """Small models at a low temperature repeat themselves, so that most drafts are accepted, and some are not."""
    engine = LocalEngine(model_of(family, tmp_path), "float32", batch_size=2, workers=1)
    prompts = [[5, 6, 7, 8, 5, 6], [9, 10, 11, 9, 10, 11, 9]]
    sampling = Sampling(80, temperature, 1.0, ())
    steps = []
    decode = type(engine._decoder).decode

    def counted(self, ids, cache):
        steps.append(ids.shape[1])
        return decode(self, ids, cache)

    monkeypatch.setattr(type(engine._decoder), "decode", counted)
    drafted = engine.generate(prompts, [[1], [2]], sampling)
    with_drafts = len(steps)
    assert max(steps) > 1
    monkeypatch.setattr(batch, "DRAFT_BATCH", 0)
    assert engine.generate(prompts, [[1], [2]], sampling) == drafted
    if temperature == 0:
        assert with_drafts < len(steps) - with_drafts
    assert {n for n in steps[with_drafts:]} == {1}
