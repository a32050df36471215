"""Tombstones: that a user was forgotten, without saying who, so that a backup's copy of that user is deleted again.

A tombstone is a hash of the user's id, keyed with a random secret of the tenant's, and a time. It is kept in the
database, and in a file that no backup of the database puts back.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, select

from penname.errors import DataError
from penname.serve.store.tables import tombstones

_HEADING = b"# Users of penname who were forgotten: keep this file where it is when you restore a backup.\n"
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([0-9a-f]{64})")


def mark(tombstone_key: str, user: str) -> str:
    """What stands for a user on a tombstone. tombstone_key: the tenant's, in hex."""
    return hmac.digest(bytes.fromhex(tombstone_key), user.encode(), "sha256").hex()


def time_of(connection: Connection, tenant: str, mark: str) -> str | None:
    """When a user was last forgotten; None for never."""
    return connection.scalar(select(tombstones.c.time).where(tombstones.c.tenant == tenant, tombstones.c.mark == mark))


class TombstoneFile:
    """A file of tombstones, which is only appended to, by one process at a time.

    path: the file.

    Raises DataError where it cannot be opened or made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._locked() as file:
            if not file.read(1):
                self._write(file, _HEADING)
        _sync_folder(path.parent)

    def append(self, mark: str, time: str) -> None:
        """Add a tombstone, so that it outlives the loss of power."""
        with self._locked() as file:
            self._write(file, f"{time} {mark}\n".encode())

    def read(self) -> dict[str, str]:
        """When each mark's user was last forgotten.

        Raises DataError for a line that is no tombstone; a last one without an end was never acknowledged and is cut.
        """
        times: dict[str, str] = {}
        with self._locked() as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
        for number, line in enumerate(content[:whole].decode(errors="replace").splitlines(), 1):
            found = _LINE.fullmatch(line)
            if found:
                times[found[2]] = max(found[1], times.get(found[2], ""))
            elif not line.startswith("#"):
                raise DataError(self.path, line=number, found="no tombstone", expected="a time and 64 hex digits")
        return times

    def _write(self, file: BinaryIO, line: bytes) -> None:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise DataError(
                self.path, found=(error.strerror or str(error)).lower(), expected="a file that can be written"
            ) from None
        with os.fdopen(handle, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file


def _sync_folder(folder: Path) -> None:
    """Make a new file's name outlive the loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
