"""A user who is forgotten over HTTP is nowhere any more: in no file, log or metric, and in nothing being written."""

import gc
import json
import logging
import secrets
import sqlite3
import sys
import threading
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
from tests.serve.running import as_command, in_this_process, wait_until, with_facts

from penname.serve.store.opening import open_store
from penname.serve.store.sealing import KEY_BYTES
from penname.serve.store.store import Store
from penname.serve.store.user_keys import SLOT_BYTES

WORDS = ("xylophoneplum", "quincetrellis", "vermilionotter", "zephyrlantern")
ID = "ada-vermilionotter"
"""The user's id is as personal as a text."""
SHORTEST = 16
"""Letters of the shortest word that is searched for in memory."""
TEXTS = (str, bytes, bytearray)
ENDLESS = {"max_tokens": 60, "temperature": 2, "n": 4}


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    return with_facts(tiny_model, tmp_path_factory.mktemp("served") / "model", with_reasoning=True)


def fill(server, words=WORDS, user=ID):
    """Put the words wherever a user's words can be; the text that is written meanwhile."""
    path = f"/v1/users/{user}"
    documents = [{"text": f"I wrote of {words[0]} and rain before, in note {n}.", "title": words[1]} for n in range(40)]
    assert server.ask("POST", f"{path}/documents", {"documents": documents}).status < 300
    assert server.ask("PUT", f"{path}/reasoning", {"text": f"Likes {words[3]}."}).status < 300
    feedback = {"prompt": f"Write about {words[0]}.", "response": f"{words[1]}.", "edited": f"{words[3]}."}
    assert server.ask("POST", f"{path}/feedback", feedback).status < 300
    written = server.write(user, f"Write about {words[0]}.", seed=1, candidates=2, temperature=2)
    assert written.status == 200
    assert server.ask("GET", f"{path}/documents?search={words[0]}").status == 200
    assert server.ask("DELETE", f"{path}/documents/{words[1]}").status == 404
    assert server.ask("POST", "/v1/chat/completions", {"model": f"penname/{user}", "n": words[0]}).status == 400
    return written.json["choices"][0]["message"]["content"]


def begin(server):
    """A stream of texts for the user, of which the first words have come."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    body = {"model": f"penname/{ID}", "messages": [{"role": "user", "content": "Write."}], "stream": True, **ENDLESS}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.readline().startswith(b"data: ")
    return answer


def found_in(folder, sought=None):
    """The files below a folder that have one of the words, in any of the encodings that they could be in."""
    words = [code for word in WORDS for code in (word.encode(), word.encode("utf-16-le"), word.encode().hex().encode())]
    found = []
    for path in Path(folder).rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # SQLite removes some of its files in between
            content = path.read_bytes()
            found += [str(path)] if any(code in content for code in sought or words) else []
    return found


def test_a_forgotten_users_words_are_in_no_file_log_or_metric(model, tmp_path, monkeypatch):
    monkeypatch.setenv("PENNAME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    log = tmp_path / "server.log"
    with as_command(model, f"sqlite:///{tmp_path}/penname.db", log=log) as server:
        fill(server)
        metrics = server.ask("GET", "/metrics").body.decode()
        key = (tmp_path / "penname.db.user-keys").read_bytes()[SLOT_BYTES : SLOT_BYTES + KEY_BYTES]
        assert any(key)
        assert found_in(tmp_path) == []
        stream = begin(server)
        assert server.ask("DELETE", f"/v1/users/{ID}").status == 200
        assert found_in(tmp_path, [key]) == []
        end = json.loads(stream.read().decode().rpartition("data: ")[2])
        assert end["error"]["code"] == "user_not_found"
        assert found_in(tmp_path) == []
        metrics += server.ask("GET", "/metrics").body.decode()
        assert not any(word in metrics for word in WORDS)
        for path in ("", "/documents", "/reasoning", "/export", "/feedback"):
            assert server.ask("GET", f"/v1/users/{ID}{path}").status == 404
        assert WORDS[2] not in server.ask("GET", "/v1/models").body.decode()
        assert "nobody knows this user" in str(server.write(ID).json["penname"]["notes"])
    assert not any(word in log.read_text() for word in WORDS)


def backwards(words):
    """Words as the test may keep them, which is not to be found itself."""
    return [word[::-1] for word in words]


def held(words):
    """The texts of this process that have one of some words, which are given backwards."""
    sought = backwards(words)
    gc.unfreeze()  # what the tests' set-up took out of its sight
    gc.collect()
    found, seen = [], set(map(id, sought))
    holders = [*gc.get_objects(), *(frame.f_locals for frame in sys._current_frames().values())]
    while holders:
        things = {id(thing): thing for thing in gc.get_referents(*holders) if id(thing) not in seen}
        texts = [thing for thing in things.values() if isinstance(thing, TEXTS) and len(thing) >= SHORTEST]
        found += [text for text in texts if has_one(text, sought)]
        seen |= things.keys()
        # What holds nothing but texts is in no list of objects.
        holders = [thing for thing in things.values() if not gc.is_tracked(thing)]
    return found


def connections(server):
    """The open connections of a server in this process."""
    found = [at for at in psutil.Process().net_connections("tcp") if at.laddr.port == server.port]
    return [at for at in found if at.status != psutil.CONN_LISTEN]


def has_one(text, words):
    return any((word if isinstance(text, str) else word.encode()) in text for word in words)


@pytest.mark.slow
def test_memory_holds_nothing_of_a_forgotten_user(model, cluster, tmp_path):
    planted = [secrets.token_hex(SHORTEST // 2) for _ in WORDS]
    with ExitStack() as opened:
        for url in (f"sqlite:///{tmp_path}/penname.db", cluster.url(cluster.new_database(), "penname")):
            store = opened.enter_context(open_store(url, tmp_path / url[:8]))
            server = opened.enter_context(in_this_process(store, model))
            text = fill(server, backwards(planted), f"ada-{planted[2][::-1]}")
            planted.append(text[-20:][::-1])  # no text of a model that has learned one
            assert len(planted[-1]) >= SHORTEST
            del text
            assert server.ask("DELETE", f"/v1/users/ada-{planted[2][::-1]}").status == 200
            wait_until(lambda server=server: server.engine.in_progress == 0)
            wait_until(lambda server=server: not connections(server))
        # Loops keep what they did last until they do something else.
        assert held(planted) == [] or held(planted) == []


def test_a_user_whom_another_process_forgets_is_not_written_about_any_further(model, url, user_keys):
    stores = open_store(url, user_keys), open_store(url, user_keys)
    with stores[0] as store, stores[1] as other, in_this_process(store, model) as server:
        fill(server)
        answers = []

        def write(stream):
            body = {"model": f"penname/{ID}", "messages": [{"role": "user", "content": "Write."}], "stream": stream}
            answers.append(server.ask("POST", "/v1/chat/completions", {**body, **ENDLESS, "candidates": 1}))

        threads = [threading.Thread(target=write, args=(stream,)) for stream in (False, True)]
        for thread in threads:
            thread.start()
        wait_until(lambda: server.engine.in_progress >= 4)
        assert other.forget("local", ID)
        for thread in threads:
            thread.join()
        ends = [json.loads(answer.body.decode().rpartition("data: ")[2]) for answer in answers]
        assert [end["error"]["code"] for end in ends] == ["user_not_found"] * 2
        wait_until(lambda: server.engine.in_progress == 0, 2)


def test_what_is_being_written_for_a_forgotten_user_ends(model, url, user_keys, caplog):
    caplog.set_level(logging.DEBUG, "penname")
    with open_store(url, user_keys) as store, in_this_process(store, model) as server:
        fill(server)
        answers = []

        def write(stream):
            body = {"model": f"penname/{ID}", "messages": [{"role": "user", "content": "Write."}], "stream": stream}
            answers.append(server.ask("POST", "/v1/chat/completions", {**body, **ENDLESS, "candidates": 1}))

        threads = [threading.Thread(target=write, args=(number % 2 == 0,)) for number in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: server.engine.in_progress >= 4)
        assert server.ask("DELETE", f"/v1/users/{ID}").status == 200
        wait_until(lambda: server.engine.in_progress == 0, 2)
        for thread in threads:
            thread.join()
        ends = [json.loads(answer.body.decode().rpartition("data: ")[2]) for answer in answers if answer.status == 200]
        forgotten = [end["error"]["code"] for end in ends if "error" in end] + [
            answer.json["error"]["code"] for answer in answers if answer.status == 404
        ]
        assert forgotten
        assert set(forgotten) == {"user_not_found"}
        assert server.state.in_flight._requests == {}
        assert not any(word in caplog.text for word in WORDS)


@pytest.mark.parametrize(
    ("read", "path"),
    [
        ("documents", f"/v1/users/{ID}/documents?search={WORDS[0]}"),
        ("export", f"/v1/users/{ID}/export"),
        ("feedback", f"/v1/users/{ID}/feedback"),
        ("profile", "/mcp"),
        ("latest_documents", "/mcp"),
    ],
)
def test_what_is_read_while_its_user_is_forgotten_is_not_told(model, tmp_path, monkeypatch, read, path):
    """Large profiles take seconds to be searched: the user is deleted once they have been read."""
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, in_this_process(store, model) as server:
        fill(server)
        original = getattr(Store, read)

        def and_is_deleted(*arguments, **named):
            found = original(*arguments, **named)
            assert server.ask("DELETE", f"/v1/users/{ID}").status == 200
            return found

        monkeypatch.setattr(Store, read, and_is_deleted)
        if path == "/mcp":
            name, more = ("find_documents", {"query": WORDS[0]}) if read == "profile" else ("style_card", {})
            call = {"name": name, "arguments": {"user": ID, **more}}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            answer = server.ask("POST", path, body, Accept="application/json")
        else:
            answer = server.ask("GET", path)
            assert answer.status == 404
        assert [word for word in WORDS if word in answer.body.decode() and word not in ID] == []
        assert "no user" in answer.body.decode()


def test_a_restored_backup_forgets_again(model, tmp_path):
    database, backup = tmp_path / "penname.db", tmp_path / "backup.db"
    with open_store(f"sqlite:///{database}") as store, in_this_process(store, model) as server:
        fill(server)
        server.ask("PUT", "/v1/users/ben")
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as copy:
            source.backup(copy)
        assert server.ask("DELETE", f"/v1/users/{ID}").status == 200
    for file in tmp_path.glob("penname.db*"):
        if not file.name.endswith("user-keys"):
            file.unlink()
    backup.rename(database)
    with open_store(f"sqlite:///{database}") as store, in_this_process(store, model) as server:
        assert server.ask("GET", f"/v1/users/{ID}").status == 404
        assert server.ask("GET", "/v1/users/ben").status == 200
        assert found_in(tmp_path) == []
