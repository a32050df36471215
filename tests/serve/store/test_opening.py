"""Opening: new and older databases, and what cannot be opened."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from penname.data.records import Document
from penname.errors import UserError
from penname.serve.store.migrating import VERSION_TABLE
from penname.serve.store.opening import open_keys, open_store
from penname.serve.store.records import StoreError
from penname.serve.store.tables import METADATA
from penname.serve.store.user_keys import SLOT_BYTES, UserKeys


def engine_of(url):
    return sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def test_the_revisions_make_the_tables_that_the_code_has(empty, user_keys):
    open_store(empty, user_keys).close()
    with engine_of(empty).connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), METADATA) == []


def test_several_open_a_new_database_at_once(empty, user_keys):
    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(lambda _: open_store(empty, user_keys), range(6)))
    for number, store in enumerate(stores):
        store.put_tenant(f"t{number}")
    assert stores[0].tenants() == [f"t{number}" for number in range(6)]
    for store in stores:
        store.close()


def test_a_database_of_a_newer_penname_is_refused(empty, user_keys):
    open_store(empty, user_keys).close()
    with engine_of(empty).begin() as connection:
        connection.execute(sqlalchemy.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(UserError, match=r"found revision 9999, expected at most \d+: it is of a newer penname"):
        open_store(empty, user_keys)


def test_another_program_s_tables_are_left_alone(empty, user_keys):
    with engine_of(empty).begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE users (name TEXT)"))
    with pytest.raises(UserError, match="found another program's table 'users', expected a new or penname's database"):
        open_store(empty, user_keys)


def test_files_that_are_no_database(tmp_path):
    (tmp_path / "notes.txt").write_text("some notes " * 100)
    for path, found in (
        ("notes.txt", "file is not a database"),
        ("none/penname.db", "found no such folder, expected a file that can be written"),
        (".", "found no file, expected a file that can be written"),
    ):
        with pytest.raises(UserError, match=found) as error:
            open_store(f"sqlite:///{tmp_path}/{path}")
        assert "\n" not in str(error.value)
    assert (tmp_path / "notes.txt").read_text() == "some notes " * 100


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("", "found no address"),
        ("penname.db", "found no address"),
        ("sqlite://", "expected a file: sqlite:///FILE"),
        ("sqlite:///:memory:", "expected a file: sqlite:///FILE"),
        ("mysql://localhost/penname", "found one of kind 'mysql', expected sqlite:///FILE or postgresql://"),
        ("postgresql://me:secret@localhost:port/x", "found no address"),
        ("postgresql://me:secret@127.0.0.1:1/x", r"database postgresql://me:\*\*\*@127.0.0.1:1/x: .*refused"),
        ("postgres://me:secret@/x?host=/nowhere", r"No such file or directory"),
    ],
)
def test_addresses_that_cannot_be_opened(url, found):
    with pytest.raises(UserError, match=found) as error:
        open_store(url)
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_database_that_the_server_lacks(cluster):
    with pytest.raises(UserError, match='database "lacking" does not exist'):
        open_store(cluster.url("lacking"))


def test_a_role_that_may_not_make_tables(cluster):
    with pytest.raises(UserError, match="permission denied for schema public"):
        open_store(cluster.url(cluster.new_database("postgres"), "penname"))


@pytest.mark.parametrize(
    ("package", "url", "line"),
    [
        ("sqlalchemy", "sqlite:///x.db", r"pip install 'penname\[serve\]'"),
        ("alembic", "sqlite:///x.db", r"pip install 'penname\[serve\]'"),
        ("psycopg", "postgresql://localhost/x", r"PostgreSQL needs psycopg: pip install 'penname\[postgres\]'"),
    ],
)
def test_a_missing_package_is_named(monkeypatch, package, url, line):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=line):
        open_store(url)


def test_opening_is_imported_without_the_extra():
    check = "import sys, penname.serve.store.opening, penname.serve.store.records; print('sqlalchemy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", check], text=True) == "False\n"


def test_files_are_their_owner_s_alone(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, store._database.reading("t"):
        modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    assert set(modes) >= {"penname.db", "penname.db-wal", "penname.db.user-keys"}
    assert set(modes.values()) == {0}


def test_files_of_keys_that_are_not_the_database_s(empty, user_keys, tmp_path):
    with open_store(empty, user_keys) as store:
        store.put_tenant("t")
        for user in ("ada", "bob", "eve"):
            store.put_user("t", user)
        store.forget("t", "eve")
    content = user_keys.read_bytes()
    files = {
        "older": content[:-SLOT_BYTES],
        "empty": b"",
        "notes": b"some notes " * 20,
        "sparse": content[:SLOT_BYTES] + bytes(SLOT_BYTES) + content[2 * SLOT_BYTES :],
        "flipped": content[: SLOT_BYTES + 5] + bytes([content[SLOT_BYTES + 5] ^ 1]) + content[SLOT_BYTES + 6 :],
    }
    for name, found in files.items():
        (tmp_path / name).write_bytes(found)
    UserKeys(tmp_path / "another", new=True).close()
    for name, found in (
        ("none", "none: found no such file or folder, expected the one without which nothing of the users can be read"),
        (".", "found is a directory"),
        ("older", "older: found 2 keys, expected 3 or more: this is an older copy"),
        ("empty", "empty: found no keys of users, expected the file that penname made"),
        ("notes", "notes: found no keys of users, expected the file that penname made"),
        ("another", "another: found another database's, expected those that database .* was used with"),
        ("sparse", "sparse: found 1 damaged keys, the first at slot 0"),
        ("flipped", "flipped: found 1 damaged keys, the first at slot 0"),
    ):
        with pytest.raises(UserError, match=found) as error:
            open_store(empty, tmp_path / name)
        assert "\n" not in str(error.value)
        assert name not in files or (tmp_path / name).read_bytes() == files[name]
    assert not (tmp_path / "none").exists()
    with open_store(empty, user_keys) as store:
        assert [user.id for user in store.users("t")] == ["ada", "bob"]


def test_without_users_another_file_of_keys_is_begun(empty, tmp_path):
    with open_store(empty, tmp_path / "lost") as store:
        store.put_tenant("t")
        store.put_user("t", "ada")
        store.forget("t", "ada")
    (tmp_path / "lost").unlink()
    for _ in range(2):
        with open_store(empty, tmp_path / "new") as store:
            store.put_user("t", "bob")
            assert [user.id for user in store.users("t")] == ["bob"]


def test_a_file_of_keys_that_is_replaced_under_a_store_is_told_before_anything_is_lost(store, user_keys):
    store.put_tenant("t")
    store.put_user("t", "ada")
    copy = user_keys.read_bytes()
    user_keys.unlink()
    for call in (store.ping, lambda: store.put_user("t", "bob"), lambda: store.forget("t", "ada")):
        with pytest.raises(StoreError, match="found no such file any more"):
            call()
    user_keys.write_bytes(copy)
    for call in (store.ping, lambda: store.put_user("t", "bob"), lambda: store.forget("t", "ada")):
        with pytest.raises(StoreError, match="found another file than at the start; stop the server to replace it"):
            call()
    assert [user.id for user in store.users("t")] == ["ada"]


def test_two_copies_of_the_file_of_keys_are_not_both_written_to(store, url, user_keys, tmp_path):
    store.put_tenant("t")
    store.put_user("t", "ada")
    (tmp_path / "copy").write_bytes(user_keys.read_bytes())
    with open_store(url, tmp_path / "copy") as other:
        store.put_user("t", "bob")
        with pytest.raises(StoreError, match="it refused a statement"):
            other.put_user("t", "carl")
    assert [user.id for user in store.users("t")] == ["ada", "bob"]


def test_damage_to_one_user_s_key_is_no_other_user_s(store, user_keys, caplog):
    store.put_tenant("t")
    for user in ("ada", "bob"):
        store.put_user("t", user)
    content = bytearray(user_keys.read_bytes())
    content[SLOT_BYTES + 40] ^= 1
    user_keys.write_bytes(content)
    assert [user.id for user in store.users("t")] == ["bob"]
    assert "found damage at slot 0" in caplog.text
    with pytest.raises(StoreError, match="found damage at slot 0, expected a key"):
        store.profile("t", "ada")
    assert store.forget("t", "ada")
    assert store.put_user("t", "ada")


def test_keys_of_tenants_are_added_without_the_file_of_users_keys(empty, user_keys):
    with open_keys(empty) as keys:
        secret = keys.add_key("t")
    with open_store(empty, user_keys) as store:
        assert store.key_of(secret).tenant == "t"
        assert store.put_user("t", "ada").id == "ada"


def test_postgresql_has_no_file_of_keys_by_itself(cluster, migrated):
    with pytest.raises(
        UserError, match="user_keys: found none, expected the file of the users' keys of database postgresql://"
    ):
        open_store(cluster.url(migrated, "penname"))


def test_a_key_that_a_crash_left_unfinished_is_nobody_s(tmp_path):
    path = tmp_path / "user-keys"
    keys = UserKeys(path, new=True)
    assert keys.add() == 0
    with path.open("ab") as file:
        file.write(b"some of a key")
    assert len(keys) == 1
    assert keys.add() == 1
    assert len(path.read_bytes()) == 3 * SLOT_BYTES
    keys.close()


def test_processes_make_keys_at_once(tmp_path):
    files = [UserKeys(tmp_path / "user-keys", new=True) for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        slots = list(threads.map(lambda number: files[number % 4].add(), range(200)))
    assert sorted(slots) == list(range(200))
    assert len({files[0].key(slot).mark("d", "1") for slot in slots}) == 200
    for file in files:
        file.close()


def test_errors_of_the_database_have_no_text_of_a_user(empty, user_keys):
    with open_store(empty, user_keys) as store:
        store.put_tenant("t")
        store.put_user("t", "ada")
        with engine_of(empty).begin() as connection:
            connection.execute(sqlalchemy.text("DROP TABLE documents"))
        with pytest.raises(StoreError, match=r"it refused a statement|no such table") as error:
            store.add_documents("t", "ada", [Document("", "planted words")])
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__
    assert "planted" not in str(error.value)


def test_200_requests_at_once_of_40_threads(store):
    store.put_tenant("t")
    for number in range(5):
        store.put_user("t", f"u{number}")

    def request(number):
        user = f"u{number % 5}"
        if number % 4:
            return store.reasoning("t", user, "m")
        store.add_documents("t", user, [Document("", f"text {number}")])
        _, version, documents = store.profile("t", user)
        store.keep_reasoning("t", user, "m", f"of {len(documents)}", version)
        return None

    with ThreadPoolExecutor(40) as threads:
        list(threads.map(request, range(200)))
    assert sum(len(store.profile("t", f"u{number}").documents) for number in range(5)) == 50
    for number in range(5):
        _, version, documents = store.profile("t", f"u{number}")
        kept = store.reasoning("t", f"u{number}", "m")
        assert kept is None or (kept.profile_version, kept.text) == (version, f"of {len(documents)}")


def test_several_processes_write_into_one_database(store, url, user_keys):
    store.put_tenant("t")
    with open_store(url, user_keys) as other, ThreadPoolExecutor(8) as threads:
        put = [threads.submit((store, other)[n % 2].put_user, "t", f"u{n // 4:02}") for n in range(80)]
        assert {call.result().id for call in put} == {f"u{n:02}" for n in range(20)}
    assert len(store.users("t")) == 20


def test_settings_of_sqlite(tmp_path):
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store, store._database.reading("t") as connection:
        pragmas = ("journal_mode", "synchronous", "secure_delete", "foreign_keys", "temp_store")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert found == ["wal", 2, 1, 1, 2]


def test_a_file_that_another_program_keeps_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("penname.serve.store.sqlite._SETTINGS", ("PRAGMA busy_timeout = 20",))
    with open_store(f"sqlite:///{tmp_path}/penname.db") as store:
        with closing(sqlite3.connect(tmp_path / "penname.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError, match="database is locked"):
                store.put_tenant("t")
        store.put_tenant("t")
