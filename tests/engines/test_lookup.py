"""Guessed tokens save steps and change nothing."""

import pytest
import torch
import transformers
from tests.engines.test_llama import SIZES, saved

from penname.engines import writing
from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.lookup import FIRST, Lookup


def test_a_text_is_guessed_to_go_on_as_before():
    text = Lookup([1, 2, 3, 4, 5, 6, 9, 2, 3])
    assert text.guess(10) == [4, 5, 6, 9]
    assert text.guess(2) == [4, 5]
    text.add(7)
    assert text.guess(10) == []
    for token in (1, 2, 3):
        text.add(token)
    assert text.guess(3) == [4, 5, 6]  # not 7, which followed 2, 3 last: three tokens are known again


def test_more_is_guessed_where_guesses_were_right():
    text = Lookup([*range(40), 0, 1, 2])
    assert len(text.guess(40)) == FIRST
    text.learn(FIRST, FIRST)
    assert len(text.guess(40)) == 2 * FIRST
    text.learn(2 * FIRST, 0)
    assert len(text.guess(40)) == 1


def model_of(family, tmp_path):
    if family == "own":
        return saved(tmp_path)
    torch.manual_seed(0)
    if family == "gemma3":
        return transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(**SIZES, sliding_window=6)).eval()
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)).eval()


@pytest.mark.parametrize("family", ["own", "llama", "gemma3"])
@pytest.mark.parametrize("temperature", [0.0, 0.05])
def test_texts_are_the_same_with_and_without_guesses(family, temperature, tmp_path, monkeypatch):
    """Small models at a low temperature go in circles, so that most guesses are right, and some are wrong."""
    engine = LocalEngine(model_of(family, tmp_path), "float32", rows=2, workers=1)
    prompts = [[5, 6, 7, 8, 5, 6], [9, 10, 11, 9, 10, 11, 9]]
    sampling = Sampling(80, temperature, 1.0, ())
    steps = []
    write = type(engine._decoder).write

    def counted(self, ids, cache):
        steps.append(ids.shape[1])
        return write(self, ids, cache)

    monkeypatch.setattr(type(engine._decoder), "write", counted)
    guessed = engine.generate(prompts, [[1], [2]], sampling)
    with_guesses = len(steps)
    assert max(steps) > 1
    monkeypatch.setattr(writing, "GUESS_ROWS", 0)
    assert engine.generate(prompts, [[1], [2]], sampling) == guessed
    if temperature == 0:
        assert with_guesses < len(steps) - with_guesses
    assert {n for n in steps[with_guesses:]} == {1}
