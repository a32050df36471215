"""Stores in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.postgres import Cluster, running_cluster

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
