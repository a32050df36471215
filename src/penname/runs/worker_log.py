"""What a run's workers did, in `workers.jsonl` in its folder, for the report and for whoever looks into a failure."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

WORKERS = "workers.jsonl"


class WorkerLog:
    """Appends to a run's `workers.jsonl`.

    A line has an `event`: `started`, `lost`, `model` (one was sent to the worker's machine), or `stage`, which says how
    much a worker did in a stage; or `restarted`, where a training's processes were started again.

    folder: the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / WORKERS
        self._counts: dict[str, dict[str, int]] = {}
        self._since = time.monotonic()

    def event(self, event: str, worker: str, node: str, **facts: Any) -> None:
        """Note what happened to a worker.

        event: what happened.
        worker: its name.
        node: the id of its machine.
        facts: what else there is to know.
        """
        self._append({"event": event, "worker": worker, "node": node, **facts})

    def restarted(self, training: str) -> None:
        """Note that the processes of a training are started again."""
        self._append({"event": "restarted", "training": training})

    def stage_started(self) -> None:
        """Begin to count."""
        self._counts, self._since = {}, time.monotonic()

    def count(self, worker: str, shards: int = 0, tokens: int = 0) -> None:
        """Count what a worker has done in the current stage."""
        counts = self._counts.setdefault(worker, {"shards": 0, "tokens": 0})
        counts["shards"] += shards
        counts["tokens"] += tokens

    def stage_ended(self, stage: str) -> None:
        """Note how much each worker did in a stage."""
        seconds = round(time.monotonic() - self._since, 1)
        for worker, counts in self._counts.items():
            self._append({"event": "stage", "worker": worker, "stage": stage, **counts, "seconds": seconds})

    def _append(self, fields: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.strftime("%Y-%m-%d %H:%M:%S")} | fields) + "\n")


def read_worker_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's `workers.jsonl`, without those that a killed process has left incomplete; none without it.

    folder: the run's folder.
    """
    path, found = folder / WORKERS, []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and "event" in event and ("worker" in event or "training" in event):
                found.append(event)
    return found


def describe_workers(folder: Path) -> str | None:
    """What a run's workers did, and how often trainings were started again, in a line; None where there is nothing.

    folder: the run's folder.
    """
    log = read_worker_log(folder)
    started = [event for event in log if event["event"] == "started"]
    trainings = Counter(event["training"] for event in log if event["event"] == "restarted")
    restarts = [f"{name} started again {count} time{'s' if count > 1 else ''}" for name, count in trainings.items()]
    if not started:
        return "; ".join(restarts) or None
    stages = [event for event in log if event["event"] == "stage"]
    lost = [f"{event['worker']} {event.get('why')}" for event in log if event["event"] == "lost"]
    machines = len({event.get("node") for event in started})
    text = (
        f"{len(started)} on {machines} machine{'s' if machines > 1 else ''}: "
        f"{sum(event.get('shards', 0) for event in stages):,} shards, "
        f"{sum(event.get('tokens', 0) for event in stages):,} tokens"
    )
    return "; ".join([text, *([f"lost: {'; '.join(lost)}"] if lost else []), *restarts])
