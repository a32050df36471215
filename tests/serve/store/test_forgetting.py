"""Forgetting: planted words are searched in every file, and in what a backup brings back."""

from __future__ import annotations

import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from penname.data.records import Document
from penname.serve.store.opening import _migrated, open_store
from penname.serve.store.records import Feedback, UnknownUser
from penname.serve.store.sealing import KEY_BYTES
from penname.serve.store.store import Store
from penname.serve.store.tables import METADATA
from penname.serve.store.user_keys import SLOT_BYTES, UserKeys

WORD = "xylograph"
OF_USERS = [table.name for table in METADATA.tables.values() if "user_mark" in table.columns]


@pytest.fixture
def file_store(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store:
        store.put_tenant("t")
        yield store


def plant(store, user="ada"):
    """Put the word into all that is kept of a user, in short and long texts, some of it changed or deleted."""
    store.put_tenant("t")
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


def hits(folder: Path, sought: bytes = WORD.encode()) -> dict[str, int]:
    """How often something is in each file that has it."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # SQLite removes some of its files in between
            found[path.name] = path.read_bytes().count(sought)
    return {name: number for name, number in found.items() if number}


def keys_of(path: Path) -> list[bytes]:
    """The keys in a file of users' keys that are still there."""
    content = path.read_bytes()
    slots = [content[at : at + KEY_BYTES] for at in range(SLOT_BYTES, len(content), SLOT_BYTES)]
    return [key for key in slots if not key.startswith(b"forgotten")]


def test_what_is_kept_of_a_user_is_in_no_file_as_it_is(url, user_keys, tmp_path, request):
    with open_store(url, user_keys) as store:
        plant(store, user=f"the {WORD}")
        assert len(store.profile("t", f"the {WORD}").documents) == 299
        assert hits(tmp_path) == {}
    if url.startswith("postgresql"):
        cluster = request.getfixturevalue("cluster")
        cluster.execute("CHECKPOINT")
        assert hits(cluster.folder) == {}


def test_a_forgotten_user_s_key_is_in_no_file(store, user_keys, tmp_path):
    plant(store)
    ada, bob = keys_of(user_keys)
    assert hits(tmp_path, ada) == {user_keys.name: 1}
    began = time.monotonic()
    assert store.forget("t", "ada")
    assert hits(tmp_path, ada) == {}
    assert time.monotonic() - began < 1
    assert keys_of(user_keys) == [bob]
    assert len(store.profile("t", "bob").documents) == 40


def test_what_another_process_forgets_is_known_at_once(store, url, user_keys):
    plant(store)
    slot = store.profile("t", "ada").slot
    with open_store(url, user_keys) as other:
        assert not store.is_forgotten(slot)
        other.forget("t", "ada")
        assert store.is_forgotten(slot)
        other.put_user("t", "ada")
        assert store.is_forgotten(slot)
        assert store.profile("t", "ada").slot != slot


def test_a_copy_of_the_database_from_before_is_closed_with_the_keys_from_after(store, url, user_keys, request):
    plant(store)
    store._database.engine.dispose()  # PostgreSQL copies a database that nobody uses
    copy = copy_of(url, request)
    store.forget("t", "ada")
    with open_without_deleting(copy, user_keys) as restored:
        for call in ("user", "profile", "feedback", "export"):
            with pytest.raises(UnknownUser):
                getattr(restored, call)("t", "ada")
        assert len(restored.profile("t", "bob").documents) == 40
        assert [user.id for user in restored.users("t")] == ["bob"]
        assert restored.put_user("t", "ada")
        assert restored.profile("t", "ada").documents == []


def test_a_user_whose_rows_were_left_by_a_failure_is_forgotten_all_the_same(store, url, user_keys, monkeypatch):
    plant(store)
    before = store.user("t", "ada").profile_version
    with monkeypatch.context() as failing:
        failing.setattr("penname.serve.store.user_keys.UserKeys.destroy", destroy_and_fail)
        with pytest.raises(ZeroDivisionError):
            store.forget("t", "ada")
    with pytest.raises(UnknownUser):
        store.documents("t", "ada")
    assert [user.id for user in store.users("t")] == ["bob"]
    with open_store(url, user_keys) as again:
        assert again.audit("t")[-1].action == "users forgotten"
        assert again.put_user("t", "ada").profile_version != before


def destroy_and_fail(keys, slot):
    """As the loss of power behind it would be."""
    DESTROY(keys, slot)
    raise ZeroDivisionError


DESTROY = UserKeys.destroy

DELETIONS = {
    "a document": (
        lambda store: store.add_documents("t", "ada", [Document("", WORD, id="1")]),
        lambda store: store.remove_document("t", "ada", "1"),
        "documents",
    ),
    "a replaced document": (
        lambda store: store.add_documents("t", "ada", [Document("", WORD, id="1")]),
        lambda store: store.add_documents("t", "ada", [Document("", "other", id="1")]),
        "documents",
    ),
    "a dropped reasoning": (
        lambda store: store.keep_reasoning("t", "ada", "m", WORD, store.profile("t", "ada").version),
        lambda store: store.add_documents("t", "ada", [Document("", "other")]),
        "reasonings",
    ),
    "a replaced reasoning": (
        lambda store: store.put_reasoning("t", "ada", "m", WORD),
        lambda store: store.put_reasoning("t", "ada", "m", "other"),
        "reasonings",
    ),
    "a deleted reasoning": (
        lambda store: store.put_reasoning("t", "ada", "m", WORD),
        lambda store: store.delete_reasoning("t", "ada"),
        "reasonings",
    ),
    "feedback": (
        lambda store: store.add_feedback("t", "ada", Feedback(WORD, WORD, WORD)),
        lambda store: store.delete_feedback("t", "ada", store.feedback("t", "ada")[0].id),
        "feedback",
    ),
}


@pytest.mark.parametrize("kind", DELETIONS)
def test_soon_sqlite_s_files_do_not_have_what_was_deleted_alone(file_store, tmp_path, kind):
    plant_one, delete, table = DELETIONS[kind]
    file_store.put_user("t", "ada")
    plant_one(file_store)
    sealed = sealed_in(tmp_path / "penname.db", table)
    assert hits(tmp_path, sealed)
    delete(file_store)
    end = time.monotonic() + 1
    while hits(tmp_path, sealed) and time.monotonic() < end:
        pass
    assert hits(tmp_path, sealed) == {}


def sealed_in(path, table):
    """What is sealed in the only row of a table."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT sealed FROM {table}").fetchone()[0]


def test_a_reader_keeps_deleted_rows_until_it_ends_and_holds_nobody_up(file_store, tmp_path):
    plant(file_store)
    file_store.put_user("t", "eve")
    file_store.put_reasoning("t", "eve", "m", WORD)
    with closing(sqlite3.connect(tmp_path / "penname.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        query = "SELECT sealed FROM reasonings WHERE user_mark = ?"
        mark = file_store._user_keys.mark("t", "eve")
        sealed = reader.execute(query, [mark]).fetchone()[0]
        began = time.monotonic()
        assert file_store.forget("t", "eve")
        assert time.monotonic() - began < 1
        with pytest.raises(UnknownUser):
            file_store.profile("t", "eve")
        assert reader.execute(query, [mark]).fetchone() == (sealed,)
        file_store.put_user("t", "carl")  # those who write are not held up
    end = time.monotonic() + 2
    while hits(tmp_path, sealed) and time.monotonic() < end:
        pass
    assert hits(tmp_path, sealed) == {}


def test_readers_and_writers_come_and_go_while_a_user_is_forgotten(file_store, tmp_path):
    plant(file_store)
    ada, _ = keys_of(tmp_path / "penname.db.user-keys")

    def work(number):
        file_store.add_documents("t", "bob", [Document("", f"text {number}")])
        return len(file_store.profile("t", "bob").documents)

    with ThreadPoolExecutor(20) as threads:
        working = threads.map(work, range(150))
        assert file_store.forget("t", "ada")
        assert hits(tmp_path, ada) == {}
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


def test_a_restored_backup_forgets_again(url, user_keys, request):
    with open_store(url, user_keys) as store:
        plant(store)
        plant(store, "carl")
    restored = copy_of(url, request)
    with open_store(url, user_keys) as store:
        store.forget("t", "ada")
        store.forget("t", "carl")
        store.put_user("t", "carl")
        store.add_documents("t", "carl", [Document("", "a new beginning")])
    with open_store(restored, user_keys) as store:
        assert [user.id for user in store.users("t")] == ["bob"]
        assert store.audit("t")[-1].action == "users forgotten"
        store.put_user("t", "ada")
        store.add_documents("t", "ada", [Document("", "came back")])
    with open_store(restored, user_keys) as store:
        assert [document.text for document in store.profile("t", "ada").documents] == ["came back"]


def copy_of(url, request):
    if url.startswith("sqlite"):
        shutil.copy(url.removeprefix("sqlite:///"), url.removeprefix("sqlite:///") + ".backup")
        return url + ".backup"
    cluster = request.getfixturevalue("cluster")
    name = url.split("@/")[1].split("?")[0]
    return cluster.url(cluster.new_database(template=name), "penname")


def open_without_deleting(url, user_keys):
    """Open a store as a running server would have it when its database is restored under it."""
    database = _migrated(url)
    return Store(database, UserKeys(user_keys, new=False))
