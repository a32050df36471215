"""Many users: how long a profile takes that nobody has asked for yet, and how much memory."""

from __future__ import annotations

import random
import time
from statistics import median, quantiles

import psutil
import pytest

from penname.data.records import Document
from penname.serve.store.opening import open_store

USERS, DOCUMENTS = 10_000, 100


def mebibytes():
    return psutil.Process().memory_info().rss / 2**20


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_profiles_of_many_users_are_read_soon_and_in_little_memory(url, user_keys):
    generator = random.Random(0)
    words = [f"word{number}" for number in range(3000)]
    texts = [" ".join(generator.choices(words, k=170)) for _ in range(500)]
    with open_store(url, user_keys) as store:
        store.put_tenant("t")
        for user in range(USERS):
            store.put_user("t", f"u{user}")
            own = [Document("", f"{user} {generator.choice(texts)}") for _ in range(DOCUMENTS)]
            store.add_documents("t", f"u{user}", own)
    began = time.perf_counter()
    with open_store(url, user_keys) as store:
        assert time.perf_counter() - began < 5
        seconds, memory = [], []
        for user in generator.sample(range(USERS), 3000):
            began = time.perf_counter()
            profile = store.profile("t", f"u{user}")
            seconds.append(time.perf_counter() - began)
            memory.append(mebibytes())
            assert len(profile.documents) == DOCUMENTS
        assert median(seconds) < 0.02
        assert quantiles(seconds, n=100)[94] < 0.1
        assert memory[-1] - memory[500] < 20
        began = time.perf_counter()
        assert store.forget("t", "u5")
        assert time.perf_counter() - began < 1
