"""The users' keys, in a file of their own: a forgotten user's key is overwritten there, and nothing can be read again.

Databases keep what was deleted: in pages that they rearranged, in write-ahead logs, in replicas and backups. So all
that is kept of a user is sealed (see `penname.serve.store.sealing`), and what unseals it is in this file alone.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from penname.errors import DataError, UserError
from penname.serve.store.sealing import KEY_BYTES, MARK_BYTES, UserKey

_MAGIC = b"penname user keys 1\n"
_HEADER_BYTES = KEY_BYTES  # the magic, zeros, and the secret that names are hashed with
_SECRET_BYTES = 32


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
        self._lock = Lock()
        try:
            self._handle = os.open(path, os.O_RDWR | (os.O_CREAT if new else 0), 0o600)
        except OSError as error:
            found = "no such file or folder" if isinstance(error, FileNotFoundError) else str(error.strerror).lower()
            expected = "a file that can be written" if new else "the one without which nothing of the users can be read"
            raise UserError(f"{self.name}: found {found}, expected {expected}") from None
        with self._locked():
            if not os.fstat(self._handle).st_size:
                header = _MAGIC.ljust(_HEADER_BYTES - _SECRET_BYTES, b"\0") + secrets.token_bytes(_SECRET_BYTES)
                self._write(0, header)
                _sync_folder(path.parent)
        header = self._read(0, _HEADER_BYTES)
        if not header.startswith(_MAGIC) or len(header) < _HEADER_BYTES:
            raise DataError(path, found="no keys of users", expected="the file that penname made")
        self._secret = header[-_SECRET_BYTES:]

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
        return (os.fstat(self._handle).st_size - _HEADER_BYTES) // KEY_BYTES

    def add(self) -> int:
        """Make a key, which outlives the loss of power; its slot."""
        with self._locked():
            slot = len(self)  # a slot that a crash left unfinished belongs to nobody, and is written over
            self._write(_place(slot), secrets.token_bytes(KEY_BYTES))
        return slot

    def key(self, slot: int) -> UserKey | None:
        """The key in a slot; None where its user was forgotten."""
        key = self._read(_place(slot), KEY_BYTES)
        return UserKey(key) if any(key) else None

    def destroyed(self) -> set[int]:
        """The slots of forgotten users."""
        keys = self._read(_HEADER_BYTES, len(self) * KEY_BYTES)
        nothing = bytes(KEY_BYTES)
        return {slot for slot in range(len(keys) // KEY_BYTES) if keys[slot * KEY_BYTES :][:KEY_BYTES] == nothing}

    def destroy(self, slot: int) -> None:
        """Overwrite a key where it is, so that what was sealed with it is lost, wherever it may be."""
        with self._locked():
            self._write(_place(slot), bytes(KEY_BYTES))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def _read(self, place: int, length: int) -> bytes:
        return os.pread(self._handle, length, place)

    def _write(self, place: int, content: bytes) -> None:
        os.pwrite(self._handle, content, place)
        os.fsync(self._handle)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other threads, and other processes, from writing."""
        with self._lock:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._handle, fcntl.LOCK_UN)


def _place(slot: int) -> int:
    return _HEADER_BYTES + slot * KEY_BYTES


def _sync_folder(folder: Path) -> None:
    """Make a new file's name outlive the loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
