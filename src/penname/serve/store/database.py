"""What SQLite and PostgreSQL have in common: transactions that name their tenant, and errors without users' texts."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from penname.errors import UserError
from penname.serve.store.records import StoreError

WAIT_SECONDS = 30
"""How long a request waits for a free connection, or for another program that writes."""

KEEPING_NO_VALUES: Mapping[str, Any] = {"hide_parameters": True, "query_cache_size": 0}
"""Settings of engines: no value of a row in errors, nor in memory, where compiled statements would keep their first."""


class Database(ABC):
    """A database of one kind.

    name: its address without a password, for error messages.
    engine: its connections.
    default_user_keys: the file of users' keys where none is named; None where one must be.
    on_seconds: called with the seconds that each transaction took.
    """

    name: str
    engine: Engine
    default_user_keys: Path | None
    on_seconds: Callable[[float], None] = staticmethod(lambda seconds: None)

    def reading(self, tenant: str) -> AbstractContextManager[Connection]:
        """A transaction that reads the rows of a tenant, all as of one moment."""
        return self._transaction(write=False, tenant=tenant)

    def writing(self, tenant: str) -> AbstractContextManager[Connection]:
        """A transaction that changes rows of a tenant: all of its changes last, or none does."""
        return self._transaction(write=True, tenant=tenant)

    def finding(self, sha256: str) -> AbstractContextManager[Connection]:
        """A transaction that reads the key with this hash, whosever it is."""
        return self._transaction(write=False, sha256=sha256)

    def listing(self) -> AbstractContextManager[Connection]:
        """A transaction that reads the names of tenants."""
        return self._transaction(write=False, upkeep="on")

    @contextmanager
    def _transaction(self, *, write: bool, **wall: str) -> Iterator[Connection]:
        started = time.perf_counter()
        try:
            with self.failing_as(StoreError), self.begin(write) as connection:
                self.stand_before(connection, wall)
                yield connection
        finally:
            self.on_seconds(time.perf_counter() - started)

    def check(self) -> None:
        """Raise StoreError where the database does not answer."""
        with self.listing() as connection:
            connection.execute(select(1))

    @contextmanager
    def failing_as(self, kind: type[UserError]) -> Iterator[None]:
        """Make the errors of the database errors of `kind`: one line each, without the values of any row."""
        try:
            yield
        except SQLAlchemyError as error:
            raise kind(f"{self.name}: {self.reason(error)}") from None

    def reason(self, error: SQLAlchemyError) -> str:
        """Why the database failed; its own words only where they cannot hold a user's."""
        if isinstance(error, OperationalError) or (isinstance(error, DBAPIError) and not error.params):
            return str(error.orig).strip().split("\n")[0] or "it cannot be reached"
        if isinstance(error, DBAPIError):
            return f"it refused a statement ({type(error.orig).__name__})"
        return f"it did not answer within {WAIT_SECONDS} s ({type(error).__name__})"

    @abstractmethod
    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that can say what becomes of a row that is there already."""

    @abstractmethod
    def begin(self, write: bool) -> AbstractContextManager[Connection]:
        """A connection in a transaction, which ends with the context."""

    @abstractmethod
    def stand_before(self, connection: Connection, wall: dict[str, str]) -> None:
        """Tell the database for whom a transaction is. wall: the settings that its policies compare with."""

    @abstractmethod
    def migrating(self) -> AbstractContextManager[Connection]:
        """A transaction in which no other process migrates."""

    @abstractmethod
    def process(self) -> str:
        """What this process is called while the store is open: it holds a lock of that name, which ends with it."""

    @abstractmethod
    def is_running(self, process: str) -> bool:
        """Whether the process that is called so, this one or another, still has its store open."""

    @abstractmethod
    def close(self) -> None:
        """Give back the connections and the lock of this process."""

    @abstractmethod
    def erase(self) -> bool:
        """Overwrite what was deleted, as far as the database can; whether that is done, or else to be tried again."""


def selected(row: Any) -> dict[str, Any]:
    """A row's values by the names of their columns."""
    return dict(row._mapping)
