"""What a run's workers did, in `workers.jsonl` in its folder, for the report and for whoever looks into a failure."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penname.scale.worker import Description

WORKERS = "workers.jsonl"


class WorkerLog:
    """Appends to a run's `workers.jsonl`.

    A line has an `event`: `started`, `lost`, `model` (one was sent to the worker's machine), or `stage`, which says how
    much a worker did in a stage.

    folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / WORKERS
        self._counts: dict[str, dict[str, int]] = {}
        self._since = time.time()

    def event(self, event: str, worker: Description | None, **facts: Any) -> None:
        """Note what happened to a worker."""
        if worker is not None:
            self._append({"event": event, "worker": worker.name, "node": worker.node, **facts})

    def count(self, worker: Description | None, shards: int = 0, tokens: int = 0) -> None:
        """Count what a worker has done in the current stage."""
        if worker is not None:
            counts = self._counts.setdefault(worker.name, {"shards": 0, "tokens": 0})
            counts["shards"] += shards
            counts["tokens"] += tokens

    def stage_ended(self, stage: str) -> None:
        """Note how much each worker did in a stage."""
        seconds = round(time.time() - self._since, 1)
        for worker, counts in self._counts.items():
            self._append({"event": "stage", "worker": worker, "stage": stage, **counts, "seconds": seconds})
        self._counts, self._since = {}, time.time()

    def _append(self, fields: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.strftime("%Y-%m-%d %H:%M:%S")} | fields) + "\n")
