"""Forgetting: planted words are searched in every file, and in what a backup brings back."""

from __future__ import annotations

import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from penname.data.records import Document
from penname.serve.store.opening import open_store
from penname.serve.store.records import Feedback, UnknownUser
from penname.serve.store.tables import METADATA

WORD = "xylograph"
OF_USERS = [table.name for table in METADATA.tables.values() if "user_id" in table.columns]


@pytest.fixture
def file_store(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store:
        store.put_tenant("t")
        yield store


def plant(store, user="ada"):
    """Put the word into all that is kept of a user, in short and long texts, some of it changed or deleted."""
    store.put_user("t", user)
    store.put_user("t", "bob")
    store.add_documents("t", "bob", [Document("", "someone else's words " * 50) for _ in range(40)])
    texts = [f"{WORD} {n} " + f"about {WORD}s " * (n % 400) for n in range(300)]
    store.add_documents("t", user, [Document("", text, id=f"{WORD}-{n}", title=WORD) for n, text in enumerate(texts)])
    store.add_documents("t", user, [Document("", f"changed {WORD}", id=f"{WORD}-0", description=WORD, item_id=WORD)])
    store.remove_document("t", user, f"{WORD}-1")
    store.keep_reasoning("t", user, "m", f"writes {WORD}", store.profile("t", user).version)
    store.put_reasoning("t", user, "n", f"likes {WORD}")
    store.add_feedback("t", user, Feedback(f"a {WORD}?", f"{WORD}.", f"{WORD}!", f"{WORD} indeed", "up", "rag", 1))


def hits(folder: Path) -> dict[str, int]:
    """How often the word is in each file that has it."""
    found = {path.name: path.read_bytes().count(WORD.encode()) for path in folder.rglob("*") if path.is_file()}
    return {name: number for name, number in found.items() if number}


def test_no_file_has_a_forgotten_user_s_words(file_store, tmp_path):
    plant(file_store, user=f"the {WORD}")
    assert sum(hits(tmp_path).values()) > 1000
    began = time.monotonic()
    assert file_store.forget("t", f"the {WORD}")
    assert hits(tmp_path) == {}
    assert time.monotonic() - began < 1
    assert len(file_store.profile("t", "bob").documents) == 40


DELETIONS = {
    "a document": (
        lambda store: store.add_documents("t", "ada", [Document("", WORD, id="1")]),
        lambda store: store.remove_document("t", "ada", "1"),
    ),
    "a replaced document": (
        lambda store: store.add_documents("t", "ada", [Document("", WORD, id="1")]),
        lambda store: store.add_documents("t", "ada", [Document("", "other", id="1")]),
    ),
    "a dropped reasoning": (
        lambda store: store.keep_reasoning("t", "ada", "m", WORD, store.profile("t", "ada").version),
        lambda store: store.add_documents("t", "ada", [Document("", "other")]),
    ),
    "a replaced reasoning": (
        lambda store: store.put_reasoning("t", "ada", "m", WORD),
        lambda store: store.put_reasoning("t", "ada", "m", "other"),
    ),
    "a deleted reasoning": (
        lambda store: store.put_reasoning("t", "ada", "m", WORD),
        lambda store: store.delete_reasoning("t", "ada"),
    ),
    "feedback": (
        lambda store: store.add_feedback("t", "ada", Feedback(WORD, WORD, WORD)),
        lambda store: store.delete_feedback("t", "ada", store.feedback("t", "ada")[0].id),
    ),
}


@pytest.mark.parametrize("kind", DELETIONS)
def test_soon_no_file_has_the_words_of_what_was_deleted_alone(file_store, tmp_path, kind):
    plant_one, delete = DELETIONS[kind]
    file_store.put_user("t", "ada")
    plant_one(file_store)
    assert hits(tmp_path)
    delete(file_store)
    end = time.monotonic() + 1
    while hits(tmp_path) and time.monotonic() < end:
        pass
    assert hits(tmp_path) == {}


def test_a_reader_holds_the_words_until_it_ends_and_no_longer(file_store, tmp_path):
    plant(file_store)
    with closing(sqlite3.connect(tmp_path / "penname.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM documents").fetchone() > (300,)
        began = time.monotonic()
        assert file_store.forget("t", "ada")
        assert time.monotonic() - began < 2
        with pytest.raises(UnknownUser):
            file_store.profile("t", "ada")
        assert reader.execute(f"SELECT count(*) FROM documents WHERE text LIKE '%{WORD}%'").fetchone() > (0,)
        file_store.put_user("t", "carl")  # those who write are not held up
    began = time.monotonic()
    assert file_store.erase()
    assert time.monotonic() - began < 1
    assert hits(tmp_path) == {}


def test_readers_and_writers_come_and_go_while_a_user_is_forgotten(file_store, tmp_path):
    plant(file_store)

    def work(number):
        file_store.add_documents("t", "bob", [Document("", f"text {number}")])
        return len(file_store.profile("t", "bob").documents)

    with ThreadPoolExecutor(20) as threads:
        working = threads.map(work, range(150))
        assert file_store.forget("t", "ada")
        assert hits(tmp_path) == {}
        assert max(working) == 190


def test_a_request_in_flight_brings_nothing_back(store, look):
    store.put_tenant("t")
    with ThreadPoolExecutor(8) as threads:
        for number in range(12):
            store.put_user("t", "ada")
            version = store.profile("t", "ada").version
            calls = [
                lambda: store.add_documents("t", "ada", [Document("", WORD)]),
                lambda version=version: store.keep_reasoning("t", "ada", "m", WORD, version),
                lambda: store.put_reasoning("t", "ada", "n", WORD),
                lambda: store.add_feedback("t", "ada", Feedback(WORD, WORD, thumbs="up")),
            ]
            calls.insert(number % 5, lambda: store.forget("t", "ada"))
            for call in [threads.submit(call) for call in calls]:
                with suppress(UnknownUser):
                    call.result()
            assert [row for table in ("users", *OF_USERS) for row in look(f"SELECT * FROM {table}")] == []


def test_what_postgresql_keeps_of_a_forgotten_user(cluster, migrated, tmp_path):
    name = cluster.new_database(template=migrated)
    with open_store(cluster.url(name, "penname"), tmp_path / "tombstones") as store:
        store.put_tenant("t")
        plant(store)
        store.forget("t", "ada")
        cluster.execute("CHECKPOINT")
        assert hits(cluster.folder / "pg_wal")  # as the docstring of `forget` says
        cluster.execute("VACUUM FULL", "CHECKPOINT", database=name)
        assert hits(cluster.folder / "base") == {}


def test_a_restored_backup_forgets_again(url, tombstones, request, tmp_path):
    with open_store(url, tombstones) as store:
        store.put_tenant("t")
        plant(store)
        plant(store, "carl")
    restored = copy_of(url, request)
    with open_store(url, tombstones) as store:
        store.forget("t", "ada")
        store.forget("t", "carl")
        store.put_user("t", "carl")
        store.add_documents("t", "carl", [Document("", "a new beginning")])
    with open_store(restored, tombstones) as store:
        assert [user.id for user in store.users("t")] == ["bob"]
        assert store.audit("t")[-1].action == "users forgotten"
        store.put_user("t", "ada")
        store.add_documents("t", "ada", [Document("", "came back")])
    if restored.startswith("sqlite"):
        (tmp_path / "penname.db").unlink()
        assert hits(tmp_path) == {}
    with open_store(restored, tombstones) as store:
        assert [document.text for document in store.profile("t", "ada").documents] == ["came back"]


def copy_of(url, request):
    if url.startswith("sqlite"):
        shutil.copy(url.removeprefix("sqlite:///"), url.removeprefix("sqlite:///") + ".backup")
        return url + ".backup"
    cluster = request.getfixturevalue("cluster")
    name = url.split("@/")[1].split("?")[0]
    return cluster.url(cluster.new_database(template=name), "penname")


def test_tombstones_of_the_database_are_in_a_file_that_was_lost(store, url, tombstones):
    store.put_tenant("t")
    store.put_user("t", "ada")
    store.forget("t", "ada")
    known = tombstones.read_text()
    tombstones.unlink()
    open_store(url, tombstones).close()
    assert tombstones.read_text() == known


def test_a_user_who_comes_back_stays_though_the_clock_was_set_back(store, url, tombstones, monkeypatch):
    store.put_tenant("another")
    store.put_tenant("t")
    store.put_user("t", "ada")
    store.forget("t", "ada")
    earlier = (datetime.now() - timedelta(days=400)).isoformat(timespec="microseconds") + "Z"
    monkeypatch.setattr("penname.serve.store.users.now", lambda: earlier)
    store.put_user("t", "ada")
    with open_store(url, tombstones) as again:
        assert again.user("t", "ada").id == "ada"


def test_tombstones_name_nobody(store, look, tombstones):
    store.put_tenant("t")
    for user in ("olga", "kurt"):  # which hexadecimal digits do not spell by chance
        store.put_user("t", user)
        assert store.forget("t", user)
    marks = look("SELECT mark FROM tombstones")
    assert len(set(marks)) == 2
    everything = tombstones.read_text() + str([look(f"SELECT * FROM {name}") for name in METADATA.tables])
    assert "olga" not in everything
    assert "kurt" not in everything
