"""Stores in both databases, and a server of tiny models with each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.postgres import NUMBERS, Cluster, running_cluster
from tests.serve.running import running
from tests.serve.serving import Client, make_run, serving

from penname.serve.store.opening import open_store
from penname.serve.store.store import Store


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/penname.db"
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url(cluster.new_database(), "penname")


@pytest.fixture
def tombstones(tmp_path: Path) -> Path:
    return tmp_path / "forgotten.tombstones"


@pytest.fixture
def store(url: str, tombstones: Path) -> Iterator[Store]:
    with open_store(url, tombstones) as store:
        yield store


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
    with open_store(address, folder / "forgotten.tombstones") as store:
        yield store


@pytest.fixture(scope="module")
def server(served_store: Store, served_run: Path) -> Iterator[Client]:
    with serving(served_store, served_run) as client:
        yield client


@pytest.fixture
def client(server: Client, served_store: Store) -> Client:
    """A client with a key of a tenant of its own."""
    return server.with_key(served_store.add_key(f"tenant {next(NUMBERS)}"))


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of the database of the server at `address`."""
    return f"sqlite:///{tmp_path_factory.mktemp('served')}/penname.db"


@pytest.fixture(scope="session")
def address(served_run: Path, database: str) -> Iterator[str]:
    """The address of a server on the loopback, where a key is optional."""
    with running(served_run, database) as address:
        yield address
