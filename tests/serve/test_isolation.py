"""Tenants with users of the same ids get nothing of each other, whatever else the server does at the time."""

import random
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.serve.running import in_this_process, with_facts

from penname.data.records import Document
from penname.engines.local import LocalEngine
from penname.generate.by_model import candidate_seeds
from penname.generate.request import TextRequest
from penname.serve.store.opening import open_store

TENANTS = ("acme", "globex")
USERS = ("ada", "ben", "eve@example.org/x")
PROMPTS = ("Write about rain.", "Write about bread, note 3.")


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    return with_facts(tiny_model, tmp_path_factory.mktemp("served") / "model", with_reasoning=True)


def planted(tenant, user):
    """A word that only this user of this tenant has."""
    return f"{tenant}{USERS.index(user)}quix"


def documents_of(tenant, user):
    return [
        Document(user, f"I wrote of {planted(tenant, user)} rain before, in note {n}.", f"note-{n}") for n in range(3)
    ]


@pytest.fixture
def served(model, url, user_keys):
    with open_store(url, user_keys) as store, in_this_process(store, model, key_required=True, rows=8) as server:
        keys = {tenant: store.add_key(tenant) for tenant in TENANTS}
        for tenant in TENANTS:
            for user in USERS:
                store.put_user(tenant, user)
                store.add_documents(tenant, user, documents_of(tenant, user))
        yield server, keys


def texts_alone(server):
    """What each user's prompts give with a reasoning that has the user's word, computed one by one."""
    writer = server.state.methods.get(None).writer
    engine = LocalEngine(writer.setup.engine.model, batch_size=1, workers=1)
    texts = {}
    for tenant in TENANTS:
        for user in USERS:
            for prompt in PROMPTS:
                reasoning = f"Likes {planted(tenant, user)}."
                request = TextRequest(prompt, documents_of(tenant, user), seed=7, candidates=1, reasoning=reasoning)
                prepared = writer.prepare(request)
                written = engine.generate([prepared.tokens], [candidate_seeds(7, 1)], prepared.sampling)[0]
                found = [document.id for document in prepared.shown]
                texts[tenant, user, prompt] = writer.finish(request, prepared, written).response, found
    return texts


@pytest.mark.parametrize("requests", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_interleaved_requests_of_two_tenants(served, requests):
    server, keys = served
    store, name = server.state.store, server.state.methods.get(None).model
    expected = texts_alone(server)
    for tenant in TENANTS:
        for user in USERS:
            store.put_reasoning(tenant, user, name, f"Likes {planted(tenant, user)}.")
    rng, lock = random.Random(0), threading.Lock()
    used = dict.fromkeys(TENANTS, 0)

    def ask(number):
        tenant, user, prompt = list(expected)[number % len(expected)]
        stream = rng.random() < 0.5
        answer = server.write(user, prompt, keys[tenant], seed=7, stream=stream, stream_options={"include_usage": True})
        if stream:
            deltas = [choice["delta"] for event in answer for choice in event["choices"]]
            text, reasoning = ("".join(d.get(k, "") for d in deltas) for k in ("content", "reasoning_content"))
            about, last, whole = answer, answer[-1], str(answer)
        else:
            message, whole = answer.json["choices"][0]["message"], answer.body.decode()
            about, last = [answer.json], answer.json
            text, reasoning = message["content"], message["reasoning_content"]
        documents = next(event["penname"]["documents"] for event in about if "penname" in event)
        assert (text, documents) == expected[tenant, user, prompt]
        assert reasoning == f"Likes {planted(tenant, user)}."
        others = {planted(t, u) for t in TENANTS for u in USERS} - {planted(tenant, user)}
        assert not any(word in whole for word in others)
        with lock:
            used[tenant] += last["usage"]["total_tokens"]

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(requests)))
    day = time.strftime("%Y-%m-%d", time.gmtime())
    for tenant in TENANTS:
        assert store.usage(store.key_of(keys[tenant]), day).used == used[tenant]


def test_a_foreign_id_answers_as_an_unknown_one(served):
    """In words, and in time up to what the same request takes anyway."""
    server, keys = served
    store = server.state.store
    store.put_user("globex", "only globex's")
    store.add_documents("globex", "only globex's", documents_of("globex", "ada") * 1)
    times = {"only globex's": [], "nobody's at all": []}
    answers = {}
    for round_ in range(12):
        for user in sorted(times, reverse=bool(round_ % 2)):
            started = time.perf_counter()
            answer = server.write(user, key=keys["acme"], seed=1, max_tokens=4).json
            times[user].append(time.perf_counter() - started)
            answers[user] = answer["choices"], answer["usage"], answer["penname"]
    foreign, unknown = answers.values()
    assert foreign == unknown
    medians = [statistics.median(values) for values in times.values()]
    assert max(medians) < 2 * min(medians)
