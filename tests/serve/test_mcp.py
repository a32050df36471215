"""Agents: the tools by the SDK's own client, over HTTP in both of the protocol's forms, and over stdio."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager
from http.client import HTTPConnection

import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from tests.serve.running import in_this_process, wait_until
from tests.serve.serving import make_run, save_trained_model

from penname.cli.app import main
from penname.data.records import Document
from penname.serve.mcp import tools
from penname.serve.store.opening import open_store

MODES = ["auto", "legacy"]
"""Without and with the handshake that the protocol had at first."""
PROMPT = "Write about the rain."
COMMAND = [sys.executable, "-m", "penname", "mcp"]


@asynccontextmanager
async def connected(port, key=None, mode="auto", **headers):
    """The SDK's client of a server."""
    sent = {**headers, **({"Authorization": f"Bearer {key}"} if key else {})}
    async with (
        httpx2.AsyncClient(headers=sent, timeout=30) as http,
        Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http), mode=mode) as agent,
    ):
        yield agent


def call(client, tool, mode="auto", **arguments):
    """What a tool answers: its result, or its error as a text."""

    async def ask():
        async with connected(client.port, client.key, mode) as agent:
            return read(await agent.call_tool(tool, arguments))

    try:
        return asyncio.run(ask())
    except* MCPError as errors:
        fault = innermost(errors)
    raise fault


def innermost(error):
    """The one error in groups of groups, in which the SDK's client raises it."""
    while isinstance(error, ExceptionGroup):
        (error,) = error.exceptions
    return error


def read(result):
    (content,) = result.content
    if result.is_error:
        assert "\n" not in content.text
        return content.text
    assert json.loads(content.text) == result.structured_content
    return result.structured_content


def post(port, body, **headers):
    """The status and the body that plain HTTP has."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    sent = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    connection.request("POST", "/mcp", json.dumps(body), sent)
    response = connection.getresponse()
    with response:
        return response.status, json.loads(response.read())


def calling(tool, **arguments):
    """A call as it is sent without a handshake."""
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}


@pytest.fixture(scope="module")
def served_store(tmp_path_factory):
    """The store of `server`: what differs between databases is below it."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('store')}/penname.db") as store:
        yield store


@pytest.fixture
def ada(client):
    """A client, with documents of the user ada and of another one."""
    documents = [{"id": f"note-{n}", "text": f"I planted {word}. Water is patient!"} for n, word in enumerate(WORDS)]
    assert client("POST", "/v1/users/ada/documents", {"documents": documents}).status == 200
    assert client("POST", "/v1/users/ben/documents", {"text": "We sold the car, and that was all."}).status == 200
    return client


WORDS = ("beans", "roses", "barley", "quinces", "leeks", "hops")


@pytest.mark.parametrize("mode", MODES)
def test_tools_are_told_with_what_they_take_and_give(server, served_store, mode):
    async def list_tools():
        async with connected(server.port, served_store.add_key("listing"), mode) as agent:
            assert agent.instructions
            return (await agent.list_tools()).tools

    listed = {tool.name: tool for tool in asyncio.run(list_tools())}
    assert list(listed) == ["write_as_user", "style_card", "find_documents", "list_users"]
    assert [tool.annotations.read_only_hint for tool in listed.values()] == [False, True, True, True]
    assert listed["write_as_user"].input_schema["required"] == ["user", "prompt"]
    assert "text" in listed["write_as_user"].output_schema["properties"]


@pytest.mark.parametrize("mode", MODES)
def test_a_text_is_the_one_that_http_gives(ada, mode):
    chat = {"model": "penname/ada", "messages": [{"role": "user", "content": PROMPT}], "seed": 3}
    first = call(ada, "write_as_user", mode, user="ada", prompt=PROMPT, seed=3)
    answer = ada("POST", "/v1/chat/completions", chat).json
    assert first["documents"] == answer["penname"]["documents"]
    again = ada("POST", "/v1/chat/completions", {**chat, "reasoning": "Likes water."}).json
    given = call(ada, "write_as_user", mode, user="ada", prompt=PROMPT, seed=3, reasoning="Likes water.")
    assert given["text"] == again["choices"][0]["message"]["content"]
    assert (given["reasoning"], given["seed"], given["method"]) == ("Likes water.", 3, "sft-reasoning")
    short = call(ada, "write_as_user", mode, user="ada", prompt=PROMPT, seed=3, reasoning="Likes water.", max_tokens=2)
    assert short["finish_reason"] == "length"
    assert given["text"].startswith(short["text"].rstrip("�"))


def test_the_reasoning_that_is_kept_is_the_users_next_one(ada):
    ada("PUT", "/v1/users/ada/reasoning", {"text": "Plants things."})
    assert call(ada, "write_as_user", user="ada", prompt=PROMPT)["reasoning"] == "Plants things."
    assert call(ada, "style_card", user="ada")["reasoning"] == "Plants things."


def test_documents_are_found_as_prompts_have_them(ada):
    found = call(ada, "find_documents", user="ada", query="the quinces", limit=2)
    assert found["total"] == 6
    assert len(found["documents"]) == 2
    assert found["documents"][0]["id"] == "note-3"
    written = call(ada, "write_as_user", user="ada", prompt="the quinces", max_tokens=1)
    assert written["documents"] == ["note-3"]


def test_long_documents_are_shortened_and_that_is_said(client, monkeypatch):
    monkeypatch.setattr(tools, "MOST_LETTERS", 10)
    client(
        "POST",
        "/v1/users/ada/documents",
        {"documents": [{"text": "A short one of rain, and more."}, {"text": "Rain."}]},
    )
    found = call(client, "find_documents", user="ada", query="rain")["documents"]
    assert {(document["text"], document["shortened"]) for document in found} == {("A short on", True), ("Rain.", False)}


def test_a_style_card_compares_with_the_tenants_other_users(ada):
    shown = call(ada, "style_card", user="ada")
    assert "uses exclamation marks" in shown["card"]
    assert 'Many texts begin with "I"' in shown["card"]
    assert (shown["compared_with_users"], shown["compared_with_documents"]) == (1, 1)
    assert "few" in shown["notes"][0]
    for number in range(5):
        ada("POST", f"/v1/users/other-{number}/documents", {"text": "We sold the car, and that was all."})
    assert call(ada, "style_card", user="ada")["notes"] == []
    ada("DELETE", "/v1/users/ben")
    assert call(ada, "style_card", user="ada")["compared_with_users"] == 5


def test_a_style_card_that_cannot_be_is_said_to(client):
    client("PUT", "/v1/users/ada")
    assert call(client, "style_card", user="ada")["notes"] == ["the user has no documents"]
    client("POST", "/v1/users/ada/documents", {"text": "Rain."})
    alone = call(client, "style_card", user="ada")
    assert alone["card"] is None
    assert "no other user" in alone["notes"][0]


def test_pages_of_users(ada):
    page = call(ada, "list_users", limit=1)
    assert (page["users"], page["has_more"]) == (["ada"], True)
    page = call(ada, "list_users", after="ada")
    assert (page["users"], page["has_more"]) == (["ben"], False)


@pytest.mark.parametrize("tool", ["style_card", "find_documents"])
def test_another_tenants_user_is_one_whom_nobody_knows(ada, served_store, tool):
    other = ada.with_key(served_store.add_key("another tenant"))
    more = {"query": "quinces"} if tool == "find_documents" else {}
    foreign, unknown = (call(other, tool, user=user, **more) for user in ("ada", "nobody"))
    assert foreign == unknown == other("GET", "/v1/users/ada").error["message"]
    assert call(other, "list_users")["users"] == []
    written = call(other, "write_as_user", user="ada", prompt=PROMPT)
    assert (written["documents"], written["notes"][0]) == ([], "nobody knows this user: written as for a new user")
    assert not any(word in json.dumps(written) for word in WORDS)


def test_a_forgotten_user_is_nobodys(ada):
    ada("DELETE", "/v1/users/ada")
    assert "expected that of a user who was added" in call(ada, "find_documents", user="ada", query="quinces")
    assert call(ada, "list_users")["users"] == ["ben"]


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("write_as_user", {"prompt": PROMPT}, "user: found none, expected a value"),
        ("write_as_user", {"user": "ada", "prompt": " "}, "prompt: .*expected a text"),
        (
            "write_as_user",
            {"user": "ada", "prompt": PROMPT, "max_token": 3},
            "max_token: found one, expected no.*",
        ),
        ("write_as_user", {"user": "ada", "prompt": PROMPT, "seed": "one"}, "seed: .*integer.*"),
        ("write_as_user", {"user": "ada", "prompt": "rain " * 400}, "the prompt is .* tokens too long for .*"),
        ("find_documents", {"user": "ada", "query": "rain", "limit": 0}, "limit: found 0, expected at least 1"),
        ("style_card", {"user": "\t"}, "user: found no letter, expected a name"),
    ],
)
def test_a_fault_is_told_in_the_words_of_http(ada, tool, arguments, message):
    assert re.fullmatch(message, call(ada, tool, **arguments))


@pytest.mark.parametrize("mode", MODES)
def test_a_failure_tells_nobody_what_it_was_about(ada, monkeypatch, caplog, mode):
    def fail(store, tenant, user):
        raise ValueError(f"{user}: {WORDS}")

    monkeypatch.setattr(tools, "style_of", fail)
    assert call(ada, "style_card", mode, user="ada") == "the server failed"
    assert "style_card: ValueError" in caplog.text
    assert not any(word in caplog.text for word in WORDS)


@pytest.mark.parametrize("mode", MODES)
def test_there_is_no_other_tool(client, mode):
    with pytest.raises(MCPError, match="found no such tool, expected one of write_as_user, "):
        call(client, "delete_user", mode, user="ada")


@pytest.mark.parametrize("mode", MODES)
def test_without_a_valid_key_nothing_is_answered(server, mode):
    for key, code in ((None, "missing_api_key"), ("pn-wrong", "invalid_api_key")):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        status, body = post(server.port, calling("list_users"), **headers)
        assert (status, body["error"]["data"]["code"]) == (401, code)
        with pytest.raises(MCPError, match=r"^found .* key"):
            call(server.with_key(key), "list_users", mode)


def test_a_keys_tokens_are_reserved_and_settled(ada, served_store, monitor):
    tenant = served_store.key_of(ada.key).tenant
    for tokens, refusal in ((10, "found a request that may take"), (10_000, "the key's tokens of this day")):
        poor = served_store.add_key(tenant, tokens_a_day=tokens)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        assert served_store.reserve(served_store.key_of(poor), today, tokens - 5)
        assert call(ada.with_key(poor), "write_as_user", user="ada", prompt=PROMPT).startswith(refusal)
    rich = served_store.add_key(tenant, tokens_a_day=10_000)
    call(ada.with_key(rich), "write_as_user", user="ada", prompt=PROMPT)
    usage = served_store.usage(served_store.key_of(rich), time.strftime("%Y-%m-%d", time.gmtime()))
    assert (usage.reserved, usage.used > 20) == (0, True)
    metrics = monitor("GET", "/metrics").body.decode()
    assert 'penname_refused_total{reason="insufficient_quota"}' in metrics
    assert 'penname_requests_total{method="POST",route="/mcp",status="200"}' in metrics


def test_a_program_that_names_its_user_gets_no_other(ada, served_store):
    proxy = served_store.add_key(served_store.key_of(ada.key).tenant, proxy=True)
    assert call(ada.with_key(proxy), "list_users")["users"] == []

    async def ask(user):
        async with connected(ada.port, proxy, **{"X-OpenWebUI-User-Id": "ada"}) as agent:
            return read(await agent.call_tool("find_documents", {"user": user, "query": "quinces"}))

    assert asyncio.run(ask("ada"))["total"] == 6
    assert asyncio.run(ask("ben")) == "found another user than the one who is signed in"


LASTING = {
    "prompt": {"max_input_tokens": 600, "max_output_tokens": 1400},
    "decoding": {"no_repeat_ngram": 0},
    "evaluation": {"candidates": 1, "temperature": 0.1},
}
"""With these settings a text takes seconds."""


@pytest.fixture(scope="module")
def lasting(tmp_path_factory):
    """A server on the loopback, of a model whose texts take seconds."""
    folder = save_trained_model(tmp_path_factory.mktemp("lasting") / "model", **LASTING)
    with open_store(f"sqlite:///{folder}.db") as store, in_this_process(store, folder) as server:
        store.put_user("local", "ada")
        store.add_documents("local", "ada", [Document("ada", "I planted quinces.", "note")])
        yield server


@pytest.mark.parametrize("modern", [True, False])
def test_who_hangs_up_frees_the_engine(lasting, modern):
    body, headers = calling("write_as_user", user="ada", prompt=PROMPT), {}
    if modern:
        known = {"protocolVersion": "2026-07-28", "clientCapabilities": {}}
        body["params"]["_meta"] = {f"io.modelcontextprotocol/{name}": value for name, value in known.items()}
        headers = {"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "write_as_user"}
    before = lasting.tokens_written()
    connection = HTTPConnection("127.0.0.1", lasting.port)
    sent = {"Content-Type": "application/json", "Accept": "application/json", **headers}
    connection.request("POST", "/mcp", json.dumps(body), sent)
    wait_until(lambda: lasting.engine.in_progress == 1)
    connection.close()
    wait_until(lambda: lasting.engine.in_progress == 0, 1)
    wait_until(lambda: lasting.state.in_flight._requests == {})
    assert lasting.tokens_written() - before < 1000


@pytest.mark.parametrize("mode", MODES)
def test_a_call_that_is_cancelled_frees_the_engine(lasting, mode):
    async def cancel():
        async with connected(lasting.port, mode=mode) as agent:
            asked = asyncio.create_task(agent.call_tool("write_as_user", {"user": "ada", "prompt": PROMPT}))
            await asyncio.to_thread(wait_until, lambda: lasting.engine.in_progress == 1)
            asked.cancel()

    asyncio.run(cancel())
    wait_until(lambda: lasting.engine.in_progress == 0, 1)


def test_what_is_being_written_for_a_forgotten_user_ends(lasting):
    lasting.state.store.put_user("local", "ben")
    answers = []

    def ask():
        answers.append(post(lasting.port, calling("write_as_user", user="ben", prompt=PROMPT)))

    thread = threading.Thread(target=ask)
    thread.start()
    wait_until(lambda: lasting.engine.in_progress == 1)
    assert lasting.ask("DELETE", "/v1/users/ben").status == 200
    wait_until(lambda: lasting.engine.in_progress == 0, 1)
    thread.join()
    result = answers[0][1]["result"]
    assert result["isError"]
    assert result["content"][0]["text"] == "the user was forgotten meanwhile"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": "evil.example"}, 403, "host_not_allowed"),
        ({"Origin": "https://evil.example"}, 403, "origin_not_allowed"),
        ({"Origin": "https://localhost.evil.example:8000"}, 403, "origin_not_allowed"),
        ({"Origin": "null"}, 403, "origin_not_allowed"),
        ({"Origin": "http://localhost:3000"}, 200, None),
        ({"Origin": "http://[::1]"}, 200, None),
        ({"Host": "LOCALHOST"}, 200, None),
    ],
)
def test_a_foreign_page_is_refused_without_a_key(lasting, headers, status, code):
    found, body = post(lasting.port, calling("list_users"), **headers)
    assert found == status
    assert body.get("error", {}).get("data", {}).get("code") == code


def test_with_a_key_any_host_and_origin_may_ask(lasting):
    key = lasting.state.store.add_key("acme")
    headers = {"Host": "penname.example", "Origin": "https://agents.example", "Authorization": f"Bearer {key}"}
    assert post(lasting.port, calling("list_users"), **headers)[0] == 200


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_there_are_no_sessions_and_no_other_methods(lasting, method):
    answer = lasting.ask(method, "/mcp", Accept="text/event-stream")
    assert (answer.status, answer.json["error"]["code"]) == (405, "method_not_allowed")
    assert answer.headers["x-content-type-options"] == "nosniff"


@asynccontextmanager
async def started(mode, *arguments, **environment):
    """The SDK's client of `penname mcp`, and what of its stdout was no message."""
    faults = []

    async def note(message):
        faults.extend([message] if isinstance(message, Exception) else [])

    command = StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], *arguments], env={**os.environ, **environment}
    )
    async with Client(command, mode=mode, message_handler=note) as agent:
        yield agent
    assert faults == []


def test_a_run_answers_over_stdio_and_writes_no_further_about_whom_a_server_forgets(tmp_path):
    database = f"sqlite:///{tmp_path}/penname.db"
    run = make_run(tmp_path / "run", **LASTING)

    async def work(store, secret):
        async with started("auto", str(run), "--db", database, PENNAME_KEY=secret) as agent:
            assert len((await agent.list_tools()).tools) == 4
            asked = {"user": "ada", "prompt": PROMPT, "seed": 1}
            written = read(await agent.call_tool("write_as_user", {**asked, "max_tokens": 40}))
            assert (written["documents"], written["method"]) == (["note"], "sft-reasoning")
            assert read(await agent.call_tool("list_users"))["users"] == ["ada"]
            key, day = store.key_of(secret), time.strftime("%Y-%m-%d", time.gmtime())
            before = store.usage(key, day).used
            assert before > 20
            writing = asyncio.create_task(agent.call_tool("write_as_user", asked))
            await asyncio.to_thread(wait_until, lambda: store.usage(key, day).reserved > 1000)
            assert store.forget("acme", "ada")
            assert read(await writing) == "the user was forgotten meanwhile"
            assert 0 < store.usage(key, day).used - before < 1400
            assert "who was added" in read(await agent.call_tool("find_documents", {"user": "ada", "query": "rain"}))
            store.revoke_key("acme", key.id)
            assert "found a key that is not valid" in read(await agent.call_tool("list_users"))

    with open_store(database) as store:
        secret = store.add_key("acme")
        store.put_user("acme", "ada")
        store.add_documents("acme", "ada", [Document("ada", "Rain is patient.", "note")])
        asyncio.run(work(store, secret))


def test_a_servers_tools_are_relayed_over_stdio(lasting):
    store = lasting.state.store
    secret = store.add_key("relayed")
    known = store.key_of(secret)
    store.put_user("relayed", "ada")
    store.add_documents("relayed", "ada", [Document("ada", "I planted quinces.", "mine")])

    async def work():
        async with started("legacy", "--server", lasting.url, PENNAME_KEY=secret) as agent:
            assert (await agent.list_tools()).tools[0].name == "write_as_user"
            found = read(await agent.call_tool("find_documents", {"user": "ada", "query": "quinces"}))
            assert [document["id"] for document in found["documents"]] == ["mine"]
            assert read(await agent.call_tool("list_users", {"limit": 0})).startswith("limit: ")
            with pytest.raises(MCPError, match="found no such tool"):
                await agent.call_tool("delete_user", {"user": "ada"})
            asked = asyncio.create_task(agent.call_tool("write_as_user", {"user": "ada", "prompt": PROMPT}))
            await asyncio.to_thread(wait_until, lambda: lasting.engine.in_progress == 1)
            asked.cancel()
            await asyncio.to_thread(wait_until, lambda: lasting.engine.in_progress == 0, 1)
            store.revoke_key(known.tenant, known.id)
            with pytest.raises(MCPError, match="found a key that is not valid"):
                await agent.call_tool("list_users")

    asyncio.run(work())


def test_a_signal_ends_the_command_while_stdin_goes_on(lasting):
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    process = subprocess.Popen(
        [*COMMAND, "--server", lasting.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["result"]["serverInfo"]["name"] == "penname"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--server: found none, expected a run's folder, or the address of a server"),
        (["run", "--server", "http://localhost:1"], "--server: found a run too, expected the address alone"),
        (["--server", "localhost:8000"], "--server: found 'localhost:8000', expected an address such as http://.*"),
        (["--server", "http://127.0.0.1:1"], "--server: nothing answers at http://127.0.0.1:1/mcp .*"),
        (["--server", "ADDRESS", "--key", "pn-wrong"], "--server: http://.* refuses: found a key that is not valid"),
        (["--server", "ADDRESS/v1"], "--server: http://.*/v1/mcp refuses: Not Found"),
        (["RUN", "--db", "sqlite:///FOLDER/penname.db", "--key", "pn-wrong"], "--key: found a key that is not valid"),
    ],
)
def test_what_cannot_start_is_one_line(lasting, served_run, tmp_path, capsys, monkeypatch, arguments, message):
    places = {"ADDRESS": lasting.url, "RUN": str(served_run), "FOLDER": str(tmp_path)}
    filled = [re.sub("|".join(places), lambda found: places[found[0]], argument) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["penname", "mcp", *filled])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert re.fullmatch(f"penname: {message}\n", printed.err)
