"""Models whose attention ours cannot replace are refused: small ones, each with one of the ways this can be.

They are made here, as what transformers' own architectures do changes with its versions; of these it is tested that
they are refused or computed right.
"""

import pytest
import torch
import transformers
from tests.own_attention import OwnConfig, OwnForCausalLM
from transformers.models.llama.modeling_llama import LlamaAttention

from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.errors import UserError

SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "initializer_range": 0.2,
}
LATENT = {
    "num_key_value_heads": 4,
    "head_dim": 8,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "n_routed_experts": 4,
    "moe_intermediate_size": 16,
    "num_experts_per_tok": 2,
}


ARCHITECTURES = [
    transformers.MambaConfig(vocab_size=120, hidden_size=16, state_size=4, num_hidden_layers=1),
    transformers.GPTJConfig(vocab_size=120, n_embd=32, n_layer=1, n_head=2, rotary_dim=4, initializer_range=0.2),
    transformers.StableLmConfig(**SIZES),
    transformers.GptOssConfig(**SIZES, head_dim=8, num_local_experts=2, num_experts_per_tok=1),
    transformers.DiffLlamaConfig(**SIZES),
    transformers.PhimoeConfig(**SIZES, sliding_window=8),
    transformers.DeepseekV2Config(**SIZES | LATENT),
    transformers.DeepseekV2Config(**SIZES | LATENT | {"kv_lora_rank": 24}),
    transformers.BloomConfig(vocab_size=120, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.2),
    transformers.GPT2Config(vocab_size=120, n_embd=32, n_layer=2, n_head=4, initializer_range=0.2),
    transformers.GPTNeoXConfig(**SIZES),
    transformers.OlmoConfig(**SIZES),
    transformers.Phi3Config(**SIZES),
]
"""Each is refused, or computed as transformers computes it."""


class SilentLayers(LlamaAttention):
    def forward(self, hidden_states, position_embeddings, attention_mask=None, **kwargs):
        return super().forward(hidden_states, position_embeddings, attention_mask)


class Sinks(LlamaAttention):
    def forward(self, *args, **kwargs):
        return super().forward(*args, s_aux=torch.zeros(SIZES["num_attention_heads"]), **kwargs)


class BiasInMask(LlamaAttention):
    """Like ALiBi: the mask lowers the scores of distant tokens."""

    def forward(self, *args, attention_mask=None, **kwargs):
        if attention_mask is not None:
            index = torch.arange(attention_mask.shape[-1])
            attention_mask = attention_mask - (index[:, None] - index).abs()
        return super().forward(*args, attention_mask=attention_mask, **kwargs)


class WindowInMask(LlamaAttention):
    def forward(self, *args, attention_mask=None, **kwargs):
        if attention_mask is not None:
            index = torch.arange(attention_mask.shape[-1])
            attention_mask = attention_mask.masked_fill(index <= index[:, None] - self.config.sliding_window, -1e9)
        return super().forward(*args, attention_mask=attention_mask, **kwargs)


class ReadsMask(LlamaAttention):
    def forward(self, *args, attention_mask=None, **kwargs):
        return super().forward(*args, attention_mask=attention_mask[:, :1], **kwargs)


class WindowedConfig(transformers.LlamaConfig):
    sliding_window: int = 8


class Stateful(transformers.LlamaForCausalLM):
    _is_stateful = True


def llama(attention=LlamaAttention, config=transformers.LlamaConfig, model=transformers.LlamaForCausalLM):
    torch.manual_seed(0)
    made = model(config(**SIZES, attn_implementation="eager"))
    for number, layer in enumerate(made.model.layers):
        layer.self_attn = attention(made.config, number)
    return made.eval()


def test_the_llama_that_the_others_are_derived_from_is_supported():
    LocalEngine(llama())


@pytest.mark.parametrize(
    ("attention", "reason"),
    [
        (SilentLayers, "layers that do not pass the spans of texts to their attention"),
        (Sinks, "attention with sinks"),
        (BiasInMask, "attention that gives other results than ours"),
        (ReadsMask, "attention that fails when replaced by ours"),
    ],
)
def test_attention_that_ours_cannot_replace_is_refused(attention, reason):
    with pytest.raises(UserError, match=f"LlamaForCausalLM has {reason}"):
        LocalEngine(llama(attention))


def test_a_window_that_is_not_passed_to_attention_is_refused():
    with pytest.raises(UserError, match="a sliding window that is not passed to its attention"):
        LocalEngine(llama(WindowInMask, WindowedConfig))


def test_layers_that_keep_a_state_are_refused():
    with pytest.raises(UserError, match="Stateful has layers without keys and values of their own"):
        LocalEngine(llama(model=Stateful))
    mixed = llama()
    mixed.config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(UserError, match="LlamaForCausalLM has layers of linear_attention"):
        LocalEngine(mixed)


@pytest.mark.parametrize(
    ("replaceable", "reason"), [(False, "that cannot be replaced"), (True, "that gives other results than ours")]
)
def test_a_model_that_keeps_its_own_attention_is_refused(replaceable, reason, monkeypatch):
    """Where transformers says that it cannot be replaced, and where it says that ours has replaced it."""
    monkeypatch.setattr(OwnForCausalLM, "_can_set_attn_implementation", classmethod(lambda cls: replaceable))
    torch.manual_seed(0)
    with pytest.raises(UserError, match=f"OwnForCausalLM has attention {reason}"):
        LocalEngine(OwnForCausalLM(OwnConfig()).eval())


@pytest.mark.parametrize("config", ARCHITECTURES, ids=lambda config: config.model_type)
def test_a_real_architecture_is_refused_or_computed_right(config):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    reason = refusal(model)
    if reason is None:
        assert_right(LocalEngine(model), model)
    else:
        assert reason.startswith(f"{type(model).__name__} has ")


def refusal(model):
    try:
        LocalEngine(model)
    except UserError as error:
        return str(error)
    return None


def assert_right(engine, model):
    """Scores are those of a plain forward pass, and greedy texts hold its most probable tokens, or others as probable.

    The texts are longer than a window, and side by side.
    """
    prompts = [list(range(2, 2 + n)) for n in (9, 4, 15)]
    candidates = [[[20, 21, 22, 23, 24, 25, 26, 27, 28], [30]], [[31, 32]], [[33, 34, 35], [36, 37]]]
    scored = engine.score(prompts, candidates)
    written = engine.generate(prompts, [[0, 1]] * 3, Sampling(12, 0.0, 1.0, ()))
    model.set_attn_implementation("eager")

    def log_probs(prompt, text):
        with torch.no_grad():
            logits = model(torch.tensor([prompt + text]), use_cache=False).logits[0]
        return logits.log_softmax(-1)[len(prompt) - 1 : -1]

    for prompt, row, scores, texts in zip(prompts, candidates, scored, written, strict=True):
        for candidate, own in zip(row, scores, strict=True):
            plain = log_probs(prompt, candidate).gather(-1, torch.tensor(candidate)[:, None])[:, 0]
            assert own == pytest.approx(plain.tolist(), rel=1e-5, abs=1e-5)
        for text in texts:
            plain = log_probs(prompt, text.tokens)
            chosen = plain.gather(-1, torch.tensor(text.tokens)[:, None])[:, 0]
            assert chosen.tolist() == pytest.approx(plain.max(-1).values.tolist(), rel=1e-5, abs=1e-5)
