"""SQLite: one file, whose deleted rows are overwritten."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Table, create_engine, event
from sqlalchemy.dialects.sqlite import Insert, insert

from penname.errors import UserError
from penname.file_locks import lock, try_lock
from penname.serve.store.database import KEEPING_NO_VALUES, WAIT_SECONDS, Database
from penname.serve.store.gate import Gate
from penname.serve.store.records import StoreError

CONNECTIONS = 8
"""Each keeps a cache of pages; as a query takes a millisecond, more of them would answer no sooner."""

_SECONDS_TO_END = 0.3
_SECONDS_FOR_OTHERS = 0.05
"""How long erasing waits for transactions of this process and of others, while nobody may begin one."""

_OLDEST = (3, 35)  # the first with RETURNING
_SETTINGS = (
    f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # what is acknowledged survives the loss of power, not only of the process
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",  # no user's text in temporary files
)


class Sqlite(Database):
    """A file in SQLite's WAL mode, which several threads and processes of one machine may use at once.

    Raises UserError where the file cannot be opened or made, and where it is no database.
    """

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:":
            raise UserError(f"database: found {url}, expected a file: sqlite:///FILE")
        if sqlite3.sqlite_version_info < _OLDEST:
            raise UserError(f"database: found SQLite {sqlite3.sqlite_version}, expected 3.35 or later")
        self.path = Path(url.database)
        self.default_user_keys = self.path.with_name(self.path.name + ".user-keys")
        self.name = f"database {self.path}"
        self._gate = Gate()
        self._writer = Lock()
        self._naming = Lock()
        self._process: tuple[str, int] | None = None
        self._make_file()
        self.engine = create_engine(
            url, **KEEPING_NO_VALUES, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=WAIT_SECONDS
        )
        event.listen(self.engine, "connect", _prepare)
        event.listen(self.engine, "begin", _begin)

    def _make_file(self) -> None:
        """Make the file, if it is not there, readable by its owner alone, as those are that SQLite puts beside it."""
        expected = "expected a file that can be written"
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            # It is not opened to see whether it can be: closing it would take from this process the locks by which
            # others know that it uses the file, and what it writes then would be lost.
            if not self.path.is_file():
                raise UserError(f"{self.name}: found no file, {expected}") from None
            if not os.access(self.path, os.R_OK | os.W_OK):
                raise UserError(f"{self.name}: found permission denied, {expected}") from None
        except OSError as error:
            found = "no such folder" if isinstance(error, FileNotFoundError) else (error.strerror or str(error)).lower()
            raise UserError(f"{self.name}: found {found}, {expected}") from None

    def insert(self, table: Table) -> Insert:
        """See `Database.insert`."""
        return insert(table)

    @contextmanager
    def begin(self, write: bool) -> Iterator[Connection]:
        """See `Database.begin`."""
        # SQLite has one writer at a time, and lets the others try now and then: here they wait in turn.
        turn = self._writer if write else nullcontext()
        engine = self.engine.execution_options(penname_write=write)
        with turn, self._gate.passing(), engine.begin() as connection:
            yield connection

    def stand_before(self, connection: Connection, wall: dict[str, str]) -> None:
        """SQLite has no wall: each statement names its tenant."""

    def check(self) -> None:
        """See `Database.check`; a file that was deleted could be written to until the process ends, and no longer."""
        if not self.path.exists():
            raise StoreError(f"{self.name}: found no such file")
        super().check()

    def migrating(self) -> AbstractContextManager[Connection]:
        """See `Database.migrating`."""
        return self.begin(write=True)

    def process(self) -> str:
        """See `Database.process`: the lock is one on a file beside the database's, which the system takes back."""
        with self._naming:
            if self._process is None:
                name = secrets.token_hex(8)
                handle = os.open(self._lock_file(name), os.O_RDWR | os.O_CREAT, 0o600)
                lock(handle)
                self._process = name, handle
            return self._process[0]

    def is_running(self, process: str) -> bool:
        """See `Database.is_running`."""
        try:
            handle = os.open(self._lock_file(process), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            has_ended = try_lock(handle)
        finally:
            os.close(handle)
        if has_ended:
            self._lock_file(process).unlink(missing_ok=True)
        return not has_ended

    def _lock_file(self, process: str) -> Path:
        return self.path.with_name(f"{self.path.name}.process-{process}")

    def close(self) -> None:
        """See `Database.close`."""
        self.engine.dispose()
        process, self._process = self._process, None
        if process:
            name, handle = process
            self._lock_file(name).unlink(missing_ok=True)
            os.close(handle)

    def erase(self) -> bool:
        """Bring all changes into the file and empty its WAL, which has the rows as they were until then.

        It is done unless someone still reads an older state of the file. This process's transactions are kept from
        beginning until then, or else no moment might come in which none of them reads.
        """
        with self._gate.alone(_SECONDS_TO_END) as alone:
            if not alone:
                return False
            self.engine.dispose()  # each connection keeps the pages that it has read in memory
            return self._empty_wal()

    def _empty_wal(self) -> bool:
        try:
            with closing(sqlite3.connect(self.path, timeout=_SECONDS_FOR_OTHERS, isolation_level=None)) as connection:
                busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error:
            return False
        return not busy


def _prepare(connection: Any, _: Any) -> None:
    # Python's module would begin transactions on its own, and none for a query.
    connection.isolation_level = None
    for setting in _SETTINGS:
        connection.execute(setting)


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes then fails where another one has written in between.
    write = connection.get_execution_options()["penname_write"]
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
