"""A server of vLLM's kind as the engine: the same texts as the local engine's, and nothing is left running there."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import urllib.error
import urllib.request
from contextlib import aclosing

import pytest
import yaml
from tests.serve.running import running
from tests.serve.vllm_servers import CONTEXT, LIMIT, Served, vllm_running

from penname.engines.base import Sampling
from penname.engines.models import COMPUTE_DTYPE
from penname.errors import UserError
from penname.experiments.train import model_folder
from penname.method_table import METHODS
from penname.serve.backend import EngineFailed, LocalBackend
from penname.serve.remote import FirstTokens, RemoteBackend
from penname.serve.vllm_server import find_models
from penname.session import stage_names

SAMPLING = Sampling(24, 0.9, 0.95, (0, 7), 50, 0.01, 1.1, 3)
PROMPT = [5, 9, 13, 40, 41]


@pytest.fixture(scope="module")
def model(served_run):
    return model_folder(served_run, METHODS["sft"], 0)


@pytest.fixture
def served(model):
    return Served(str(model))


async def told(backend, *asked, **more):
    """All that is added to a request's completions, by completion: tokens, log probabilities, why they ended."""
    found = {}
    async with aclosing(backend.write(*asked, **{"tenant": "acme", **more})) as updates:
        async for added in updates:
            tokens, log_probs, _ = found.get(added.index, ([], [], None))
            found[added.index] = [*tokens, *added.tokens], [*log_probs, *added.log_probs], added.finish_reason
    return found


def test_completions_are_those_of_the_local_engine_with_the_same_seeds(model, served):
    async def both():
        local = LocalBackend(str(model), "float32", 8, LIMIT)
        remote = RemoteBackend(find_models(address, {"rag": "tiny"})["rag"], 8)
        texts = [await told(backend, PROMPT, [3, 4, 5], SAMPLING, most_likely=2) for backend in (local, remote)]
        assert remote.in_progress == 0
        await remote.close()
        await local.close()
        return texts

    with vllm_running(served) as address:
        local, remote = asyncio.run(both())
    assert sorted(remote) == [0, 1, 2]
    for (tokens, log_probs, reason), (expected, expected_log_probs, expected_reason) in zip(
        (remote[i] for i in range(3)), (local[i] for i in range(3)), strict=True
    ):
        assert (tokens, reason) == (expected, expected_reason)
        for told_of, expected_of in zip(log_probs, expected_log_probs, strict=True):
            assert told_of.log_prob == pytest.approx(expected_of.log_prob, abs=1e-5)
            assert dict(told_of.most_likely) == pytest.approx(dict(expected_of.most_likely), abs=1e-5)
    assert len({tuple(tokens) for tokens, _, _ in remote.values()}) == 3
    assert all(len(probs) == len(tokens) for tokens, probs, _ in remote.values())
    assert sorted(request["seed"] for request in served.requests[1:]) == [3, 4, 5]


def test_the_cache_is_salted_by_tenant_and_start(served):
    async def ask():
        for _ in range(2):
            backend = RemoteBackend(find_models(address, {"rag": "tiny"})["rag"], 8)
            for tenant in ("acme", "acme", "other"):
                await told(backend, PROMPT, [1], SAMPLING, None, tenant=tenant)
            await backend.close()

    with vllm_running(served) as address:
        asyncio.run(ask())
    salts = [request["cache_salt"] for request in served.requests if request.get("stream")]
    first, second = salts[:3], salts[3:]
    assert first[0] == first[1] != first[2]
    assert not set(first) & set(second)
    assert all(len(salt) == 64 and "acme" not in salt for salt in salts)


def test_hanging_up_ends_the_servers_request_at_once(served):
    async def leave():
        backend = RemoteBackend(find_models(address, {"rag": "tiny"})["rag"], 8)
        endless = Sampling(LIMIT, 0.0, 1.0, ())
        async with aclosing(backend.write(PROMPT, [1, 2], endless, None, "acme")) as updates:
            async for _ in updates:
                break
        assert backend.in_progress == 0
        deadline = time.monotonic() + 5
        while served.left < 2 and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        await backend.close()

    with vllm_running(served) as address:
        asyncio.run(leave())
    assert served.left == 2


def test_a_completion_that_is_not_to_go_on_is_left_at_once(served):
    async def leave():
        backend = RemoteBackend(find_models(address, {"rag": "tiny"})["rag"], 8)
        endless = Sampling(LIMIT, 0.0, 1.0, ())
        found = await told(backend, PROMPT, [1, 2], endless, None, goes_on=lambda index: index == 1)
        assert backend.in_progress == 0
        await backend.close()
        return found

    with vllm_running(served) as address:
        found = asyncio.run(leave())
    assert [found[0][2], found[1][2]] == [None, "length"]
    assert 0 < len(found[0][0]) < len(found[1][0])
    assert served.left == 1


@pytest.mark.parametrize("fault", ["error", "gone"])
def test_a_server_that_fails_is_told_to_whoever_waits(served, fault):
    async def ask():
        backend = RemoteBackend(model, 8)
        try:
            await told(backend, PROMPT, [1, 2], Sampling(24, 0.0, 1.0, ()), None)
        finally:
            assert backend.in_progress == 0
            await backend.close()

    served.broken = 3
    with vllm_running(served) as address:
        model = find_models(address, {"rag": "tiny"})["rag"]
        if fault == "error":
            with pytest.raises(EngineFailed):
                asyncio.run(ask())
    if fault == "gone":
        with pytest.raises(EngineFailed):
            asyncio.run(ask())


@pytest.mark.parametrize(
    ("names", "methods", "expected"),
    [
        (("tiny",), {"sft": "/runs/x/model"}, {"sft": "tiny"}),
        (("base", "sft"), {"sft": "/runs/x/model"}, {"sft": "sft"}),
        (("base", "/runs/x/model"), {"sft": "/runs/x/model"}, {"sft": "/runs/x/model"}),
        (("sft", "rest-pg"), {"sft": "/a", "rest-pg": "/b"}, {"sft": "sft", "rest-pg": "rest-pg"}),
        (("one", "two"), {"sft": "/a"}, "has the models one, two; for sft, expected one of the name sft or /a"),
        (("tiny",), {"sft": "/a", "rest-pg": "/b"}, "has the models tiny; for sft"),
    ],
)
def test_a_methods_model_is_found_by_name(served, names, methods, expected):
    served.names, served.model = names, "/elsewhere"
    with vllm_running(served) as address:
        if isinstance(expected, str):
            with pytest.raises(UserError, match=expected):
                find_models(address, methods)
        else:
            assert {method: model.name for method, model in find_models(address, methods).items()} == expected


def test_what_the_server_cannot_do_is_said_before_anything_is_written(served):
    served.processor = False
    with vllm_running(served) as address:
        model = find_models(address, {"rag": "tiny"})["rag"]
        with pytest.raises(UserError, match=r"no_repeat_ngram: found 6.*`--logits-processors penname.engines"):
            model.check(Sampling(8, 0.7, 0.9, (), no_repeat_ngram=6))
        assert str(model) == f"tiny at {address}, at most {CONTEXT} tokens, without penname's processor of repetition"
        root = address.removesuffix("/v1")
        with pytest.raises(UserError, match="answered 404; check that the address ends in /v1"):
            find_models(root, {"rag": "tiny"})
    with pytest.raises(UserError, match=r"engine: .*cannot be reached"):
        find_models(address, {"rag": "tiny"})


def test_a_key_of_the_server_is_sent(served, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with vllm_running(served) as address:
        find_models(address, {"rag": "tiny"})
    assert served.keys == ["Bearer secret"]


def test_requests_that_do_not_fit_are_refused(served):
    async def check():
        backend = RemoteBackend(find_models(address, {"rag": "tiny"})["rag"], 8)
        backend.check(CONTEXT - 8, 8, Sampling(8, 0.7, 0.9, ()))
        with pytest.raises(UserError, match=f"{CONTEXT + 1} tokens, this model takes at most {CONTEXT}"):
            backend.check(CONTEXT - 7, 8, Sampling(8, 0.7, 0.9, ()))
        with pytest.raises(UserError, match="found 9 completions of a prompt, expected at most 8"):
            backend.check(10, 9, Sampling(8, 0.7, 0.9, ()))
        await backend.close()

    with vllm_running(served) as address:
        asyncio.run(check())


def test_the_wait_is_foretold_from_first_tokens(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tokens = FirstTokens()
    assert tokens.wait(1) == 0.0
    with tokens.awaited() as alone:
        now[0] += 2
        assert tokens.wait(1) == 2.0
        alone.over()
        assert tokens.wait(1) == 0.0  # whatever it took, the server is free
        with tokens.awaited(), tokens.awaited(), tokens.awaited():
            assert tokens.wait(1) == pytest.approx(8.0)
    assert tokens.wait(1) == 0.0


def test_penname_serve_writes_the_same_with_either_engine(served_run, served, tmp_path, monkeypatch):
    monkeypatch.setenv(COMPUTE_DTYPE, "float32")  # as the remote engine, whatever this processor does fastest
    asked = {
        "model": "penname",
        "messages": [{"role": "user", "content": "Write about rain."}],
        "seed": 3,
        "n": 2,
        "cache_salt": "a client's own",
    }
    with vllm_running(served) as engine:
        texts = []
        for name, changes in (("local", {}), ("remote", {"engine": engine})):
            with running(served_run, f"sqlite:///{tmp_path}/{name}.db", **changes) as address:
                texts.append(post(f"{address}/v1/chat/completions", asked)["choices"])
    assert texts[0] == texts[1]
    assert texts[0][0]["message"] != texts[0][1]["message"]
    sent = [request for request in served.requests if request.get("stream")]
    assert len(sent) == 2
    assert "a client's own" not in json.dumps(sent)
    assert "Write about" not in json.dumps(sent)  # token ids alone


@pytest.mark.parametrize("kind", ["vllm", "openai"])
def test_a_run_whose_engine_is_vllm_is_served_by_a_server_of_it(served_run, served, tmp_path, kind):
    run = tmp_path / "run"
    shutil.copytree(served_run, run)
    values = yaml.safe_load((run / "recipe.yaml").read_text())
    with vllm_running(served) as engine:
        values["generator"]["kind"] = kind
        methods = ("sft",)
        if kind == "openai":
            values["methods"], methods = ["rag"], ("rag",)
            server = {"model": "tiny", "base_url": engine, "server": "vllm", "endpoint": "completions"}
            values["generator"] |= {**server, "tokenizer": served.model}
            evaluated = run / stage_names.evaluation("test", "rag")
            evaluated.mkdir(parents=True)
            (evaluated / "stage.json").write_text("{}")
        (run / "recipe.yaml").write_text(yaml.safe_dump(values))
        with pytest.raises(UserError, match=f"method: {methods[0]}: written with an engine of kind {kind}, expected"):
            running(run, f"sqlite:///{tmp_path}/without.db", methods=methods).__enter__()
        with running(run, f"sqlite:///{tmp_path}/with.db", methods=methods, engine=engine) as address:
            asked = {"model": "penname", "messages": [{"role": "user", "content": "Write about rain."}], "seed": 3}
            choice = post(f"{address}/v1/chat/completions", asked)["choices"][0]
    assert choice["message"]["content"]
    assert served.requests[-1]["model"] == "tiny"


def test_a_server_that_is_gone_is_not_ready(served_run, served, tmp_path):
    with vllm_running(served) as engine:
        starting = running(served_run, f"sqlite:///{tmp_path}/penname.db", engine=engine)
        address = starting.__enter__()
        urllib.request.urlopen(f"{address}/readyz", timeout=10).close()
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"{address}/readyz", timeout=10)
    with pytest.raises(urllib.error.HTTPError, match="500"):
        post(f"{address}/v1/completions", {"model": "penname", "prompt": "Write about rain."})


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())
