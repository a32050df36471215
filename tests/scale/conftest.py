"""A real Ray cluster of one or two machines, each of which is a raylet on this one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'penname[ray]'")


# Without what nobody looks at, a process each on every machine.
BARE = {"object_store_memory": 80 * 2**20, "include_log_monitor": False}


@pytest.fixture(scope="module")
def one_machine() -> Iterator[Any]:
    """The head has no processors, so that workers are on the other machine."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "no_monitor": True, **BARE})
    made.add_node(num_cpus=2, **BARE)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def cluster(one_machine: Any) -> Any:
    """Two machines, of which one may be killed."""
    one_machine.add_node(num_cpus=2, **BARE)
    return one_machine
