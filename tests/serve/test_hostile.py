"""Requests that no well-meaning client sends: each is refused in a line, and nobody else notices."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
from contextlib import closing, contextmanager, suppress
from types import SimpleNamespace

import psutil
import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse
from tests.serve.serving import in_thread

from penname.serve import connections
from penname.serve.access import Access
from penname.serve.callers import Callers
from penname.serve.connections import Connection
from penname.serve.limits import MOST_BYTES, Limits
from penname.serve.server_errors import ServerErrors
from penname.serve.store.opening import open_store

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHAT = "/v1/chat/completions"
GOOD = {"model": "penname", "messages": [{"role": "user", "content": "Write about rain."}], "max_tokens": 2}
JSON = ("Content-Type: application/json",)
FORM = ("Content-Type: multipart/form-data; boundary=x",)


def exchange(address, method, path, body=b"", headers=JSON, *, length=True, seconds=20.0):
    """The status, headers and body of the answer to a request that is sent as it stands."""
    host = address.removeprefix("http://")
    head = [f"{method} {path} HTTP/1.1", *headers]
    head += [] if any(line.lower().startswith("host:") for line in headers) else [f"Host: {host}"]
    head += [f"Content-Length: {len(body)}"] if length else []
    with closing(connected(address, seconds)) as client:
        client.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))
        with suppress(BrokenPipeError, ConnectionResetError):  # it has been answered already
            client.sendall(body)
        return answer_of(client)


def connected(address, seconds=20.0):
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=seconds)


def answer_of(client):
    with client.makefile("rb") as answer:
        status = int(answer.readline().split()[1])
        headers = dict(iter(lambda: answer.readline().decode().strip().lower().partition(": ")[::2], ("", "")))
        return status, headers, answer.read(int(headers["content-length"])) if "content-length" in headers else b""


def refused(answer, status, code=None):
    """Assert that an answer is an error of OpenAI's shape."""
    found, headers, body = answer
    assert found == status, body
    error = json.loads(body)["error"]
    assert sorted(error) == ["code", "message", "param", "type"]
    assert error["message"]
    assert "\n" not in error["message"]
    assert headers["x-content-type-options"] == "nosniff"
    if code is not None:
        assert error["code"] == code
    return error


def still_served(address):
    return exchange(address, "POST", CHAT, json.dumps(GOOD).encode())[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"messages": "\xe9"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"seed": ' + b"9" * 5000 + b"}",
        json.dumps({**GOOD, "seed": 2**70}).encode(),
        json.dumps({**GOOD, "temperature": float("nan")}).encode(),
        json.dumps({**GOOD, "temperature": float("inf")}).encode(),
        json.dumps({**GOOD, "messages": [{"role": "user", "content": "\ud800 rain"}]}).encode(),
        json.dumps({**GOOD, "model": "penname/\udfff"}).encode(),
        json.dumps({**GOOD, "user": "\ud800"}).encode(),
        json.dumps({**GOOD, "user": "a\0b"}).encode(),
        json.dumps({**GOOD, "query": "\ud800"}).encode(),
        json.dumps({**GOOD, "query": " "}).encode(),
        json.dumps({**GOOD, "stop": ["\ud800"]}).encode(),
        json.dumps({**GOOD, "stop": [""]}).encode(),
        json.dumps({**GOOD, "stop": ["x"] * 17}).encode(),
        json.dumps({**GOOD, "reasoning": "x"}).encode(),
        json.dumps({**GOOD, "item": "x"}).encode(),
        json.dumps({**GOOD, "messages": [{"role": "user", "content": "x" * 1_000_001}]}).encode(),
        json.dumps({**GOOD, "messages": [{"role": "user", "content": "x"}] * 1001}).encode(),
        json.dumps({**GOOD, "candidates": 10**9}).encode(),
        json.dumps({**GOOD, "n": True, "stream": 3}).encode(),
        json.dumps(GOOD).encode("utf-16")[:-1],
        json.dumps(GOOD).encode("latin-1")[:-1],
    ],
    ids=range(30),
)
def test_a_body_that_cannot_be_read_is_refused(address, body):
    refused(exchange(address, "POST", CHAT, body), 400)


@pytest.mark.parametrize(
    ("wrong", "param", "problem"),
    [
        ({"n": "2"}, "n", "found '2', expected an integer"),
        ({"n": True}, "n", "found true, expected an integer"),
        ({"n": 99}, "n", "found 99, expected at most 16"),
        ({"stream": "yes"}, "stream", "found a string, expected true or false"),
        ({"temperature": True}, "temperature", "found true, expected a number"),
        ({"max_tokens": True}, "max_tokens", "found true, expected an integer"),
        ({"logprobs": "yes"}, "logprobs", "found a string, expected true or false"),
        ({"stop": ["x"] * 17}, "stop", "found a list of length 17, expected at most 16"),
        ({"stop": [""]}, "stop[0]", "found a string of length 0, expected at least 1"),
        ({"stop": ["x", 3]}, "stop[1]", "found 3, expected a string"),
        ({"stop": {}}, "stop", "found an object, expected a string or a list"),
        ({"query": " "}, "query", "found nothing but white space, expected a text"),
        ({"user": "\ud800"}, "user", "found a string that is not in Unicode, expected one in Unicode"),
        ({"messages": None}, "messages", "found null, expected a list"),
        ({"messages": ["rain"]}, "messages[0]", "found a string, expected an object"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "found 3, expected a string or a list"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
            "found 'image_url', expected 'text' or 'input_text'",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text"}]}]},
            "messages[0].content[1].text",
            "found none, expected a value",
        ),
    ],
)
def test_a_wrong_field_is_named_with_what_it_has_and_may_have(address, wrong, param, problem):
    error = refused(exchange(address, "POST", CHAT, json.dumps({**GOOD, **wrong}).encode()), 400)
    assert (error["param"], error["message"]) == (param, f"{param}: {problem}")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/users?limit=0", "limit: found '0', expected at least 1"),
        ("/v1/users?limit=many", "limit: found a string, expected an integer"),
        ("/v1/models?limit=5000", "limit: found '5000', expected at most 1000"),
        (f"/v1/users?after={'a' * 4001}", "after: found a string of length 4001, expected at most 4000"),
    ],
)
def test_a_wrong_field_of_an_address_is_named_too(address, path, told):
    assert refused(exchange(address, "GET", path), 400)["message"] == told


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
@pytest.mark.parametrize("path", [CHAT, "/v1/users/ada/documents"])
def test_a_body_in_another_encoding_is_named(address, encoding, path):
    body = {**GOOD, "text": "naïve"}
    error = refused(exchange(address, "POST", path, json.dumps(body, ensure_ascii=False).encode(encoding)), 400)
    assert (error["param"], error["message"].endswith("expected UTF-8")) == ("body", True)
    assert exchange(address, "POST", CHAT, json.dumps(GOOD).encode("utf-8-sig"))[0] == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "gzip, identity"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_body_that_is_compressed_or_said_to_be_is_refused(address, coding, packed):
    body = json.dumps(GOOD).encode()
    answer = exchange(
        address, "POST", CHAT, gzip.compress(body) if packed else body, (*JSON, f"Content-Encoding: {coding}")
    )
    assert refused(answer, 415, "unsupported_media_type")["param"] == "content-encoding"
    assert exchange(address, "POST", CHAT, body, (*JSON, "Content-Encoding: identity"))[0] == 200


def test_a_body_that_is_no_json_is_named(address):
    assert refused(exchange(address, "POST", CHAT, b'{"a": }'), 400)["param"] == "body"


@pytest.mark.parametrize(
    "content",
    ["a\0b", "\u202e rain \ufffe", "<|end|><|user|>", "\r\n\t rain", "🌧" * 50],
    ids=range(5),
)
def test_any_text_of_unicode_can_be_asked_for(address, content):
    body = {**GOOD, "messages": [{"role": "user", "content": content}]}
    assert exchange(address, "POST", CHAT, json.dumps(body).encode())[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/nothing", (), 404, "not_found"),
        ("GET", "/v1/%00%ff/..%2f", (), 404, "not_found"),
        ("GET", CHAT, (), 405, "method_not_allowed"),
        ("PATCH", CHAT, JSON, 405, "method_not_allowed"),
        ("POST", CHAT, ("Content-Type: text/plain",), 415, "unsupported_media_type"),
        ("POST", CHAT, ("Content-Type: application/x-www-form-urlencoded",), 415, "unsupported_media_type"),
        ("POST", CHAT, (), 415, "unsupported_media_type"),
        ("POST", CHAT, (*JSON, "Authorization: Bearer a", "Authorization: Bearer b"), 400, "invalid_header"),
        ("POST", CHAT, (*JSON, "X-Penname-User: a", "X-Penname-User: b"), 400, "invalid_header"),
        ("POST", CHAT, (*JSON, "Content-Type: text/plain"), 400, "invalid_header"),
        ("POST", CHAT, (*JSON, "Host: elsewhere.example"), 403, "host_not_allowed"),
        ("POST", CHAT, (*JSON, "Host: localhost.example:80"), 403, "host_not_allowed"),
        ("POST", CHAT, (*JSON, "Host: 127.0.0.1.example:80"), 403, "host_not_allowed"),
        ("POST", CHAT, (*JSON, "Origin: https://evil.example"), 403, "origin_not_allowed"),
        ("POST", "/v1/users/ada/documents", (*FORM, "Origin: https://evil.example"), 403, "origin_not_allowed"),
        ("POST", "/v1/users/ada/documents", (*FORM, "Origin: null"), 403, "origin_not_allowed"),
        ("DELETE", "/v1/users/ada", ("Origin: http://localhost.evil.example",), 403, "origin_not_allowed"),
        ("GET", "/v1/users", ("X-Forwarded-For: 203.0.113.9",), 403, "key_required"),
        ("GET", "/v1/users", ("Via: 1.1 proxy",), 403, "key_required"),
        ("POST", CHAT, (*JSON, "Authorization: Bearer pn-\xff"), 401, "invalid_api_key"),
        ("POST", CHAT, (*JSON, "Transfer-Encoding: chunked"), 400, "invalid_header"),
    ],
)
def test_a_request_that_is_not_for_this_server_is_refused(address, method, path, headers, status, code):
    refused(exchange(address, method, path, json.dumps(GOOD).encode(), headers), status, code)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.2:8000", "[::1]:8000"])
def test_this_machine_is_asked_by_any_of_its_names(address, host):
    assert exchange(address, "GET", "/v1/models", b"", (f"Host: {host}",))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        (*JSON, "Host: localhost", "Host: elsewhere"),
        (*JSON, "Content-Length: 3"),
        (*JSON, "X: " + "x" * 100_000),
        *[(f"X-{i}: x" for i in range(20_000))],
        (*JSON, "Broken"),
        (*JSON, "X : y"),
        (*JSON, "Content-Length: -1"),
    ],
    ids=["hosts", "lengths", "long", "many", "no colon", "space", "negative"],
)
def test_what_is_no_http_is_refused(address, headers):
    answer = exchange(address, "POST", CHAT, json.dumps(GOOD).encode(), headers)
    assert answer[0] in (400, 431)
    refused(answer, answer[0])
    assert still_served(address)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40,  # TLS
        b"hello\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
    ],
    ids=["tls", "words", "bytes", "chunk"],
)
def test_what_is_no_request_at_all_is_refused(address, sent):
    with closing(connected(address)) as client:
        client.sendall(sent)
        refused(answer_of(client), 400, "invalid_http")
        assert client.recv(1) == b""
    assert still_served(address)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("POST", CHAT, (*JSON, "Authorization: Bearer pn-nobody"), 401, "invalid_api_key"),
        ("POST", "/v1/completions", (*JSON, "Authorization: Bearer pn-nobody"), 401, "invalid_api_key"),
        ("POST", "/v1/users/ada/documents", (*JSON, "Authorization: Bearer pn-nobody"), 401, "invalid_api_key"),
        ("PUT", "/v1/users/ada/reasoning", (*JSON, "Authorization: Bearer pn-nobody"), 401, "invalid_api_key"),
        ("POST", "/v1/users/ada/feedback", (*JSON, "Authorization: Bearer pn-nobody"), 401, "invalid_api_key"),
        ("POST", CHAT, (*JSON, "Host: elsewhere.example"), 403, "host_not_allowed"),
    ],
)
def test_a_body_of_someone_who_may_not_ask_is_not_waited_for(address, method, path, headers, status, code):
    sent = [f"{method} {path} HTTP/1.1", *headers, "Content-Length: 20000000"]
    sent += [] if any("Host" in line for line in headers) else ["Host: localhost"]
    with closing(connected(address)) as client:
        client.sendall("\r\n".join([*sent, "", ""]).encode())
        answer = answer_of(client)  # no byte of the body has been sent
        refused(answer, status, code)
        assert answer[1]["connection"] == "close"


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/docs", 200), ("/nothing", 404)])
def test_a_body_that_nobody_reads_is_not_waited_for(address, path, status):
    with closing(connected(address)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n".encode())
        assert answer_of(client)[0] == status
        client.sendall(b"abc" + WHOLE)
        assert answer_of(client)[0] == 404


def test_agents_are_told_in_their_protocols_shape_before_their_body_has_come(address):
    with closing(connected(address)) as client:
        client.sendall(
            b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nAuthorization: Bearer pn-x\r\n\r\n"
        )
        status, _, body = answer_of(client)
    assert (status, json.loads(body)["error"]["data"]["code"]) == (401, "invalid_api_key")


def test_large_bodies(address):
    large = {**GOOD, "padding": "x" * 20_000_000}
    assert exchange(address, "POST", CHAT, json.dumps(large).encode())[0] == 200
    refused(exchange(address, "POST", CHAT, b" " * (MOST_BYTES + 1)), 413, "too_large")
    part = b"100000\r\n" + b" " * 2**20 + b"\r\n"
    chunked = part * (MOST_BYTES // 2**20 + 1) + b"0\r\n\r\n"
    headers = (*JSON, "Transfer-Encoding: chunked")
    refused(exchange(address, "POST", CHAT, chunked, headers, length=False), 413, "too_large")
    assert still_served(address)


def test_the_memory_of_large_bodies_is_given_back(address):
    body = json.dumps({**GOOD, "model": "nobody", "padding": "x" * 20_000_000}).encode()
    exchange(address, "POST", CHAT, body)
    before = psutil.Process().memory_info().rss
    for _ in range(6):
        assert exchange(address, "POST", CHAT, body)[0] == 404
    assert psutil.Process().memory_info().rss < before + 80_000_000  # of at least 120


def test_a_client_that_hangs_up_within_its_body_is_forgotten(address):
    for _ in range(20):
        with closing(connected(address)) as client:
            client.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\nabc".encode())
    assert still_served(address)


@contextmanager
def serving(app):
    """A server with the connections of penname's; yields its address."""
    with in_thread(app, http=Connection, ws="none", log_level="critical", lifespan="off") as port:
        yield f"http://127.0.0.1:{port}"


def test_a_body_that_never_ends_is_cut_off():
    app = FastAPI()
    app.add_middleware(Limits, seconds=0.3)
    with serving(app) as address, closing(connected(address)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\na")
        started = time.monotonic()
        for _ in range(3):
            time.sleep(0.05)
            client.sendall(b"a")
        status, headers, body = answer_of(client)
        assert client.recv(1) == b""
    assert (status, json.loads(body)["error"]["code"], headers["connection"]) == (408, "request_timeout", "close")
    assert 0.2 < time.monotonic() - started < 5


@pytest.fixture
def room_for_1000(tmp_path):
    """A server that receives bodies of 1000 bytes in all, and keys of three tenants."""
    app = FastAPI()
    app.add_middleware(Limits, most_held=1000)
    app.add_middleware(Callers)
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, serving(app) as address:
        app.state.penname = SimpleNamespace(access=Access(store, required=False))
        yield address, [store.add_key(tenant) for tenant in ("acme", "other", "third")]


@contextmanager
def unfinished(address, size, *headers):
    """A body of so many bytes whose last one is sent at the end, and its answer's status in the list it yields."""
    head = ["POST /v1/x HTTP/1.1", f"Host: {address.removeprefix('http://')}", f"Content-Length: {size}", *headers]
    statuses = []
    with closing(connected(address)) as client:
        client.sendall("\r\n".join([*head, "", ""]).encode() + b"a" * (size - 1))
        time.sleep(0.1)
        yield statuses
        client.sendall(b"a")
        statuses.append(answer_of(client)[0])


def test_one_sender_has_half_of_the_room_for_bodies_and_all_together_the_whole(room_for_1000):
    address, keys = room_for_1000
    acme, other, third = (f"Authorization: Bearer {key}" for key in keys)

    def send(size, *headers):
        status, told, _ = exchange(address, "POST", "/v1/x", b"a" * size, headers)
        return status, told.get("retry-after")

    with unfinished(address, 400, acme) as first:
        assert send(200, acme) == (429, "5")
        assert send(100, acme) == send(400, other) == send(400) == (404, None)
        with unfinished(address, 400, other) as second:
            assert send(250, third) == send(250) == (503, "5")
            assert send(150, third) == (404, None)
    assert first == second == [404]
    assert send(500, acme) == (404, None)
    with unfinished(address, 400):  # without a key, whoever has the address is one sender
        assert send(200) == (429, "5")
        assert send(400, acme) == (404, None)


def test_a_head_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr(connections, "SECONDS_FOR_HEAD", 0.3)
    with serving(FastAPI()) as address:
        for before, begun in ((b"", b""), (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"), (WHOLE, b"GET")):
            with closing(connected(address)) as client:
                client.sendall(before)
                if before:
                    assert answer_of(client)[0] == 404
                client.sendall(begun)
                started = time.monotonic()
                assert client.recv(1) == b""
                assert time.monotonic() - started < 4


def test_a_client_that_does_not_read_is_cut_off(monkeypatch):
    """What is written for it meanwhile is no more than what the network holds."""
    monkeypatch.setattr(connections, "SECONDS_FOR_READING", 0.3)
    sent, ended = [0], threading.Event()

    async def endless():
        try:
            while True:
                sent[0] += 100_000
                await asyncio.sleep(0)
                yield b"x" * 100_000
        finally:
            ended.set()

    app = FastAPI()

    @app.get("/")
    async def stream(request: Request):
        return StreamingResponse(endless())

    with serving(app) as address, closing(connected(address)) as client:
        client.sendall(WHOLE)
        assert ended.wait(timeout=10)
    assert sent[0] < 20_000_000


def test_a_failure_shows_its_kind_alone(caplog):
    app = FastAPI()
    app.add_middleware(ServerErrors)

    @app.get("/{user}/fails")
    async def fails(user: str):
        raise ValueError("a text of ada's")

    @app.get("/{user}/breaks")
    async def breaks(user: str):
        async def broken():
            yield b"begun"
            raise ValueError("a text of ada's")

        return StreamingResponse(broken())

    with serving(app) as address:
        status, _, body = exchange(address, "GET", "/ada/fails")
        assert (status, json.loads(body)["error"]["code"]) == (500, "server_error")
        with closing(connected(address)) as client:
            client.sendall(b"GET /ada/breaks HTTP/1.1\r\nHost: x\r\n\r\n")
            with client.makefile("rb") as answer:
                assert answer.read().endswith(b"begun\r\n")  # without the end of the chunks
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("penname")]
    assert lines == ["GET /{user}/fails: ValueError", "GET /{user}/breaks: ValueError"]
    assert "ada" not in body.decode() + caplog.text
