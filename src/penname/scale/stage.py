"""Computes the shards of one stage with workers: hands them out, takes the answers, and repeats what was lost."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from penname.errors import UserError
from penname.runs.shards import Shard, ShardResult
from penname.scale.cluster import last_line
from penname.scale.worker import Answer, Description
from penname.scale.workers import SILENT_AFTER, WAIT, WorkerHandle, Workers
from penname.session.executor import SessionWork
from penname.session.session import Session

IN_FLIGHT = 2
"""Shards that a worker has at once: the one that it computes, and the next one, so that it never waits."""

WAITING_NOTE_AFTER = 30.0
"""Seconds without any worker after which that is said."""


class Stage:
    """The computation of one stage's shards.

    workers: compute it.
    session: the session of the run.
    name: the stage's name.
    work: makes the records of a shard's items.
    shards: what is to be computed.
    """

    def __init__(
        self, workers: Workers, session: Session, name: str, work: SessionWork, shards: Sequence[Shard[Any]]
    ) -> None:
        self._workers, self._session, self._name, self._work = workers, session, name, work
        self._queue = deque(shards)
        self._failures: Counter[int] = Counter()
        self._retried = self._ended_early = 0
        self._settings = session.recipe.scale
        self._alone_since = time.monotonic()

    def run(self) -> Iterator[ShardResult]:
        """Yield results as they come, until all shards have one."""
        for worker in self._workers.ready:
            worker.answered = time.monotonic()  # nobody has asked it since the last stage
        self._workers.log.stage_started()
        try:
            while self._queue or any(worker.shards for worker in self._workers.all):
                self._workers.start_missing()
                self._hand_out()
                yield from self._collect()
                self._look_after_workers()
        finally:
            self._workers.log.stage_ended(self._name)
            for worker in self._workers.all:
                if worker.shards:  # the stage was interrupted: what they compute is not wanted any more
                    self._workers.drop(worker)

    def _hand_out(self) -> None:
        """Give workers shards, first one to each, so that the last ones are spread."""
        for most in range(1, IN_FLIGHT + 1):
            for worker in self._workers.ready:
                if self._queue and len(worker.shards) < most:
                    shard = self._queue.popleft()
                    models = self._workers.known_models()
                    answer = worker.actor.compute.remote(self._work, list(shard.items), models)
                    if not worker.shards:
                        worker.first_since = time.monotonic()
                    worker.shards[answer] = shard

    def _collect(self) -> Iterator[ShardResult]:
        """Wait a moment for an answer, and take those that there are."""
        by_answer = {answer: worker for worker in self._workers.all for answer in worker.shards}
        starting = {worker.starting: worker for worker in self._workers.all if worker.starting is not None}
        waiting = [*by_answer, *starting]
        done, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        if not done:
            done, _ = ray.wait(waiting, num_returns=1, timeout=WAIT)
        for reference in done:
            if reference in starting:
                self._take_started(starting[reference], reference)
            elif reference in by_answer[reference].shards:  # its worker may just have been dropped
                yield from self._take_answer(by_answer[reference], reference)

    def _take_started(self, worker: WorkerHandle, reference: Any) -> None:
        try:
            description: Description = ray.get(reference)
        except RayTaskError as error:
            raise UserError(f"scale: a worker could not start: {last_line(error)}") from None
        except RayError as error:
            self._ended_early += 1
            if self._ended_early >= self._settings.attempts * self._settings.workers:
                raise UserError(f"scale: workers end before they have started: {last_line(error)}") from None
            self._workers.lose(worker, "ended before it had started", self._name)
            return
        self._workers.accept(worker, description)

    def _take_answer(self, worker: WorkerHandle, reference: Any) -> Iterator[ShardResult]:
        try:
            answer: Answer = ray.get(reference)
        except RayTaskError as error:
            # The worker's own code failed, as without memory: it may be in no state to go on.
            self._lose(worker, f"failed: {last_line(error)}")
            return
        except RayError as error:
            self._lose(worker, f"ended: {type(error).__name__}")
            return
        shard = worker.shards.pop(reference)
        self._count(worker, answer.tokens, answer.completions)
        worker.first_since = time.monotonic()
        if answer.problem is not None:
            raise UserError(answer.problem)
        if answer.missing is not None:
            self._workers.send_model(self._session, answer.missing)
            self._queue.appendleft(shard)
            return
        assert answer.records is not None
        assert worker.description is not None
        self._workers.log.count(worker.description.name, shards=1)
        yield ShardResult(shard, answer.records, worker.description.computing)

    def _count(self, worker: WorkerHandle | None, tokens: int, completions: int) -> None:
        """Show what was written; for a worker, also log it."""
        if worker is not None and worker.description is not None:
            self._workers.log.count(worker.description.name, tokens=tokens)
        if tokens or completions:
            self._session.run.progress.add_generated(tokens, completions)

    def _lose(self, worker: WorkerHandle, why: str) -> None:
        """Drop a worker, and put its shards back: the first is what it computed when it was lost."""
        first, *others = worker.shards.values() or (None,)
        worker.shards.clear()  # the answers that may still come are not waited for
        self._workers.lose(worker, why, self._name)
        self._queue.extendleft(reversed(others))
        if first is None:
            return
        self._failures[first.number] += 1
        self._retried += 1
        if self._failures[first.number] >= self._settings.attempts:
            raise UserError(
                f"{self._name}: shard {first.number:05d}, {_describe(first)}, has ended {self._settings.attempts} "
                f"workers (scale.attempts); the last one {why}. What is finished is kept"
            )
        self._queue.appendleft(first)

    def _look_after_workers(self) -> None:
        """Show what workers have written, and let those go that are silent or have a shard for too long."""
        self._count(None, *self._workers.take_counts())
        ready = self._workers.ready
        retried = f", {self._retried} shards repeated" if self._retried else ""
        self._session.run.progress.advance(0, note=f"{len(ready)} of {self._settings.workers} workers{retried}")
        for worker in self._workers.silent():
            self._lose(worker, f"has not answered for {SILENT_AFTER:.0f} s")
        now = time.monotonic()
        for worker in self._workers.ready:
            if worker.shards and now - worker.first_since > self._settings.deadline:
                self._lose(worker, f"has not finished a shard within {self._settings.deadline:g} s (scale.deadline)")
        if ready:
            self._alone_since = now
        elif now - self._alone_since > WAITING_NOTE_AFTER:
            self._alone_since = now
            free = ray.available_resources()
            self._session.run.progress.say(
                f"{self._name}: waiting for a worker; the cluster has {free.get('CPU', 0):g} CPUs and "
                f"{free.get('GPU', 0):g} GPUs free, a worker takes {self._settings.threads} and {self._settings.gpus:g}"
            )


def _describe(shard: Shard[Any]) -> str:
    """The examples of a shard, by their ids where its items have them."""
    names = list(dict.fromkeys(_example_id(item) for item in shard.items))
    if None in names:
        return f"{len(shard)} items"
    return f"example {names[0]!r}" if len(names) == 1 else f"examples {names[0]!r} to {names[-1]!r}"


def _example_id(item: Any) -> str | None:
    """The id of the example that an item is about."""
    if isinstance(item, tuple):
        return next((found for part in item if (found := _example_id(part)) is not None), None)
    if isinstance(item, dict):
        return item.get("example_id")
    return getattr(item, "example_id", None) or getattr(getattr(item, "example", None), "example_id", None)
