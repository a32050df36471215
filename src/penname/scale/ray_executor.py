"""Computes a stage's shards with workers on a Ray cluster.

Ray core starts processes and carries messages. What is done when one of them dies is decided in `penname.scale.stage`:
its shards go back to the queue, another worker is started in its place, and a shard that has ended several workers
stops the run. Ray's own retries are off, so that each shard has one result, which this process writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import ray

from penname.config import Recipe
from penname.runs.folder import RunFolder
from penname.runs.shards import Shard, ShardResult
from penname.scale.cluster import check_resources, connect
from penname.scale.stage import Stage
from penname.scale.workers import Workers
from penname.session.executor import SessionWork
from penname.session.session import Session


class RayExecutor:
    """An `Executor` whose workers are Ray actors; they are started for the first stage and kept until `close`.

    recipe: the recipe of the run.
    run: the run's folder.
    """

    def __init__(self, recipe: Recipe, run: RunFolder) -> None:
        self._settings = recipe.scale
        self._workers = Workers(recipe, run)
        self._connected = False
        self._started_ray = False

    def execute(
        self, session: Session, stage: str, work: SessionWork, shards: Sequence[Shard[Any]]
    ) -> Iterator[ShardResult]:
        """See `Executor.execute`. Raises UserError where the cluster cannot be reached or can never hold a worker."""
        if not self._connected:
            if not ray.is_initialized():
                connect(self._settings)
                self._started_ray = True
            check_resources(self._settings)
            self._connected = True
        yield from Stage(self._workers, session, stage, work, shards).run()

    def release(self) -> None:
        """See `Executor.release`."""
        self._workers.release_models()

    def close(self) -> None:
        """End the workers, and leave the cluster, which ends too if it was started for this run."""
        if self._connected:
            self._workers.release_models()  # an engine may have processes of its own
        for worker in self._workers.all:
            self._workers.drop(worker)
        if self._started_ray:
            ray.shutdown()
