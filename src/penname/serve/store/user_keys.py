"""The users' keys, in a file of their own: a forgotten user's key is overwritten there, and nothing can be read again.

Databases keep what was deleted: in pages that they rearranged, in write-ahead logs, in replicas and backups. So all
that is kept of a user is sealed (see `penname.serve.store.sealing`), and what unseals it is in this file alone.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from penname.errors import DataError, UserError
from penname.file_locks import lock, unlock
from penname.serve.store.records import StoreError
from penname.serve.store.sealing import KEY_BYTES, MARK_BYTES, UserKey

_CHECK_BYTES = 16
SLOT_BYTES = KEY_BYTES + _CHECK_BYTES
"""A key, and a hash of it that tells whether it is as it was written. The header is as long."""

_MAGIC = b"penname user keys 1\n"
_SECRET_BYTES = 32
_BINARY: int = getattr(os, "O_BINARY", 0)
"""Windows would change line ends else."""

_FORGOTTEN = b"forgotten".ljust(SLOT_BYTES, b"\0")
"""What a slot has once its user was forgotten: not zeros alone, as files have where they are damaged."""


class UserKeys:
    """A file of users' keys, which several threads and processes may use at once.

    Behind its header each user has a slot, which is never given to another one.

    path: the file.
    new: whether it may be made; else it must be there.

    Raises UserError where it cannot be opened or made, and DataError where it is no file of keys.
    """

    def __init__(self, path: Path, *, new: bool) -> None:
        self.path = path
        self.name = f"user keys {path}"
        self._lock, self._seeking = Lock(), Lock()
        try:
            self._handle = os.open(path, os.O_RDWR | (os.O_CREAT if new else 0) | _BINARY, 0o600)
        except OSError as error:
            found = "no such file or folder" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
            expected = "a file that can be written" if new else "the one without which nothing of the users can be read"
            raise UserError(f"{self.name}: found {found}, expected {expected}") from None
        if new:
            self._begin()
        header = self._read(0, SLOT_BYTES)
        if not header.startswith(_MAGIC) or len(header) < SLOT_BYTES:
            raise DataError(path, found="no keys of users", expected="the file that penname made")
        self._secret = header[-_SECRET_BYTES:]

    def _begin(self) -> None:
        """Write the header, unless another process has."""
        with self._locked():
            if not os.fstat(self._handle).st_size:
                header = _MAGIC.ljust(SLOT_BYTES - _SECRET_BYTES, b"\0") + secrets.token_bytes(_SECRET_BYTES)
                self._write(0, header)
                _sync_folder(self.path.parent)

    def mark(self, tenant: str, user: str) -> str:
        """What stands for a user's id in the database."""
        return self._hash("user", tenant, user)

    def fingerprint(self, tenant: str) -> str:
        """What a tenant's row in the database has of this file, so that another one is not taken for it."""
        return self._hash("tenant", tenant)

    def _hash(self, *names: str) -> str:
        return hmac.digest(self._secret, "\0".join(names).encode(), "sha256")[:MARK_BYTES].hex()

    def __len__(self) -> int:
        """The number of slots, those of forgotten users too."""
        return max(0, os.fstat(self._handle).st_size - SLOT_BYTES) // SLOT_BYTES

    def add(self) -> int:
        """Make a key, which outlives the loss of power; its slot. Raises StoreError as `check` does."""
        with self._locked():
            slot = len(self)  # a slot that a crash left unfinished belongs to nobody, and is written over
            key = secrets.token_bytes(KEY_BYTES)
            self._write(_place(slot), key + self._check_of(slot, key))
        return slot

    def key(self, slot: int) -> UserKey | None:
        """The key in a slot; None where its user was forgotten. Raises StoreError for a slot that is damaged."""
        found = self._read(_place(slot), SLOT_BYTES)
        if found == _FORGOTTEN:
            return None
        if not self._is_whole(slot, found):
            raise StoreError(f"{self.name}: found damage at slot {slot}, expected a key")
        return UserKey(found[:KEY_BYTES])

    def is_forgotten(self, slot: int) -> bool:
        """Whether the user was forgotten, by whatever process has the same file; it is known without waiting."""
        return self._read(_place(slot), SLOT_BYTES) == _FORGOTTEN

    def states(self) -> tuple[set[int], set[int]]:
        """The slots of forgotten users, and those that are damaged."""
        content = self._read(SLOT_BYTES, len(self) * SLOT_BYTES)
        slots = [content[place : place + SLOT_BYTES] for place in range(0, len(content), SLOT_BYTES)]
        forgotten = {slot for slot, found in enumerate(slots) if found == _FORGOTTEN}
        whole = {slot for slot, found in enumerate(slots) if self._is_whole(slot, found)}
        return forgotten, set(range(len(slots))) - forgotten - whole

    def destroy(self, slot: int) -> None:
        """Overwrite a key where it is, so that what was sealed with it is lost, wherever it may be.

        Raises StoreError as `check` does.
        """
        with self._locked():
            self._write(_place(slot), _FORGOTTEN)

    def check(self) -> None:
        """Raise StoreError where the file is not there any more, or is another one: what is written would be lost."""
        try:
            found = os.stat(self.path)
        except OSError:
            raise StoreError(f"{self.name}: found no such file any more, expected it to stay") from None
        if not os.path.samestat(found, os.fstat(self._handle)):
            raise StoreError(f"{self.name}: found another file than at the start; stop the server to replace it")

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def _check_of(self, slot: int, key: bytes) -> bytes:
        return hmac.digest(self._secret, b"slot %d " % slot + key, "sha256")[:_CHECK_BYTES]

    def _is_whole(self, slot: int, found: bytes) -> bool:
        return hmac.compare_digest(found[KEY_BYTES:], self._check_of(slot, found[:KEY_BYTES]))

    def _read(self, place: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._handle, length, place)
        with self._seeking:  # Windows
            os.lseek(self._handle, place, os.SEEK_SET)
            return os.read(self._handle, length)

    def _write(self, place: int, content: bytes) -> None:
        try:
            written = self._write_at(place, content)
            os.fsync(self._handle)
        except OSError as error:
            raise StoreError(f"{self.name}: {(error.strerror or str(error)).lower()}") from None
        if written < len(content):
            raise StoreError(f"{self.name}: found no room for a key")

    def _write_at(self, place: int, content: bytes) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._handle, content, place)
        with self._seeking:
            os.lseek(self._handle, place, os.SEEK_SET)
            return os.write(self._handle, content)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads, and other processes, from writing. Raises StoreError as `check` does."""
        with self._lock:
            lock(self._handle)
            try:
                self.check()
                yield
            finally:
                unlock(self._handle)


def _place(slot: int) -> int:
    return (1 + slot) * SLOT_BYTES


def _sync_folder(folder: Path) -> None:
    """Make a new file's name outlive the loss of power, as far as the system can."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
