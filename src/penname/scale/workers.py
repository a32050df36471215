"""The driver's view of its workers: they are started, looked after, sent models, and replaced when they are lost."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from penname import __version__
from penname.config import Recipe
from penname.engines.computing import computing_difference
from penname.engines.models import locate_model
from penname.errors import UserError
from penname.runs.folder import RunFolder
from penname.runs.shards import Shard
from penname.runs.worker_log import WorkerLog
from penname.scale.models import DriversModel, content_hash, read_chunks
from penname.scale.worker import Description, Worker
from penname.session.executor import expected_computing
from penname.session.session import Session
from penname.session.stage_names import AUTHORSHIP_MODEL

SILENT_AFTER = 10.0
"""Seconds without an answer after which a worker counts as lost, as when its machine is cut off."""

WAIT = 0.5
"""Seconds between two looks at workers that have given no result."""

RELEASE_SECONDS = 60.0
"""Time that workers have to let their models go."""


@dataclass(eq=False)
class WorkerHandle:
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


class Workers:
    """The workers of a run, which are started for its first stage and kept until they are dropped.

    recipe: the recipe of the run.
    run: the run's folder.
    """

    def __init__(self, recipe: Recipe, run: RunFolder) -> None:
        self._recipe, self._settings, self._run = recipe, recipe.scale, run
        self._workers: list[WorkerHandle] = []
        self._models: dict[str, DriversModel | None] = {}
        self._sent: Counter[tuple[str, str]] = Counter()
        self._refused: set[str] = set()
        self._tokens = self._completions = 0
        self.log = WorkerLog(run.folder)

    def start_missing(self) -> None:
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
            self._workers.append(WorkerHandle(actor, actor.describe.remote()))

    @property
    def ready(self) -> list[WorkerHandle]:
        """The workers that have started."""
        return [worker for worker in self._workers if worker.description is not None]

    @property
    def all(self) -> list[WorkerHandle]:
        """All workers, those that are starting included."""
        return list(self._workers)

    def accept(self, worker: WorkerHandle, description: Description) -> None:
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

    def drop(self, worker: WorkerHandle) -> None:
        """End a worker, if it has not ended already."""
        self._workers.remove(worker)
        ray.kill(worker.actor)

    def lose(self, worker: WorkerHandle, why: str, stage: str) -> None:
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

    def _count_sending(self, worker: WorkerHandle, name: str, model: DriversModel) -> None:
        """Raise UserError if a model has been sent to a worker's machine too often."""
        assert worker.description is not None
        self._sent[worker.description.node, model.model_hash] += 1
        if self._sent[worker.description.node, model.model_hash] > self._settings.attempts:
            raise UserError(
                f"model {name} has not arrived on {worker.description.host} in {self._settings.attempts} attempts: "
                "is there room in its PENNAME_CACHE?"
            )

    def release_models(self) -> None:
        """Have workers let their models go, as training may need the memory; those that cannot are ended."""
        released = {worker.actor.release.remote(): worker for worker in self.ready}
        done = set(ray.wait([*released], num_returns=len(released), timeout=RELEASE_SECONDS)[0]) if released else set()
        for reference, worker in released.items():
            if reference not in done or self._result(worker, reference, False) is False:
                self.drop(worker)

    def take_counts(self) -> tuple[int, int]:
        """The tokens and completions of all workers that were not counted yet."""
        for worker in self.ready:
            self._ask_again(worker)
        counts = self._tokens, self._completions
        self._tokens = self._completions = 0
        return counts

    def silent(self) -> list[WorkerHandle]:
        """The workers that have long given no sign of life."""
        return [worker for worker in self.ready if time.monotonic() - worker.answered > SILENT_AFTER]

    def _ask_again(self, worker: WorkerHandle) -> None:
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

    def _result(self, worker: WorkerHandle, reference: Any, otherwise: Any) -> Any:
        """What a worker answers, or `otherwise` if it is lost, which is noticed where its shards are awaited."""
        while not ray.wait([reference], timeout=WAIT)[0]:
            self._ask_again(worker)
            if worker in self.silent():
                return otherwise
        try:
            return ray.get(reference)
        except RayError:
            return otherwise
