"""Row-level security: what a query sees that names no tenant, or another one."""

from __future__ import annotations

import psycopg
import pytest

from penname.data.records import Document
from penname.serve.store.opening import open_store
from penname.serve.store.records import Feedback, StoreError
from penname.serve.store.tables import METADATA

TABLES = sorted(METADATA.tables)


@pytest.fixture(scope="module", params=["penname", "postgres"])
def filled(request, cluster, migrated, tmp_path_factory):
    """A database of one tenant with rows in every table, opened by an ordinary role and by a superuser."""
    role = request.param
    url = cluster.url(cluster.new_database(role, migrated if role == "penname" else "template1"), role)
    with open_store(url, tmp_path_factory.mktemp("wall") / "user-keys") as store:
        key = store.key_of(store.add_key("t"))
        store.reserve(key, "2026-01-01", 5)
        for user in ("ada", "gone"):
            store.put_user("t", user)
        store.add_documents("t", "ada", [Document("", "words")])
        store.put_reasoning("t", "ada", "m", "words")
        store.add_feedback("t", "ada", Feedback("p", "r", thumbs="up"))
        store.forget("t", "gone")
        yield store, url, key


@pytest.mark.parametrize("table", TABLES)
def test_the_wall_stands_before_every_table(filled, table):
    store, url, _ = filled
    with psycopg.connect(url.replace("penname@", "postgres@")) as connection:
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0
    seen = {tenant: rows_seen(store, table, tenant) for tenant in ("t", "other", "", "%")}
    assert seen.pop("t") > 0
    assert set(seen.values()) == {0}


def test_a_connection_that_names_no_tenant_sees_and_changes_nothing(filled, cluster):
    _, url, _ = filled
    role = "penname" if "penname@" in url else "penname_bound"
    with psycopg.connect(url) as connection:
        connection.execute(f"SET ROLE {role}")
        for table in TABLES:
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
            assert connection.execute(f"DELETE FROM {table}").rowcount == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("INSERT INTO tenants VALUES ('new', 'now')")


def test_rows_of_another_tenant_are_not_written(filled):
    store, _, _ = filled
    store.put_tenant("other")
    with store._database.writing("other") as connection:
        assert connection.exec_driver_sql("UPDATE users SET profile_version = 0").rowcount == 0
        assert connection.exec_driver_sql("DELETE FROM documents WHERE tenant = 't'").rowcount == 0
    with pytest.raises(StoreError, match="row-level security"), store._database.writing("other") as connection:
        connection.exec_driver_sql("INSERT INTO users VALUES ('t', 'eve', 7, 'now', 1, '')")
    assert [user.id for user in store.users("t")] == ["ada"]


def test_the_hash_of_a_secret_shows_its_key_alone(filled):
    store, _, key = filled
    sha256 = store_hash(store)
    with store._database.finding(sha256) as connection:
        assert connection.exec_driver_sql("SELECT id FROM keys").fetchall() == [(key.id,)]
        assert connection.exec_driver_sql("SELECT * FROM documents").fetchall() == []


def rows_seen(store, table, tenant):
    with store._database.reading(tenant) as connection:
        return connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()


def store_hash(store):
    with store._database.reading("t") as connection:
        return connection.exec_driver_sql("SELECT sha256 FROM keys").scalar()
