"""Computes a stage's shards with workers on a Ray cluster.

Ray core starts processes and carries messages. What is done when one of them dies is decided here: its shards go back
to the queue, another worker is started in its place, and a shard that has ended several workers stops the run. Ray's
own retries are off, so that each shard has one result, which this process writes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # read when ray is imported; it would report to its makers

import ray
from ray.exceptions import RayError, RayTaskError

from penname import __version__
from penname.config import Recipe
from penname.engines.computing import computing_difference
from penname.engines.models import locate_model
from penname.errors import UserError
from penname.runs.folder import RunFolder
from penname.runs.shards import Shard, ShardResult
from penname.runs.worker_log import WorkerLog
from penname.scale.models import DriversModel, content_hash, read_chunks
from penname.scale.worker import Answer, Description, Worker
from penname.session.executor import SessionWork, expected_computing
from penname.session.session import Session
from penname.session.stage_names import AUTHORSHIP_MODEL

IN_FLIGHT = 2
"""Shards that a worker has at once: the one that it computes, and the next one, so that it never waits."""

SILENT_AFTER = 10.0
"""Seconds without an answer after which a worker counts as lost, as when its machine is cut off."""

WAIT = 0.5
"""Seconds between two looks at workers that have given no result."""

CONNECTION_SECONDS = 10.0
"""Time that a cluster's head has to answer."""

RELEASE_SECONDS = 60.0
"""Time that workers have to let their models go."""

WAITING_NOTE_AFTER = 30.0
"""Seconds without any worker after which that is said."""


@dataclass(eq=False)
class _Worker:
    """The driver's view of a worker.

    actor: the Ray actor.
    starting: the reference of its description; None once it has started.
    description: what it is, once it has started.
    shards: those that it has, by the reference of the answer; it computes the first one.
    first_since: when it began with that.
    asked, answered: the reference of the question for its counts, and when it last answered one.
    """

    actor: Any
    starting: Any
    description: Description | None = None
    shards: dict[Any, Shard[Any]] = field(default_factory=dict)
    first_since: float = 0.0
    asked: Any = None
    answered: float = 0.0


class RayExecutor:
    """An `Executor` whose workers are Ray actors; they are started for the first stage and kept until `release`.

    recipe: the recipe of the run.
    run: the run's folder.
    """

    def __init__(self, recipe: Recipe, run: RunFolder) -> None:
        self._recipe, self._settings, self._run = recipe, recipe.scale, run
        self._workers: list[_Worker] = []
        self._models: dict[str, DriversModel | None] = {}
        self._sent: Counter[tuple[str, str]] = Counter()
        self._refused: set[str] = set()
        self._tokens = self._completions = 0
        self.log = WorkerLog(run.folder)
        self._connected = False
        self._started_ray = False

    def execute(
        self, session: Session, stage: str, work: SessionWork, shards: Sequence[Shard[Any]]
    ) -> Iterator[ShardResult]:
        """See `Executor.execute`. Raises UserError where the cluster cannot be reached or can never hold a worker."""
        if not self._connected:
            if not ray.is_initialized():
                _connect(self._recipe)
                self._started_ray = True
            self._check_resources()
            self._connected = True
        yield from _Stage(self, session, stage, work, shards).run()

    def release(self) -> None:
        """Have workers let their models go, as training may need the memory; those that cannot are ended."""
        released = {worker.actor.release.remote(): worker for worker in self.ready}
        done = set(ray.wait([*released], num_returns=len(released), timeout=RELEASE_SECONDS)[0]) if released else set()
        for reference, worker in released.items():
            if reference not in done or self._result(worker, reference, False) is False:
                self.drop(worker)

    def close(self) -> None:
        """End the workers, and leave the cluster, which ends too if it was started for this run."""
        for worker in self.workers:
            self.drop(worker)
        if self._started_ray:
            ray.shutdown()

    def _check_resources(self) -> None:
        """Raise UserError if no machine of the cluster could hold a worker, even if it were idle."""
        needed = {"CPU": float(self._settings.threads), "GPU": float(self._settings.gpus)}
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(machine.get(kind, 0.0) >= count for kind, count in needed.items()) for machine in machines):
            found = "; ".join(f"{m.get('CPU', 0):g} CPUs and {m.get('GPU', 0):g} GPUs" for m in machines)
            raise UserError(
                f"scale: no machine of the cluster has the {needed['CPU']:g} CPUs and {needed['GPU']:g} GPUs that a "
                f"worker takes (scale.threads, scale.gpus); found {found or 'no machine'}"
            )

    def start_workers(self) -> None:
        """Start workers in place of those that are missing."""
        while len(self._workers) < self._settings.workers:
            actor = (
                ray.remote(concurrency_groups={"signs": 1, "models": 1})(Worker)  # type: ignore[call-overload]
                .options(
                    num_cpus=self._settings.threads,
                    num_gpus=self._settings.gpus,
                    max_restarts=0,
                    max_task_retries=0,
                    scheduling_strategy="SPREAD",
                )
                .remote(self._recipe, self._settings.threads)
            )
            self._workers.append(_Worker(actor, actor.describe.remote()))

    @property
    def ready(self) -> list[_Worker]:
        """The workers that have started."""
        return [worker for worker in self._workers if worker.description is not None]

    @property
    def workers(self) -> list[_Worker]:
        """All workers, those that are starting included."""
        return list(self._workers)

    def accept(self, worker: _Worker, description: Description) -> None:
        """Take a worker that has started, or refuse it if it would compute otherwise than the run so far."""
        expected = expected_computing(self._run.folder, description.computing)
        difference = computing_difference(description.computing, expected)
        if description.version != __version__:
            raise UserError(
                f"worker {description.name} has penname {description.version}, expected {__version__}: install the same"
            )
        if difference is not None and not self._settings.mixed:
            raise UserError(
                f"worker {description.name} computes with {difference}, as the run so far, and would write other "
                "texts: give it the same, or set scale.mixed=true"
            )
        if difference is not None and description.host not in self._refused:
            self._refused.add(description.host)
            self._run.progress.say(f"note: worker {description.name} computes with {difference}: rounding may differ")
        worker.description, worker.starting = description, None
        worker.answered = time.monotonic()
        self.log.event("started", description.name, description.node)

    def drop(self, worker: _Worker) -> None:
        """End a worker, if it has not ended already."""
        self._workers.remove(worker)
        ray.kill(worker.actor)

    def lose(self, worker: _Worker, why: str, stage: str) -> None:
        """Drop a worker that failed, and say so."""
        self.drop(worker)
        if worker.description is not None:
            self.log.event("lost", worker.description.name, worker.description.node, stage=stage, why=why)
            self._run.progress.say(f"{stage}: worker {worker.description.name} {why}; another is started")

    def known_models(self) -> dict[str, DriversModel | None]:
        """What workers are told of models."""
        return dict(self._models)

    def send_model(self, session: Session, name: str) -> None:
        """Send a model to every machine with a worker that lacks it.

        name: its name in the recipe, the folder of a model that was trained, or `AUTHORSHIP_MODEL`.

        Raises UserError where it does not arrive.
        """
        if name not in self._models:
            if name == AUTHORSHIP_MODEL:
                session.users.model()
            folder = session.run.path(name) if name == AUTHORSHIP_MODEL else Path(locate_model(name))
            self._models[name] = DriversModel(folder.absolute(), content_hash(folder)) if folder.is_dir() else None
        model = self._models[name]
        if model is None:
            return
        machines = {worker.description.node: worker for worker in self._workers if worker.description is not None}
        asked = {node: worker.actor.has_model.remote(model) for node, worker in machines.items()}
        lacking = [worker for node, worker in machines.items() if not self._result(worker, asked[node], True)]
        for worker in lacking:
            self._count_sending(worker, name, model)
        for file, chunk in read_chunks(model.folder) if lacking else ():
            stored = ray.put(chunk)  # each machine takes it from the nearest one that has it
            receiving = [worker.actor.receive.remote(model.model_hash, file, stored) for worker in lacking]
            for worker, received in zip(lacking, receiving, strict=True):
                self._result(worker, received, None)
        for worker in lacking:
            self._result(worker, worker.actor.finish_receiving.remote(model.model_hash), None)
            if worker.description is not None:
                self.log.event("model", worker.description.name, worker.description.node, model=name)

    def _count_sending(self, worker: _Worker, name: str, model: DriversModel) -> None:
        """Raise UserError if a model has been sent to a worker's machine too often."""
        assert worker.description is not None
        self._sent[worker.description.node, model.model_hash] += 1
        if self._sent[worker.description.node, model.model_hash] > self._settings.attempts:
            raise UserError(
                f"model {name} has not arrived on {worker.description.host} in {self._settings.attempts} attempts: "
                "is there room in its PENNAME_CACHE?"
            )

    def take_counts(self) -> tuple[int, int]:
        """The tokens and completions of all workers that were not counted yet."""
        for worker in self.ready:
            self._ask_again(worker)
        counts = self._tokens, self._completions
        self._tokens = self._completions = 0
        return counts

    def silent(self) -> list[_Worker]:
        """The workers that have long given no sign of life."""
        return [worker for worker in self.ready if time.monotonic() - worker.answered > SILENT_AFTER]

    def _ask_again(self, worker: _Worker) -> None:
        """Take a worker's answer to the last question for its counts, if it has given one, and ask again."""
        if worker.asked is not None and ray.wait([worker.asked], timeout=0)[0]:
            with contextlib.suppress(RayError):  # it is lost, which is noticed where its shards are awaited
                tokens, completions = ray.get(worker.asked)
                worker.answered = time.monotonic()
                self._tokens, self._completions = self._tokens + tokens, self._completions + completions
                if worker.description is not None:
                    self.log.count(worker.description.name, tokens=tokens)
            worker.asked = None
        if worker.asked is None:
            worker.asked = worker.actor.counts.remote()

    def _result(self, worker: _Worker, reference: Any, otherwise: Any) -> Any:
        """What a worker answers, or `otherwise` if it is lost, which is noticed where its shards are awaited."""
        while not ray.wait([reference], timeout=WAIT)[0]:
            self._ask_again(worker)
            if worker in self.silent():
                return otherwise
        try:
            return ray.get(reference)
        except RayError:
            return otherwise


class _Stage:
    """The computation of one stage's shards.

    executor: has the workers.
    session: the session of the run.
    name: the stage's name.
    work: makes the records of a shard's items.
    shards: what is to be computed.
    """

    def __init__(
        self, executor: RayExecutor, session: Session, name: str, work: SessionWork, shards: Sequence[Shard[Any]]
    ) -> None:
        self._executor, self._session, self._name, self._work = executor, session, name, work
        self._queue = deque(shards)
        self._failures: Counter[int] = Counter()
        self._retried = 0
        self._settings = session.recipe.scale
        self._alone_since = time.monotonic()

    def run(self) -> Iterator[ShardResult]:
        """Yield results as they come, until all shards have one."""
        for worker in self._executor.ready:
            worker.answered = time.monotonic()  # nobody has asked it since the last stage
        self._executor.log.stage_started()
        try:
            while self._queue or any(worker.shards for worker in self._executor.workers):
                self._executor.start_workers()
                self._hand_out()
                yield from self._collect()
                self._look_after_workers()
        finally:
            self._executor.log.stage_ended(self._name)
            for worker in self._executor.workers:
                if worker.shards:  # the stage was interrupted: what they compute is not wanted any more
                    self._executor.drop(worker)

    def _hand_out(self) -> None:
        """Give workers shards, first one to each, so that the last ones are spread."""
        for most in range(1, IN_FLIGHT + 1):
            for worker in self._executor.ready:
                if self._queue and len(worker.shards) < most:
                    shard = self._queue.popleft()
                    models = self._executor.known_models()
                    answer = worker.actor.compute.remote(self._work, list(shard.items), models)
                    if not worker.shards:
                        worker.first_since = time.monotonic()
                    worker.shards[answer] = shard

    def _collect(self) -> Iterator[ShardResult]:
        """Wait a moment for an answer, and take those that there are."""
        by_answer = {answer: worker for worker in self._executor.workers for answer in worker.shards}
        starting = {worker.starting: worker for worker in self._executor.workers if worker.starting is not None}
        waiting = [*by_answer, *starting]
        done, _ = ray.wait(waiting, num_returns=len(waiting), timeout=0)
        if not done:
            done, _ = ray.wait(waiting, num_returns=1, timeout=WAIT)
        for reference in done:
            if reference in starting:
                self._take_started(starting[reference], reference)
            elif reference in by_answer[reference].shards:  # its worker may just have been dropped
                yield from self._take_answer(by_answer[reference], reference)

    def _take_started(self, worker: _Worker, reference: Any) -> None:
        try:
            description: Description = ray.get(reference)
        except RayTaskError as error:
            raise UserError(f"scale: a worker could not start: {_last_line(error)}") from None
        except RayError as error:
            self._failures[-1] += 1
            if self._failures[-1] >= self._settings.attempts * self._settings.workers:
                raise UserError(f"scale: workers end before they have started: {_last_line(error)}") from None
            self._executor.lose(worker, "ended before it had started", self._name)
            return
        self._executor.accept(worker, description)

    def _take_answer(self, worker: _Worker, reference: Any) -> Iterator[ShardResult]:
        try:
            answer: Answer = ray.get(reference)
        except RayTaskError as error:
            # The worker's own code failed, as without memory: it may be in no state to go on.
            self._lose(worker, f"failed: {_last_line(error)}")
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
            self._executor.send_model(self._session, answer.missing)
            self._queue.appendleft(shard)
            return
        assert answer.records is not None
        assert worker.description is not None
        self._executor.log.count(worker.description.name, shards=1)
        yield ShardResult(shard, answer.records, worker.description.computing)

    def _count(self, worker: _Worker | None, tokens: int, completions: int) -> None:
        """Show what was written; for a worker, also log it."""
        if worker is not None and worker.description is not None:
            self._executor.log.count(worker.description.name, tokens=tokens)
        if tokens or completions:
            self._session.run.progress.add_generated(tokens, completions)

    def _lose(self, worker: _Worker, why: str) -> None:
        """Drop a worker, and put its shards back: the first is what it computed when it was lost."""
        first, *others = worker.shards.values() or (None,)
        worker.shards.clear()  # the answers that may still come are not waited for
        self._executor.lose(worker, why, self._name)
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
        self._count(None, *self._executor.take_counts())
        ready = self._executor.ready
        retried = f", {self._retried} shards repeated" if self._retried else ""
        self._session.run.progress.advance(0, note=f"{len(ready)} of {self._settings.workers} workers{retried}")
        for worker in self._executor.silent():
            self._lose(worker, f"has not answered for {SILENT_AFTER:.0f} s")
        now = time.monotonic()
        for worker in self._executor.ready:
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


def _connect(recipe: Recipe) -> None:
    """Connect to the recipe's cluster, or start one on this machine. Raises UserError where that fails."""
    settings = recipe.scale
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if settings.address == "local":
        # Workers are what the recipe says they are, also where that is more than the machine has.
        cores = max(os.cpu_count() or 1, settings.workers * settings.threads)
        options |= {"num_cpus": cores, "include_dashboard": False}
    try:
        if ":" in settings.address:
            _check_answer(settings.address)
        ray.init(address=settings.address, **options)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise UserError(
            f"scale.address {settings.address}: {_last_line(error).rstrip('.')}; expected a cluster that answers "
            "(docs/scale.md), or local"
        ) from None


def _check_answer(address: str) -> None:
    """Raise OSError if nothing answers at HOST:PORT, where Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=CONNECTION_SECONDS).close()


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__


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
