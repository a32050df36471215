"""Repetition settings against transformers' logits processors, which are given the completion's tokens alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM, NoRepeatNGramLogitsProcessor, RepetitionPenaltyLogitsProcessor

from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.repetition import CompletionTokens, discourage_repetition

VOCABULARY = 7


@pytest.fixture(scope="module")
def model():
    """A random model, which repeats itself at once."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=400, num_key_value_heads=2, **sizes)).eval()


def history(tokens, n):
    made = CompletionTokens(n)
    for token in tokens:
        made.add(token)
    return made


@given(
    st.lists(st.lists(st.integers(0, VOCABULARY - 1), max_size=30), min_size=1, max_size=5),
    st.integers(1, 5),
    st.sampled_from([1.0, 1.3, 0.8]),
)
def test_logits_are_those_of_transformers_processors(rows, n, penalty):
    logits = torch.randn(len(rows), VOCABULARY, generator=torch.Generator().manual_seed(0))
    ours = discourage_repetition(logits.clone(), [history(tokens, n) for tokens in rows], penalty)
    for tokens, row, own in zip(rows, logits, ours, strict=True):
        expected = row[None]
        if tokens:
            ids = torch.tensor([tokens])
            expected = NoRepeatNGramLogitsProcessor(n)(ids, RepetitionPenaltyLogitsProcessor(penalty)(ids, expected))
        assert torch.equal(own, expected[0])


def test_without_settings_nothing_changes():
    logits = torch.randn(2, VOCABULARY)
    assert torch.equal(discourage_repetition(logits.clone(), [history([1, 1, 1, 1], 0)] * 2, 1.0), logits)


def processed_greedily(model, prompt, count, processors):
    """The most probable tokens after transformers' processors, one full forward pass per token."""
    written: list[int] = []
    for _ in range(count):
        with torch.no_grad():
            scores = model(torch.tensor([[*prompt, *written]])).logits[:, -1]
        for processor in processors if written else ():
            scores = processor(torch.tensor([written]), scores)
        written.append(int(scores.argmax()))
    return written


def test_the_engine_generates_what_the_processors_allow(model):
    """Several completions of several prompts, each with its own tokens."""
    engine = LocalEngine(model)
    prompts = [[5, 6, 7, 8], [100, 200, 300], [9, 9, 9]]
    written = engine.generate(
        prompts, [[0, 1]] * 3, Sampling(24, 0.0, 1.0, (), repetition_penalty=1.2, no_repeat_ngram=2)
    )
    plain = engine.generate(prompts, [[0]] * 3, Sampling(24, 0.0, 1.0, ()))
    model.set_attn_implementation("sdpa")
    processors = [RepetitionPenaltyLogitsProcessor(1.2), NoRepeatNGramLogitsProcessor(2)]
    for prompt, row in zip(prompts, written, strict=True):
        expected = processed_greedily(model, prompt, 24, processors)
        assert [completion.tokens for completion in row] == [expected, expected]
    assert [row[0].tokens for row in plain] != [row[0].tokens for row in written]


@pytest.mark.parametrize("n", [1, 3])
def test_no_sampled_completion_has_an_ngram_twice(model, n):
    written = LocalEngine(model).generate([[5, 6]], [range(4)], Sampling(60, 0.3, 1.0, (), no_repeat_ngram=n))[0]
    for completion in written:
        ngrams = [tuple(completion.tokens[i : i + n]) for i in range(len(completion.tokens) - n + 1)]
        assert len(ngrams) == 61 - n
        assert len(set(ngrams)) == len(ngrams)
