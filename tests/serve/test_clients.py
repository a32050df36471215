"""Programs that people have are served as OpenAI serves them."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import urllib.error
import urllib.request
from datetime import UTC, datetime

import httpx
import openai
import pytest
from tests.serve.open_webui import AUTOCOMPLETION, FOLLOW_UPS, HEADERS, TAGS, TITLE, conversation, job, job_request
from tests.serve.vllm_servers import LIMIT

from penname.serve.store.opening import open_store

ASKED = [{"role": "user", "content": "Write about rain."}]


@pytest.fixture(scope="module")
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client:
        yield client


def written(client, **fields):
    return client.chat.completions.create(model="penname", messages=ASKED, **{"seed": 5, **fields})


def usage_of(key, database):
    with open_store(database) as store:
        return store.usage(store.key_of(key), datetime.now(UTC).date().isoformat())


def test_openai_streams_what_it_returns_whole(client):
    whole = written(client, n=2)
    assert [choice.index for choice in whole.choices] == [0, 1]
    first, second = (choice.message.content for choice in whole.choices)
    assert first
    assert first != second
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert written(client).choices[0].message.content == first
    assert written(client, seed=6).choices[0].message.content != first
    chunks = list(written(client, n=2, stream=True, stream_options={"include_usage": True}))
    streamed, reasons = ["", ""], ["", ""]
    for chunk in chunks:
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
            reasons[choice.index] += choice.finish_reason or ""
    assert streamed == [first, second]
    assert reasons == [choice.finish_reason for choice in whole.choices]
    assert chunks[-1].usage == whole.usage
    assert len(chunks) > LIMIT // 2  # of two texts; a letter may take up to four tokens
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_openai_many_at_once(address):
    async def ask():
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client:

            async def one(seed):
                stream = await client.chat.completions.create(model="penname", messages=ASKED, seed=seed, stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

            return await asyncio.gather(*(one(seed % 4) for seed in range(12)))

    texts = asyncio.run(ask())
    assert texts[:4] * 3 == texts
    assert len(set(texts)) == 4


def test_openai_stop_and_limit(client):
    text = written(client).choices[0].message.content
    end = text[10:13]
    stopped = written(client, stop=[end, "never"]).choices[0]
    assert stopped.message.content == text[: text.index(end)].strip()
    assert stopped.finish_reason == "stop"
    short = written(client, max_completion_tokens=4)
    assert (short.usage.completion_tokens, short.choices[0].finish_reason) == (4, "length")


def test_openai_log_probs(client):
    told = written(client, logprobs=True, top_logprobs=3, temperature=0.0).choices[0].logprobs.content
    assert len(told) > 3
    for token in told:
        assert len(token.top_logprobs) == 3
        assert token.logprob <= 0
        assert token.top_logprobs[0].logprob >= token.top_logprobs[2].logprob
    with written(client, logprobs=True, top_logprobs=3, temperature=0.0, stream=True) as chunks:
        streamed = [t for c in chunks if c.choices and c.choices[0].logprobs for t in c.choices[0].logprobs.content]
    assert [token.token for token in streamed] == [token.token for token in told]
    old = client.completions.create(model="penname", prompt="Write about rain.", logprobs=2, max_tokens=5, seed=1)
    assert len(old.choices[0].logprobs.token_logprobs) == len(old.choices[0].logprobs.top_logprobs) > 0


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model": "gpt-5"}, openai.NotFoundError, "model"),
        ({"model": "penname@nope"}, openai.NotFoundError, "model"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, openai.BadRequestError, None),
        ({"temperature": 3.0}, openai.BadRequestError, "temperature"),
        ({"n": 16}, openai.BadRequestError, None),  # more than the engine writes at once
        ({"n": 16, "stream": True}, openai.BadRequestError, None),
        ({"messages": [{"role": "user", "content": "rain " * 2000}]}, openai.BadRequestError, "messages"),
    ],
)
def test_openai_names_errors(client, fields, error, param):
    with pytest.raises(error) as caught:
        client.chat.completions.create(**{"model": "penname", "messages": ASKED, **fields})
    assert caught.value.type == "invalid_request_error"
    assert caught.value.code
    if param is not None:
        assert caught.value.param == param


def test_openai_keys_and_quotas(address, database):
    with open_store(database) as store:
        key = store.add_key("acme", "", 10_000)
        assert store.reserve(store.key_of(key), datetime.now(UTC).date().isoformat(), 9_990)
        small = store.add_key("acme", "", 10)
    for wrong in ("pn-nobody", key[:-1]):
        with (
            openai.OpenAI(base_url=f"{address}/v1", api_key=wrong) as client,
            pytest.raises(openai.AuthenticationError),
        ):
            written(client)
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            written(client)
        assert caught.value.code == "insufficient_quota"
        assert int(caught.value.response.headers["retry-after"]) > 0
        assert int(re.findall(r"the (\d+) that this may take", caught.value.message)[0]) > 10
    sent = []
    asked = httpx.Client(event_hooks={"request": [sent.append]})
    never = pytest.raises(openai.BadRequestError, match="expected at most the 10 that its key has in a day")
    with openai.OpenAI(base_url=f"{address}/v1", api_key=small, http_client=asked) as client, never as caught:
        written(client)
    assert (caught.value.code, caught.value.param) == ("insufficient_quota", "max_tokens")
    assert len(sent) == 1, "what can never be answered is asked for once"


def test_openai_unknown_fields_are_passed_over(client):
    extra = {"cache_salt": "x", "metadata": {"a": 1}, "tools": [], "reasoning_effort": "low", "whatever": None}
    assert written(client, extra_body=extra).choices[0].message == written(client).choices[0].message


def test_curl_gets_events_as_they_come(address):
    body = json.dumps({"model": "penname", "messages": ASKED, "stream": True, "seed": 5})
    command = ["curl", "-sN", f"{address}/v1/chat/completions", "-H", "Content-Type: application/json", "-d", body]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        lines = [line.decode().rstrip("\n") for line in curl.stdout]
    assert curl.returncode == 0
    assert lines[0].startswith('data: {"id":"chatcmpl-')
    assert lines[-2:] == ["data: [DONE]", ""]
    assert all(not line or line.startswith("data: ") for line in lines)


def test_langchain(address, client):
    from langchain_openai import ChatOpenAI

    text = written(client).choices[0].message.content
    model = ChatOpenAI(base_url=f"{address}/v1", api_key="any", model="penname", seed=5, temperature=None)
    answer = model.invoke([("system", ""), ("user", "Write about rain.")])
    assert answer.content == text
    assert answer.usage_metadata["output_tokens"] > 0
    pieces = list(model.stream("Write about rain."))
    assert "".join(piece.content for piece in pieces) == text
    assert len(pieces) > 3


def test_litellm(address, client, monkeypatch):
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    asked = {"model": "openai/penname", "api_base": f"{address}/v1", "api_key": "any", "messages": ASKED, "seed": 5}
    text = written(client).choices[0].message.content
    assert litellm.completion(**asked).choices[0].message.content == text
    chunks = litellm.completion(**asked, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    with pytest.raises(litellm.BadRequestError):
        litellm.completion(**asked, top_p=7)


def test_open_webui(address, database):
    """A conversation with the jobs beside it, which are answered at once, take nothing and are not kept."""
    with open_store(database) as store:
        key = store.add_key("open-webui", "", 100_000)
        store.put_user("open-webui", "ada")
    request = urllib.request.Request(f"{address}/v1/models", headers={**HEADERS, "Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        listed = json.loads(answer.read())
    assert "penname/ada" in [model["id"] for model in listed["data"]]
    text, events = open_webui(address, conversation("Write about rain."), key)
    assert text
    assert events[-1]["usage"]["completion_tokens"] > 0
    used = usage_of(key, database)
    assert used.used > 0
    turns = f"USER: Write about rain.\nASSISTANT: {text}"
    jobs = {
        job(TITLE, turns): {"title": "Write about rain"},
        job(TAGS, turns): {"tags": ["General"]},
        job(FOLLOW_UPS, turns): {"follow_ups": []},
        job(AUTOCOMPLETION, turns, "\n<type>General</type>\n<text>It rai</text>\n#### Output:\n"): {"text": ""},
    }
    for asked, expected in jobs.items():
        for stream in (False, True):
            reply, events = open_webui(address, job_request(asked, stream=stream), key)
            assert json.loads(reply) == expected
            assert len(events) == 1
    assert usage_of(key, database) == used


@pytest.mark.parametrize(
    ("fields", "status"), [({"model": "penname@nope"}, 404), ({"model": "gpt-5"}, 404), ({"stream": "x"}, 400)]
)
def test_a_job_of_open_webuis_is_a_request_as_any(address, fields, status):
    with pytest.raises(urllib.error.HTTPError) as caught:
        open_webui(address, job_request(job(TITLE, "USER: Rain."), **fields), "any")
    assert caught.value.code == status


def test_a_job_of_open_webuis_needs_a_key_that_is_valid(address):
    with pytest.raises(urllib.error.HTTPError) as caught:
        open_webui(address, job_request(job(TITLE, "USER: Rain.")), "pn-nobody")
    assert caught.value.code == 401


def open_webui(address, body, key):
    """The text that Open WebUI gets for a request, and the events, or the whole answer as one."""
    headers = {**HEADERS, "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"{address}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        told = answer.read().decode()
        streamed = answer.headers["content-type"].startswith("text/event-stream")
    if not streamed:
        whole = json.loads(told)
        return whole["choices"][0]["message"]["content"], [whole]
    lines = [line.removeprefix("data: ") for line in told.splitlines() if line]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    return "".join(c["delta"].get("content") or "" for event in events for c in event["choices"]), events
