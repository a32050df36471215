"""Executors: where the shards of a stage are computed. `InProcess` is the default; `penname.scale` has Ray's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from penname.runs.shards import Record, Shard, ShardResult, in_order

if TYPE_CHECKING:
    from penname.session.session import Session

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

    def close(self) -> None:
        """Let the processes and models go that it holds."""
        ...


class InProcess:
    """Computes shards in this process, one after another."""

    def execute(
        self, session: Session, stage: str, work: SessionWork, shards: Sequence[Shard[Any]]
    ) -> Iterator[ShardResult]:
        """See `Executor.execute`."""
        return in_order(partial(work, session), shards)

    def close(self) -> None:
        """Nothing is held beside the session's own engine."""
