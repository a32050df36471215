"""A real Ray cluster of two machines, each of which is a raylet on this one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'penname[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """The head has no processors, so that workers are on the other machines, which may be killed."""
    from ray.cluster_utils import Cluster

    # Without what nobody looks at, a process each on every machine.
    bare = {"object_store_memory": 80 * 2**20, "include_log_monitor": False}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "no_monitor": True, **bare})
    for _ in range(2):
        made.add_node(num_cpus=2, **bare)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()
