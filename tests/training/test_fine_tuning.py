"""The weighted loss against a plain reference, and the files that fine-tuning writes."""

import json
from itertools import pairwise

import pytest
import torch
from tests.own_attention import OwnConfig, OwnForCausalLM
from transformers import AutoConfig, AutoModelForCausalLM, TrainerCallback

from penname.config import TrainingConfig
from penname.engines.models import load_model
from penname.engines.packed_attention import PACKED
from penname.engines.packed_sequence import PackedSequence
from penname.errors import UserError
from penname.training.checkpoints import weights_hash
from penname.training.fine_tuning import WeightedTrainer, _training_arguments, collate_step, fine_tune
from penname.training.loss import weighted_loss
from penname.training.packing import PromptGroupedSampler, TrainingSample, micro_batches, pack

SHAPES = {
    "llama": {},
    "qwen3": {"head_dim": 8},
    "gemma2": {"head_dim": 8, "sliding_window": 16, "attn_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    "gemma3_text": {"head_dim": 8, "sliding_window": 16, "query_pre_attn_scalar": 8},
}


def make_model(shape):
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        shape, vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, **SHAPES[shape],
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config, attn_implementation="eager")


@pytest.fixture
def model():
    return make_model("llama")


def make_samples(count, same_prompt=1):
    generator = torch.Generator().manual_seed(1)

    def tokens(low, high):
        length = int(torch.randint(low, high, (1,), generator=generator))
        return torch.randint(3, 97, (length,), generator=generator).tolist()

    weights = torch.rand(count, generator=generator).tolist()
    prompts = [tokens(3, 20) for _ in range(-(-count // same_prompt))]
    return [TrainingSample(prompts[i // same_prompt], tokens(1, 15), w) for i, w in enumerate(weights)]


def reference_gradients(model, samples):
    """One sample at a time, without packing or accumulation: sum of weight x NLL over the number of target tokens."""
    model.set_attn_implementation("eager")
    model.zero_grad()
    total = sum(len(s.target) for s in samples)
    loss = torch.zeros(())
    for s in samples:
        logits = model(torch.tensor([s.prompt + s.target])).logits[0].log_softmax(-1)
        picked = [logits[len(s.prompt) - 1 + i, token] for i, token in enumerate(s.target)]
        loss = loss - s.weight * torch.stack(picked).sum() / total
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters()}


class Gradients(TrainerCallback):
    """Keeps the gradients of each optimizer step."""

    def __init__(self):
        self.steps = []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.steps.append({name: p.grad.clone() for name, p in model.named_parameters()})


@pytest.mark.parametrize("max_tokens", [1, 30, 60, 1000])
@pytest.mark.parametrize("count", [8, 11])
@pytest.mark.parametrize("same_prompt", [1, 3])
def test_gradients_equal_the_plain_reference(model, tmp_path, max_tokens, count, same_prompt):
    """Count 11 leaves a ragged last window of 3 samples, which must be normalized by its own tokens."""
    samples = make_samples(count, same_prompt)
    model.set_attn_implementation(PACKED)
    settings = TrainingConfig(learning_rate=1e-12, batch_size=8, max_grad_norm=1e9)
    arguments = _training_arguments(settings, count, tmp_path, seed=0)
    arguments.bf16 = False
    seen = []

    def collate(part):
        seen.append(part)
        return collate_step(part, max_tokens)

    kept = Gradients()
    trainer = WeightedTrainer(
        model=model, args=arguments, train_dataset=samples, data_collator=collate, callbacks=[kept]
    )
    trainer.accelerator.native_amp = False
    trainer.train()
    order = [s for part in seen for s in part]
    assert sorted(s.weight for s in order) == sorted(s.weight for s in samples)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    windows = [order[i : i + 8] for i in range(0, count, 8)]
    assert len(kept.steps) == len(windows) == len(losses)
    for window, gradients, loss in zip(windows, kept.steps, losses, strict=True):
        expected_loss, expected = reference_gradients(model, window)
        assert loss == pytest.approx(expected_loss, rel=1e-5)
        for name, value in expected.items():
            assert (gradients[name] - value).norm() <= 1e-5 * value.norm(), name


def test_a_micro_batch_holds_a_prompt_once_and_no_more_tokens_than_allowed(monkeypatch):
    monkeypatch.setattr("penname.training.packing.LENGTH_MULTIPLE", 1)
    samples = make_samples(40, same_prompt=4)
    parts = micro_batches(samples, 70)
    assert sorted(s.weight for part in parts for s in part) == sorted(s.weight for s in samples)
    sizes = [pack(part)["input_ids"].shape[1] for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert 60 < sizes[0] <= 70
    assert len(parts) < 20
    assert sum(sizes) < sum(len(s.prompt) + len(s.target) - 1 for s in samples)
    monkeypatch.setattr("penname.training.packing.LENGTH_MULTIPLE", 16)
    filled = [pack(part)["input_ids"].shape[1] for part in parts]
    assert filled == [-(-size // 16) * 16 for size in sizes]
    # Of a target of one token nothing is read, so it fits in behind any sample of its prompt.
    assert all(len(s.target) == 1 for part in micro_batches(samples, 1) for s in part[1:])


@pytest.mark.parametrize(("recompute_above", "block"), [(10, 256), (1024, 256), (10, 8), (1024, 8)])
@pytest.mark.parametrize("shape", SHAPES)
def test_packed_gradients_of_every_architecture(shape, recompute_above, block, monkeypatch):
    """Prompts that several samples share are computed once; windows are shorter than prompt and target."""
    monkeypatch.setattr("penname.engines.attention.BLOCK", block)
    monkeypatch.setattr("penname.engines.attention.RECOMPUTE_ABOVE", recompute_above)
    monkeypatch.setattr("penname.training.loss.CHUNK_TOKENS", 8)
    model = make_model(shape)
    samples = make_samples(7, same_prompt=3)
    samples.insert(2, TrainingSample(samples[1].prompt, [9], 0.5))  # of its target nothing is read
    expected_loss, expected = reference_gradients(model, samples)
    model.set_attn_implementation(PACKED)
    model.zero_grad()
    packed = pack(samples)
    assert packed["input_ids"].shape[1] < sum(len(s.prompt) + len(s.target) for s in samples) - 7
    loss = weighted_loss(model, packed, packed["labels"].numel())
    loss.backward()
    assert loss.item() == pytest.approx(expected_loss, rel=1e-5)
    for name, parameter in model.named_parameters():
        assert (parameter.grad - expected[name]).norm() <= 1e-5 * expected[name].norm(), name


@pytest.mark.slow
def test_packed_gradients_of_the_bundled_model(bundled):
    """In float64: through 30 layers of float32 the order of additions, which depends on the processor, is visible."""
    model = load_model(bundled, "float32").double()
    samples = make_samples(4, same_prompt=2)
    expected_loss, expected = reference_gradients(model, samples)
    model.set_attn_implementation(PACKED)
    model.zero_grad()
    packed = pack(samples)
    loss = weighted_loss(model, packed, packed["labels"].numel())
    loss.backward()
    assert loss.item() == pytest.approx(expected_loss, rel=1e-6)
    apart = sum((p.grad - expected[name]).square().sum() for name, p in model.named_parameters())
    assert apart.sqrt() <= 1e-6 * sum(value.square().sum() for value in expected.values()).sqrt()


def test_an_epoch_has_every_sample_once_and_those_of_a_prompt_together():
    samples = make_samples(50, same_prompt=4)
    sampler = PromptGroupedSampler(samples, seed=3)
    first = list(sampler)
    assert sorted(first) == list(range(50))
    prompts = [tuple(samples[i].prompt) for i in first]
    assert sum(a != b for a, b in pairwise(prompts)) == len(set(prompts)) - 1
    assert first == list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler)


def test_maximization_changes_the_weights_of_the_checkpoint_it_starts_from(tiny_model, tmp_path):
    samples = [TrainingSample([5, 6, 7], [8, 9, 10, 0], 0.5)] * 3
    settings = TrainingConfig(learning_rate=1e-3, batch_size=2)
    result = fine_tune(str(tiny_model), samples, settings, tmp_path, 0, lambda *_: None)
    base = load_model(str(tiny_model), "float32")
    trained = load_model(str(tmp_path / "model"), "float32")
    assert result.started_from == str(tiny_model)
    assert result.weights_before == weights_hash(base)
    assert result.weights_after == weights_hash(trained) != result.weights_before
    assert result.steps == 2
    assert (result.tokens, result.target_tokens) == (21, 12)


def test_lora_leaves_an_adapter_and_a_merged_model(tiny_model, tmp_path):
    samples = [TrainingSample([5, 6, 7], [8, 9, 10, 0])] * 4
    settings = TrainingConfig(learning_rate=1e-2, batch_size=2, lora_rank=2)
    fine_tune(str(tiny_model), samples, settings, tmp_path, 0, lambda *_: None)
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["r"] == 2
    adapted = load_model(str(tmp_path / "adapter"), "float32").state_dict()
    merged = load_model(str(tmp_path / "model"), "float32").state_dict()
    base = load_model(str(tiny_model), "float32").state_dict()
    name = "model.layers.0.mlp.up_proj.weight"
    assert torch.allclose(adapted[name], merged[name], atol=1e-6)
    assert not torch.allclose(base[name], merged[name])


def test_an_adapter_begins_with_the_seed(tiny_model, tmp_path):
    samples = [TrainingSample([5, 6, 7], [8, 9, 10, 0])] * 4
    settings = TrainingConfig(learning_rate=1e-2, batch_size=2, lora_rank=2)

    def weights(seed, folder):
        return fine_tune(str(tiny_model), samples, settings, tmp_path / folder, seed, lambda *_: None).weights_after

    assert weights(1, "a") == weights(1, "b") != weights(2, "c")


def test_attention_dropout_is_that_of_the_plain_model():
    model = make_model("llama")
    model.config.attention_dropout = 0.5
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    tokens = torch.arange(3, 23)
    model.train()

    def logits(**given):
        torch.manual_seed(5)
        return model(tokens[None], use_cache=False, **given).logits[0, : len(tokens)]

    plain = logits()
    model.set_attn_implementation(PACKED)
    packed = PackedSequence()
    packed.add_text(tokens.tolist())
    assert torch.allclose(plain, logits(spans=tuple(packed.spans)), atol=1e-5)
    model.eval()
    assert not torch.allclose(plain, logits(spans=tuple(packed.spans)), atol=1e-2)


def test_the_best_checkpoint_on_validation_is_kept(tiny_model, tmp_path):
    samples = [TrainingSample([5, 6, 7], [8, 9, 10, 0])] * 6
    settings = TrainingConfig(learning_rate=1e-3, batch_size=2, validate_every=1)
    hashes = {}

    def second_is_best(checkpoint):
        step = int(checkpoint.name.rsplit("-", 1)[1])
        hashes[step] = weights_hash(load_model(str(checkpoint), "float32"))
        return 1.0 if step == 2 else 0.0

    result = fine_tune(str(tiny_model), samples, settings, tmp_path, 0, lambda *_: None, second_is_best)
    assert sorted(hashes) == [1, 2, 3]
    assert result.weights_after == hashes[2] != hashes[3]


def test_a_damaged_checkpoint_is_skipped(tiny_model, tmp_path):
    samples = [TrainingSample([5, 6, 7], [8, 9, 10, 0])] * 6
    settings = TrainingConfig(learning_rate=1e-3, batch_size=2, save_every=1)
    whole = fine_tune(str(tiny_model), samples, settings, tmp_path, 0, lambda *_: None)
    newest = tmp_path / "checkpoints" / "checkpoint-2"  # none is written after the last step
    damaged = newest / "optimizer.pt"
    damaged.write_bytes(damaged.read_bytes()[:100])
    again = fine_tune(str(tiny_model), samples, settings, tmp_path, 0, lambda *_: None)
    assert again.weights_after == whole.weights_after


def test_a_diverging_loss_is_reported(tiny_model, tmp_path):
    samples = [TrainingSample([5, 6, 7], [8, 9, 10, 0], float("inf"))] * 2
    with pytest.raises(UserError, match=r"in step 1 .*learning_rate, in another folder"):
        fine_tune(str(tiny_model), samples, TrainingConfig(batch_size=2), tmp_path, 0, lambda *_: None)


def test_a_model_that_would_not_see_the_packed_sequences_is_refused(tmp_path):
    OwnForCausalLM(OwnConfig()).save_pretrained(tmp_path / "base")
    with pytest.raises(UserError, match=r"OwnForCausalLM has attention"):
        fine_tune(str(tmp_path / "base"), make_samples(2), TrainingConfig(), tmp_path, 0, lambda *_: None)
