"""The local engine against transformers' own generate and a plain forward pass, on the bundled model."""

import numpy as np
import pytest
import torch
import transformers
from scipy import stats
from tests.engines.test_supported import SIZES, assert_right

from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.models import load_model, load_tokenizer
from penname.engines.sampling import next_tokens, sample_seed, uniform_numbers
from penname.errors import UserError

QUESTIONS = ("What is the capital of France?", "Name three colours, please, and say why you like them.", "Hello")


@pytest.fixture(scope="module")
def model(bundled):
    return load_model(bundled, "float32")


@pytest.fixture(scope="module")
def tokenizer(bundled):
    return load_tokenizer(bundled)


@pytest.fixture(scope="module")
def prompts(tokenizer):
    turns = [[{"role": "user", "content": q}] for q in QUESTIONS]
    return [tokenizer.apply_chat_template(t, add_generation_prompt=True).input_ids for t in turns]


def test_greedy_tokens_are_those_of_generate(model, tokenizer, prompts):
    stop = (tokenizer.eos_token_id,)
    written = LocalEngine(model).generate(prompts, [[0]] * 3, Sampling(24, 0.0, 1.0, stop))
    model.set_attn_implementation("sdpa")
    for prompt, (own,) in zip(prompts, written, strict=True):
        plain = model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0, len(prompt) :]
        finished = plain[-1] == tokenizer.eos_token_id
        assert own.tokens == plain.tolist()[: -1 if finished else None]
        assert own.finish_reason == ("stop" if finished else "length")


def test_scores_are_those_of_a_plain_forward_pass(model, prompts):
    candidates = [[[5, 600, 7, 80], [9]], [[11, 12], [13, 14, 15]], [[16], [17, 18, 19]]]
    scored = LocalEngine(model).score(prompts, candidates)
    model.set_attn_implementation("sdpa")
    for prompt, row, scores in zip(prompts, candidates, scored, strict=True):
        for candidate, own in zip(row, scores, strict=True):
            with torch.no_grad():
                logits = model(torch.tensor([prompt + candidate])).logits[0].log_softmax(-1)
            plain = [logits[len(prompt) - 1 + i, token].item() for i, token in enumerate(candidate)]
            assert own == pytest.approx(plain, rel=1e-5, abs=1e-5)


def test_a_sample_depends_on_its_seed_not_on_its_batch(model, tokenizer, prompts):
    sampling = Sampling(12, 0.9, 0.95, (tokenizer.eos_token_id,))
    together = LocalEngine(model).generate(prompts, [[1, 2], [3, 4], [5, 6]], sampling)
    alone = LocalEngine(model).generate(prompts[1:2], [[4]], sampling)
    other = LocalEngine(model).generate(prompts[1:2], [[7]], sampling)
    assert together[1][1] == alone[0][0]
    assert alone[0][0] != other[0][0]


@pytest.mark.slow
def test_workers_share_the_batches_and_change_nothing(model, tokenizer, prompts):
    sampling = Sampling(12, 0.9, 0.95, (tokenizer.eos_token_id,))
    seeds = [[1, 2], [3, 4], [5, 6]]
    reported = []
    several = LocalEngine(
        model, batch_size=4, workers=2, on_written=lambda tokens, finished: reported.append((tokens, finished))
    )
    threads = torch.get_num_threads()
    written = several.generate(prompts, seeds, sampling)
    assert torch.get_num_threads() == threads
    assert written == LocalEngine(model, batch_size=4, workers=1).generate(prompts, seeds, sampling)
    tokens, finished = map(sum, zip(*reported, strict=True))
    assert tokens == sum(len(generated.tokens) for row in written for generated in row)
    assert finished == 6


def test_seeds_depend_on_run_purpose_example_and_index():
    seeds = {
        sample_seed(r, t, e, j) for r in (0, 1) for t in ("evaluation", "teacher") for e in ("a", "b") for j in (0, 1)
    }
    assert len(seeds) == 16
    assert sample_seed(0, "teacher", "a", 2) == sample_seed(0, "teacher", "a", 2)


def nucleus(logits, temperature, top_p):
    """The exact distribution that a token is sampled from."""
    probabilities = (logits.double() / temperature).softmax(-1).numpy()
    order = np.argsort(-probabilities)
    before = np.cumsum(probabilities[order]) - probabilities[order]
    kept = order[before < top_p]
    expected = np.zeros(len(probabilities))
    expected[kept] = probabilities[kept] / probabilities[kept].sum()
    return expected


def assert_sampled_from(expected, sampled):
    counts = np.bincount(sampled, minlength=len(expected))
    assert counts[expected == 0].sum() == 0
    often = expected * len(sampled) >= 5
    observed = np.append(counts[often], counts[~often].sum())
    wanted = np.append(expected[often], expected[~often].sum()) * len(sampled)
    used = wanted > 0
    assert stats.chisquare(observed[used], wanted[used] * observed.sum() / wanted.sum()).pvalue > 1e-3


@pytest.mark.parametrize(("vocabulary", "top_p"), [(40, 0.9), (40, 1.0), (600, 0.8), (600, 1.0)])
def test_sampled_frequencies_are_those_of_the_exact_nucleus(vocabulary, top_p):
    logits = 1.5 * torch.randn(vocabulary, generator=torch.Generator().manual_seed(0))
    sampled = next_tokens(logits.expand(20_000, -1), Sampling(1, 0.7, top_p, ()), uniform_numbers([3], 20_000)[0])
    assert_sampled_from(nucleus(logits, 0.7, top_p), sampled.numpy())


WARPERS = [
    (5, 1.0, 0.0), (0, 1.0, 0.1), (0, 0.8, 0.05), (20, 0.8, 0.0), (300, 0.9, 0.02), (256, 1.0, 0.0), (5000, 0.9, 0.0),
]  # fmt: skip


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("top_k", "top_p", "min_p"), WARPERS)
def test_tokens_are_sampled_from_what_transformers_warpers_keep(top_k, top_p, min_p, ties):
    """For every uniform number the token whose interval it is in, tokens ordered by probability."""
    logits = 1.5 * torch.randn(6000, generator=torch.Generator().manual_seed(0))
    if ties:
        logits = (logits * 4).round() / 4
    left = logits[None] / 0.7
    if top_k:
        left = transformers.TopKLogitsWarper(top_k)(None, left)
    if top_p < 1:
        left = transformers.TopPLogitsWarper(top_p)(None, left)
    if min_p:
        left = transformers.MinPLogitsWarper(min_p)(None, left)
    kept = left[0].isfinite()
    draws = (torch.arange(500).double() + 0.5) / 500
    sampled = next_tokens(logits.expand(500, -1), Sampling(1, 0.7, top_p, (), top_k, min_p), draws)
    shares = left[0].double().softmax(-1).sort(descending=True).values
    expected = shares[torch.searchsorted(shares.cumsum(-1), draws).clamp(max=int(kept.sum()) - 1)]
    found = left[0].double().softmax(-1)[sampled]
    if not (ties and top_p < 1):  # which of equal tokens at its edge a nucleus keeps is no matter
        assert kept[sampled].all()
    assert torch.allclose(found, expected, rtol=1e-3) or (ties and top_p < 1)


def random_model(family):
    sizes = {
        "vocab_size": 120, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4, "head_dim": 8,
        "num_attention_heads": 4, "num_key_value_heads": 2, "sliding_window": 6, "pad_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    config, architecture = {
        "gemma3": (transformers.Gemma3TextConfig, transformers.Gemma3ForCausalLM),
        "gemma2": (transformers.Gemma2Config, transformers.Gemma2ForCausalLM),
        "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
    }[family]
    torch.manual_seed(0)
    return architecture(config(**sizes)).eval()


@pytest.mark.parametrize(
    ("family", "draws"),
    [("llama", 20_000), ("gemma3", 20_000), ("qwen3", 20_000), pytest.param("bundled", 2000, marks=pytest.mark.slow)],
)
def test_two_tokens_of_a_model_are_sampled_from_its_exact_distributions(family, draws, request):
    """The second one's distribution is that after each first one, weighted by how probable that one is."""
    model = request.getfixturevalue("model") if family == "bundled" else random_model(family)
    if family != "bundled":
        model.get_output_embeddings().weight.data *= 8  # or every token would be about as probable as any other
    prompt = list(range(20, 30))
    written = LocalEngine(model).generate([prompt], [range(draws)], Sampling(2, 0.7, 0.8, ()))[0]
    model.set_attn_implementation("eager")

    def after(tokens):
        with torch.no_grad():
            return nucleus(model(torch.tensor([prompt + tokens]), use_cache=False).logits[0, -1], 0.7, 0.8)

    first = after([])
    second = sum(first[token] * after([token]) for token in np.flatnonzero(first).tolist())
    assert 3 < np.count_nonzero(first) < 100
    assert_sampled_from(first, [g.tokens[0] for g in written])
    assert_sampled_from(second, [g.tokens[1] for g in written])


def test_sequences_with_small_and_large_nuclei_are_sampled_together():
    """One nucleus is a few tokens, another thousands, a third all: each is sampled as if it were alone."""
    flat = torch.randn(6000, generator=torch.Generator().manual_seed(0))
    rows = torch.stack([8 * flat, 0.5 * flat, 0.01 * flat] * 5)
    uniform = uniform_numbers([3], len(rows))[0]
    sampled = next_tokens(rows, Sampling(1, 0.7, 0.95, ()), uniform)
    for row, number, token in zip(rows, uniform, sampled, strict=True):
        expected = nucleus(row, 0.7, 0.95)
        order = np.argsort(-expected, kind="stable")
        assert token == order[np.searchsorted(np.cumsum(expected[order]), number.item(), side="right")]
    assert len(set(sampled.tolist())) > 5


def test_a_prompt_longer_than_the_model_supports_is_refused():
    model = random_model("llama")
    model.config.max_position_embeddings = 20
    engine = LocalEngine(model)
    with pytest.raises(UserError, match="21 tokens, this model takes at most 20"):
        engine.generate([[5] * 17], [[0]], Sampling(4, 1.0, 1.0, ()))
    with pytest.raises(UserError, match="21 tokens, this model takes at most 20"):
        engine.score([[5] * 18], [[[6, 7, 8]]])
    assert len(engine.generate([[5] * 16], [[0]], Sampling(4, 1.0, 1.0, ()))[0][0].tokens) == 4


def test_a_failing_worker_stops_the_others():
    """One fails when it reports its first token; the other would generate 2,000."""
    reported = []

    def fail_once(tokens, finished):
        reported.append(tokens)
        raise ValueError("reported")

    engine = LocalEngine(random_model("llama"), batch_size=2, workers=2, on_written=fail_once)
    with pytest.raises(ValueError, match="reported"):
        engine.generate([[5, 6], [7, 8]], [[1], [2]], Sampling(2000, 1.0, 1.0, ()))
    assert len(reported) <= 2


@pytest.mark.parametrize(
    ("family", "batch_size", "most_samples"),
    [
        ("gemma3", 5, 3),
        pytest.param("qwen3", 5, 3, marks=pytest.mark.slow),
        pytest.param("llama", 4, 4, marks=pytest.mark.slow),
        ("llama", 7, 4),
    ],
)
def test_queued_prompts_that_join_later_get_the_same_completions(family, batch_size, most_samples):
    model = random_model(family)
    prompts = [list(range(2, 2 + n)) for n in (9, 4, 15, 7, 11, 3, 20)]
    # With 4 samples each a prompt has more completions than are free when half of them have ended.
    seeds = [[10 * i + j for j in range(4 if most_samples == 4 else 1 + i % 3)] for i in range(len(prompts))]
    sampling = Sampling(40, 1.0, 1.0, tuple(range(100, 106)))  # completions end at different times, some at the limit
    reported = []
    few = LocalEngine(
        model, batch_size=batch_size, workers=1, on_written=lambda tokens, finished: reported.append(tokens)
    )
    together = few.generate(prompts, seeds, sampling)
    engine = LocalEngine(model)
    alone = [
        [engine.generate([prompt], [[seed]], sampling)[0][0] for seed in own]
        for prompt, own in zip(prompts, seeds, strict=True)
    ]
    assert together == alone
    assert {g.finish_reason for row in together for g in row} == {"stop", "length"}
    assert max(reported) <= batch_size


@pytest.mark.parametrize("family", ["llama", "gemma3", "gemma2", "mistral", "qwen3"])
def test_every_architecture_computes_what_a_plain_forward_pass_does(family):
    model = random_model(family)
    assert_right(LocalEngine(model), model)


def test_a_completion_does_not_depend_on_a_longer_one_in_its_batch():
    """Phi-3's rotary embeddings change for all positions once one exceeds its original training length."""
    rope = {"rope_type": "longrope", "long_factor": [4.0] * 4, "short_factor": [1.0] * 4, "rope_theta": 10000.0}
    limits = {"max_position_embeddings": 64, "original_max_position_embeddings": 16}
    config = transformers.Phi3Config(**SIZES, **limits, rope_parameters=rope)
    engine = LocalEngine(transformers.AutoModelForCausalLM.from_config(config))
    alone = engine.score([[3, 4, 5]], [[[6]]])
    assert engine.score([[3, 4, 5], [7] * 15], [[[6]], [[8]]])[0][0] == pytest.approx(alone[0][0], rel=1e-5)
    with pytest.raises(UserError, match="17 tokens, this model takes at most 16"):
        engine.score([[3, 4, 5], [7] * 16], [[[6]], [[8]]])


def test_a_tiny_temperature_is_greedy():
    logits = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    assert torch.equal(next_tokens(logits, Sampling(1, 1e-40, 0.9, ()), uniform_numbers([1], 3)[0]), logits.argmax(-1))
