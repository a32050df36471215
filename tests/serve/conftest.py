"""Stores in both databases, and a server of tiny models with each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.serve.postgres import NUMBERS, Cluster, running_cluster
from tests.serve.running import running
from tests.serve.serving import Client, make_run, serving

from penname.serve.access import LOCAL_TENANT
from penname.serve.store.opening import open_keys, open_store
from penname.serve.store.store import Store

Look = Callable[[str], list[tuple[Any, ...]]]
"""Runs a query as one to whom no wall applies."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> str:
    """The name of a database of the newest revision, for tests that leave its tables as they are."""
    name = cluster.new_database()
    with open_keys(cluster.url(name, "penname")):
        return name


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database of each kind without rows."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/penname.db"
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = request.getfixturevalue("migrated")
    yield cluster.url(name, "penname")
    cluster.execute("TRUNCATE tenants CASCADE", database=name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of each kind without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/penname.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url(cluster.new_database(), "penname")


@pytest.fixture
def user_keys(tmp_path: Path) -> Path:
    return tmp_path / "user-keys"


@pytest.fixture
def store(url: str, user_keys: Path) -> Iterator[Store]:
    with open_store(url, user_keys) as store:
        yield store


@pytest.fixture
def look(url: str) -> Look:
    def in_file(query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(query).fetchall()

    def on_server(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(url.replace("penname@", "postgres@")) as connection:
            return connection.execute(query).fetchall()

    return in_file if url.startswith("sqlite") else on_server


@pytest.fixture(scope="session")
def served_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("served") / "run")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store of `server`, in a database of each kind."""
    folder = tmp_path_factory.mktemp("store")
    address = f"sqlite:///{folder}/penname.db"
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        address = cluster.url(cluster.new_database(), "penname")
    with open_store(address, folder / "user-keys") as store:
        yield store


@pytest.fixture(scope="module")
def server(served_store: Store, served_run: Path) -> Iterator[Client]:
    with serving(served_store, served_run) as client:
        yield client


@pytest.fixture
def client(server: Client, served_store: Store) -> Client:
    """A client with a key of a tenant of its own."""
    return server.with_key(served_store.add_key(f"tenant {next(NUMBERS)}"))


@pytest.fixture
def monitor(server: Client, served_store: Store) -> Client:
    """A client that may read the metrics."""
    return server.with_key(served_store.add_key(LOCAL_TENANT))


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the database of the server at `address`."""
    return f"sqlite:///{tmp_path_factory.mktemp('served')}/penname.db"


@pytest.fixture(scope="session")
def address(served_run: Path, database: str) -> Iterator[str]:
    """The address of a server on the loopback, where a key is optional."""
    with running(served_run, database) as address:
        yield address
