"""Executors: where the shards of a stage are computed. `InProcess` is the default; `penname.scale` has Ray's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from penname.engines.computing import computing_difference, describe_computing
from penname.runs.folder import read_json, write_text
from penname.runs.shards import Record, Shard, ShardResult

if TYPE_CHECKING:
    from penname.session.session import Session

COMPUTING = "computing.json"
"""File in a run's folder that says what its shards are computed with, see `expected_computing`."""

SessionWork = Callable[["Session", Sequence[Any]], list[Record]]
"""Makes the records of a shard's items with a session, which is the run's own or that of a worker."""


class Executor(Protocol):
    """Computes the shards of a session's stages."""

    def execute(
        self, session: Session, stage: str, work: SessionWork, shards: Sequence[Shard[Any]]
    ) -> Iterator[ShardResult]:
        """Compute shards; yields their results in the order in which they are finished.

        session: the session of the run.
        stage: the stage's name.
        work: makes the records of a shard's items.
        shards: what is to be computed.
        """
        ...

    def release(self) -> None:
        """Let models go, before something else needs the memory; the next stage loads them again."""
        ...

    def close(self) -> None:
        """Let everything go that it holds."""
        ...


def expected_computing(folder: Path, found: Mapping[str, str]) -> dict[str, str]:
    """What the processes of a run compute with, as the first one of them recorded it.

    folder: the run's folder.
    found: what this process, or this worker, computes with; recorded if it is the first one. See `describe_computing`.
    """
    path = folder / COMPUTING
    if not path.is_file():
        write_text(path, json.dumps(dict(found), indent=2) + "\n")
    return read_json(path)


class InProcess:
    """Computes shards in this process, one after another."""

    def __init__(self) -> None:
        self._told = False

    def execute(
        self, session: Session, stage: str, work: SessionWork, shards: Sequence[Shard[Any]]
    ) -> Iterator[ShardResult]:
        """See `Executor.execute`."""
        computing = describe_computing()
        difference = computing_difference(computing, expected_computing(session.run.folder, computing))
        if difference is not None and not self._told:
            self._told = True
            session.run.progress.say(
                f"note: this process computes with {difference}, as the run so far: rounding may differ"
            )
        for shard in shards:
            yield ShardResult(shard, work(session, shard.items), computing)

    def release(self) -> None:
        """Nothing is held beside the session's own engine."""

    def close(self) -> None:
        """Nothing is held beside the session's own engine."""
