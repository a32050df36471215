"""A small model trained from scratch: its tokenizer restores texts exactly, and the model learns them."""

import random
from itertools import cycle

import pytest
import torch

from penname.engines.models import load_model, load_tokenizer
from penname.training.checkpoints import weights_hash
from penname.training.pretraining import UNKNOWN_TOKEN, PretrainingSettings, make_tokenizer, pretrain

TEXTS = ["The mill is old, isn't it?", "The mill  is\nnew.\n\nAnd old."]
SMALL = PretrainingSettings(hidden=16, layers=2, heads=2, steps=30, batch_size=4, warmup_steps=2, learning_rate=1e-2)
UNTRAINED = PretrainingSettings(steps=1, learning_rate=0.0)


def learn(folder, seed):
    losses = []
    pretrain(folder, make_tokenizer(TEXTS), cycle(TEXTS), SMALL, seed, lambda step, loss: losses.append(loss))
    return losses


@pytest.mark.parametrize("text", [*TEXTS, "old", " old mill"])
def test_joined_tokens_are_the_text_again(text):
    tokenizer = make_tokenizer(TEXTS)
    tokens = tokenizer(text).input_ids
    assert tokenizer.unk_token_id not in tokens
    assert tokenizer.decode(tokens) == text


def test_a_word_that_it_does_not_know_is_one_unknown_token():
    tokenizer = make_tokenizer(TEXTS)
    assert tokenizer.convert_ids_to_tokens(tokenizer("The castle is").input_ids) == ["The", UNKNOWN_TOKEN, " is"]


def test_it_learns_the_training_texts(tmp_path):
    losses = learn(tmp_path / "model", 0)
    assert len(losses) == SMALL.steps
    assert losses[-1] < losses[0] / 2
    model, tokenizer = load_model(str(tmp_path / "model"), "float32"), load_tokenizer(str(tmp_path / "model"))
    assert model.config.eos_token_id == tokenizer.eos_token_id is not None


def test_it_looks_up_what_followed_a_word_before_any_training(tmp_path):
    words = [f"{one}{two}" for one in "bdfgklmnp" for two in ("ab", "en", "ir", "ol", "uz")]
    tokenizer = make_tokenizer([" ".join(words)])
    pretrain(tmp_path / "model", tokenizer, cycle([words[0]]), UNTRAINED, 0, lambda step, loss: None)
    model = load_model(str(tmp_path / "model"), "float32")
    sampled = random.Random(0)
    found = []
    for _ in range(20):
        shuffled = sampled.sample(words, len(words))
        text = [*shuffled, *(["."] * sampled.choice([0, 50, 200]))]
        for position in sampled.sample(range(len(words) - 1), 10):
            asked = tokenizer(" ".join(["", *text, shuffled[position]]), return_tensors="pt").input_ids
            with torch.no_grad():
                expected = tokenizer.convert_tokens_to_ids(f" {shuffled[position + 1]}")
                found.append(int(model(asked).logits[0, -1].argmax()) == expected)
    assert sum(found) / len(found) > 0.9


def test_the_same_seed_gives_the_same_model(tmp_path):
    hashes = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        learn(tmp_path / name, seed)
        hashes.append(weights_hash(load_model(str(tmp_path / name), "float32")))
    assert hashes[0] == hashes[1] != hashes[2]
