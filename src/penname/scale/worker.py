"""A worker: a Ray actor that computes shards with a session of its own, without the run's folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import ray

from penname import __version__
from penname.config import Recipe, Split
from penname.data.sources import Examples
from penname.engines.computing import describe_computing
from penname.errors import UserError
from penname.rewards.authorship import AuthorshipModel
from penname.rewards.base import Reward
from penname.rewards.mixture import make_rewards
from penname.runs.folder import RunFolder
from penname.runs.shards import Record
from penname.scale.models import DriversModel, LocatedModels, ModelCache, ModelMissing
from penname.session.engines import Engines
from penname.session.executor import SessionWork
from penname.session.session import Session
from penname.session.stage_names import AUTHORSHIP_MODEL
from penname.session.users import MODEL_FILE, Users

NO_FOLDER = Path("no-run-folder-on-a-worker")


@dataclass(frozen=True)
class Description:
    """A worker that has started.

    node: the id of its machine in the cluster.
    host: the name of its machine.
    process: its process id.
    version: its version of penname.
    computing: see `describe_computing`.
    """

    node: str
    host: str
    process: int
    version: str
    computing: dict[str, str]

    @property
    def name(self) -> str:
        """The name that messages call it by."""
        return f"{self.host}:{self.process}"


@dataclass(frozen=True)
class Answer:
    """What a worker gives back for a shard: records, a missing model or a problem.

    tokens, completions: what it has written since it was last asked, see `Worker.counts`.
    records: the shard's records.
    missing: the driver's name of a model that the worker's machine does not have.
    problem: the message of a `UserError`, which would be the same on every worker.
    """

    tokens: int
    completions: int
    records: list[Record] | None = None
    missing: str | None = None
    problem: str | None = None


class Worker:
    """Computes shards.

    recipe: the recipe of the run.
    threads: number of threads that torch computes with.
    """

    def __init__(self, recipe: Recipe, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._cache = ModelCache()
        self._models = LocatedModels(self._cache)
        self._counts = Counts()
        self._session = WorkerSession(recipe, self._counts, self._models)

    def describe(self) -> Description:
        """What the driver needs to know of this worker."""
        node = ray.get_runtime_context().get_node_id()
        return Description(node, socket.gethostname(), os.getpid(), __version__, describe_computing())

    def compute(self, work: SessionWork, items: Sequence[Any], models: Mapping[str, DriversModel | None]) -> Answer:
        """Compute a shard.

        work: makes the records of its items.
        items: its items.
        models: what the driver knows of models, see `LocatedModels`.
        """
        self._models.known = models
        try:
            records = work(self._session, items)
        except ModelMissing as missing:
            return Answer(*self._counts.take(), missing=missing.name)
        except UserError as error:
            return Answer(*self._counts.take(), problem=str(error))
        return Answer(*self._counts.take(), records=records)

    def release(self) -> None:
        """Let its model go, whose memory is needed for training."""
        self._session.release()

    @ray.method(concurrency_group="signs")
    def counts(self) -> tuple[int, int]:
        """The numbers of tokens and of completions that it has written since it was last asked; also a sign of life."""
        return self._counts.take()

    @ray.method(concurrency_group="models")
    def has_model(self, model: DriversModel) -> bool:
        """Whether a model is on this machine."""
        return self._cache.find(model.model_hash, model.folder) is not None

    @ray.method(concurrency_group="models")
    def receive(self, model_hash: str, name: str, chunk: bytes) -> None:
        """See `ModelCache.write`."""
        self._cache.write(model_hash, name, chunk)

    @ray.method(concurrency_group="models")
    def finish_receiving(self, model_hash: str) -> str:
        """See `ModelCache.finish`."""
        return self._cache.finish(model_hash)


class Counts:
    """A `Progress` that counts what is written, for the driver to show."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tokens = self._completions = 0

    def add_generated(self, tokens: int, completions: int) -> None:
        """See `Progress.add_generated`."""
        with self._lock:
            self._tokens += tokens
            self._completions += completions

    def take(self) -> tuple[int, int]:
        """What was counted since the last call."""
        with self._lock:
            taken = self._tokens, self._completions
            self._tokens = self._completions = 0
        return taken

    def start(self, stage: str, total: int, unit: str, completions: int = 1) -> None:
        """Stages are shown by the driver."""

    def advance(self, count: int, tokens: int = 0, note: str = "") -> None:
        """Finished units are shown by the driver."""

    def finish(self, note: str = "") -> None:
        """Stages are shown by the driver."""

    def say(self, line: str) -> None:
        """A worker says nothing."""


class WorkerSession(Session):
    """A session whose models come from the driver, and which has no run folder.

    recipe: the recipe of the run.
    counts: counts what is written.
    models: finds models.
    """

    def __init__(self, recipe: Recipe, counts: Counts, models: LocatedModels) -> None:
        run = RunFolder(NO_FOLDER, counts)
        super().__init__(recipe, run, Engines(counts.add_generated, models.locate))
        self._models = models
        self.users: Users = _Authorship(recipe, run, models)

    def rewards(self, names: Sequence[str]) -> dict[str, Reward]:
        """See `Session.rewards`."""
        settings = self.recipe.reward
        if settings.encoder is not None:
            settings = settings.model_copy(update={"encoder": self._models.locate(settings.encoder)})
        return make_rewards(names, settings, self.judge, self.users.model)


class _Authorship(Users):
    """The run's authorship model, without the users it was fitted on."""

    def __init__(self, recipe: Recipe, run: RunFolder, models: LocatedModels) -> None:
        super().__init__(recipe, run, _no_data)
        self._models = models

    def model(self) -> AuthorshipModel:
        """See `Users.model`."""
        if self._model is None:
            self._model = AuthorshipModel.load(Path(self._models.locate(AUTHORSHIP_MODEL)) / MODEL_FILE)
        return self._model


def _no_data(split: Split) -> Examples:
    raise AssertionError("workers are given what they need of the data with their items")
