"""A user who is forgotten over HTTP is nowhere any more: in no file, log or metric, and in nothing being written."""

import json
import logging
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.serve.running import as_command, in_this_process, wait_until, with_facts

from penname.serve.store.opening import open_store

WORDS = ("xylophoneplum", "quincetrellis", "vermilionotter", "zephyrlantern")
ID = "ada-vermilionotter"
"""The user's id is as personal as a text."""
ENDLESS = {"max_tokens": 60, "temperature": 2, "n": 4}


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    return with_facts(tiny_model, tmp_path_factory.mktemp("served") / "model", with_reasoning=True)


def fill(server):
    """Put the words wherever a user's words can be."""
    path = f"/v1/users/{ID}"
    documents = [{"text": f"I wrote of {WORDS[0]} and rain before, in note {n}.", "title": WORDS[1]} for n in range(40)]
    assert server.ask("POST", f"{path}/documents", {"documents": documents}).status < 300
    assert server.ask("PUT", f"{path}/reasoning", {"text": f"Likes {WORDS[3]}."}).status < 300
    feedback = {"prompt": f"Write about {WORDS[0]}.", "response": f"{WORDS[1]}.", "edited": f"{WORDS[3]}."}
    assert server.ask("POST", f"{path}/feedback", feedback).status < 300
    assert server.write(ID, f"Write about {WORDS[0]}.", seed=1, candidates=2).status == 200
    assert server.ask("GET", f"{path}/documents?search={WORDS[0]}").status == 200
    assert server.ask("DELETE", f"{path}/documents/{WORDS[1]}").status == 404
    assert server.ask("POST", "/v1/chat/completions", {"model": f"penname/{ID}", "n": WORDS[0]}).status == 400


def found_in(folder):
    """The files below a folder that have one of the words, in any of the encodings that they could be in."""
    codes = [code for word in WORDS for code in (word.encode(), word.encode("utf-16-le"), word.encode().hex().encode())]
    return [
        str(path) for path in Path(folder).rglob("*") if path.is_file() and any(c in path.read_bytes() for c in codes)
    ]


def test_a_forgotten_users_words_are_in_no_file_log_or_metric(model, tmp_path, monkeypatch):
    monkeypatch.setenv("PENNAME_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    log = tmp_path / "server.log"
    with as_command(model, f"sqlite:///{tmp_path}/penname.db", log=log) as server:
        fill(server)
        metrics = server.ask("GET", "/metrics").body.decode()
        assert found_in(tmp_path)  # in the database, as they should be
        streams = [threading.Thread(target=server.write, args=(ID, "Write."), kwargs={"stream": True, **ENDLESS})]
        streams[0].start()
        assert server.ask("DELETE", f"/v1/users/{ID}").status == 200
        ended = time.monotonic()
        while found_in(tmp_path):
            assert time.monotonic() < ended + 1, found_in(tmp_path)
        streams[0].join()
        assert found_in(tmp_path) == []
        metrics += server.ask("GET", "/metrics").body.decode()
        assert not any(word in metrics for word in WORDS)
        for path in ("", "/documents", "/reasoning", "/export", "/feedback"):
            assert server.ask("GET", f"/v1/users/{ID}{path}").status == 404
        assert WORDS[2] not in server.ask("GET", "/v1/models").body.decode()
        assert "nobody knows this user" in str(server.write(ID).json["penname"]["notes"])
    assert not any(word in log.read_text() for word in WORDS)


def test_what_is_being_written_for_a_forgotten_user_ends(model, url, caplog):
    with open_store(url) as store, in_this_process(store, model) as server, caplog.at_level(logging.DEBUG, "penname"):
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


def test_a_restored_backup_forgets_again(model, tmp_path):
    database, backup = tmp_path / "penname.db", tmp_path / "backup.db"
    with open_store(f"sqlite:///{database}") as store, in_this_process(store, model) as server:
        fill(server)
        server.ask("PUT", "/v1/users/ben")
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as copy:
            source.backup(copy)
        assert server.ask("DELETE", f"/v1/users/{ID}").status == 200
    for file in tmp_path.glob("penname.db*"):
        if not file.name.endswith("tombstones"):
            file.unlink()
    backup.rename(database)
    with open_store(f"sqlite:///{database}") as store, in_this_process(store, model) as server:
        assert server.ask("GET", f"/v1/users/{ID}").status == 404
        assert server.ask("GET", "/v1/users/ben").status == 200
        assert found_in(tmp_path) == []
