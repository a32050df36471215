"""DPO moves an adapter towards what was chosen, and a killed training ends with the same weights."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from penname.config import DPOSettings
from penname.engines.models import load_model, load_tokenizer
from penname.errors import UserError
from penname.training.checkpoints import weights_hash
from penname.training.dpo import PreferencePair, train_dpo

SETTINGS = DPOSettings(learning_rate=1e-2, batch_size=4, epochs=2, lora_rank=4, save_every=2)


@pytest.fixture(scope="module")
def pairs(tiny_model):
    tokenizer = load_tokenizer(str(tiny_model))

    def tokens(text):
        return tokenizer(text, add_special_tokens=False).input_ids

    end = [tokenizer.eos_token_id]
    return [
        PreferencePair(tokens(f"Write of note {i}."), tokens("short") + end, tokens("LONG!") + end) for i in range(12)
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tiny_model, pairs):
    """A training that nothing disturbed: its folder, its result and its losses."""
    folder, losses = tmp_path_factory.mktemp("trained"), []
    result = train_dpo(str(tiny_model), pairs, SETTINGS, folder, 0, lambda step, loss: losses.append(loss))
    return folder, result, losses


@torch.no_grad()
def log_prob(model, prompt, completion):
    logits = model(torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    return sum(float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(completion))


def test_chosen_completions_gain_probability_over_rejected_ones(trained, tiny_model, pairs):
    folder, result, losses = trained
    before = AutoModelForCausalLM.from_pretrained(tiny_model)
    after = AutoModelForCausalLM.from_pretrained(folder / "model")
    for p in pairs:
        gain = [log_prob(after, p.prompt, c) - log_prob(before, p.prompt, c) for c in (p.chosen, p.rejected)]
        assert gain[0] > gain[1]
    assert losses[0] == pytest.approx(0.6931, abs=1e-4)  # log 2: the reference is the model as it starts
    assert (result.pairs, result.steps, len(losses)) == (12, 6, 6)
    assert result.last_loss < result.first_loss
    assert result.last_accuracy == 1.0


def test_the_adapter_on_its_base_is_the_model(trained, pairs):
    adapted, merged = (load_model(str(trained[0] / name), "float32") for name in ("adapter", "model"))
    tokens = torch.tensor([pairs[0].prompt])
    assert torch.allclose(adapted(tokens).logits, merged(tokens).logits, atol=1e-4)


def test_a_killed_training_ends_with_the_same_weights(trained, tmp_path, tiny_model, pairs):
    def kill(step, loss):
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_dpo(str(tiny_model), pairs, SETTINGS, tmp_path, 0, kill)
    steps = []
    train_dpo(str(tiny_model), pairs, SETTINGS, tmp_path, 0, lambda step, loss: steps.append(step))
    assert steps == [5, 6]
    hashes = {weights_hash(load_model(str(folder / "model"), "float32")) for folder in (trained[0], tmp_path)}
    assert len(hashes) == 1


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_diverging_training_names_its_learning_rate(tmp_path, tiny_model, pairs, epochs):
    settings = SETTINGS.model_copy(update={"learning_rate": 1e38, "batch_size": 12, "epochs": epochs})
    with pytest.raises(UserError, match=r"training diverged in .* step.*: lower pat\.dpo\.learning_rate"):
        train_dpo(str(tiny_model), pairs, settings, tmp_path, 0, lambda *_: None)
