"""Prompts in buckets: they come and go without touching each other."""

import random

import pytest
import torch
from tests.engines.test_llama import saved

from penname.engines.base import Sampling
from penname.engines.batch import Batch, completions_of
from penname.engines.decoders import make_decoder
from penname.engines.local import LocalEngine
from penname.engines.prefixes import FINEST, Bucket, slots_for


@pytest.mark.parametrize("length", [1, 63, 64, 65, 255, 256, 257, 500, 1025, 4000, 100_000])
def test_a_bucket_is_little_longer_than_its_first_prompt(length):
    assert length <= slots_for(length) <= length + max(FINEST, length // 4)


def test_prompts_that_stay_keep_their_keys_and_values():
    bucket = Bucket(64, room=5)
    kept = {}
    for number, length in enumerate([40, 64, 33, 50, 60]):
        bucket.add(number, length)
        kept[number] = torch.randn(2, 3, length, 4), torch.randn(2, 3, length, 8)
        for layer in range(2):
            bucket.store(layer, number, kept[number][0][layer], kept[number][1][layer])
    assert not bucket.takes(64)
    bucket.keep([1, 3, 4])
    assert bucket.takes(64)
    bucket.add(9, 35)
    kept[9] = torch.randn(2, 3, 35, 4), torch.randn(2, 3, 35, 8)
    for layer in range(2):
        bucket.store(layer, 3, kept[9][0][layer], kept[9][1][layer])
        keys, values = bucket.layer(layer, len(bucket.prompts))
        assert sorted(bucket.prompts) == [1, 3, 4, 9]
        for place, (number, length) in enumerate(zip(bucket.prompts, bucket.lengths, strict=True)):
            for found, expected in ((keys, kept[number][0]), (values, kept[number][1])):
                assert torch.equal(found[place, :, :length], expected[layer])
                assert not found[place, :, length:].any(), "padding of an earlier prompt"


def test_completions_of_prompts_that_come_and_go_are_those_alone(tmp_path):
    model = saved(tmp_path)
    rng = random.Random(1)
    sampling = Sampling(12, 0.9, 0.95, ())
    requests = [([rng.randrange(100) for _ in range(rng.choice([5, 70, 130, 200]))], [n]) for n in range(40)]
    waiting = [completions_of(prompt, seeds, sampling) for prompt, seeds in requests]
    written = list(waiting)
    with torch.inference_mode():
        batch = Batch(make_decoder(model, "float32", 12), 12, 12)
        while waiting or batch.in_progress:
            free = 12 - batch.in_progress
            joining = [waiting.pop() for _ in range(min(len(waiting), free, rng.randrange(4)))]
            for completions in rng.sample(written, 1):  # somebody hangs up
                completions[0].stopped |= rng.random() < 0.02
            batch.step(joining)
            buckets = batch._cache.buckets
            assert len(buckets) == len({bucket.slots for bucket in buckets}), "each bucket costs time at every step"
    alone = LocalEngine(model, "float32", batch_size=1, workers=1).generate(*zip(*requests, strict=True), sampling)
    for completions, expected in zip(written, alone, strict=True):
        tokens = completions[0].written.tokens
        assert tokens == expected[0].tokens[: len(tokens)]
        assert completions[0].stopped or len(tokens) == 12
