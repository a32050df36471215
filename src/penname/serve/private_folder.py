"""Private folders for files while they are read: their owner's alone, and gone once they are read.

Those of a process that is killed are gone once a server starts.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from penname.file_locks import lock, try_lock
from penname.serve.errors import ApiError

PREFIX = "penname-files-"
_LOCK = "lock"
_MOST_PARTS, _MOST_BYTES = 12, 150
"""Folders that a file may be in, and bytes of the name of each, of which the last ones are kept."""

_SECONDS_TO_LOCK = 1
"""A younger folder may be one that its process has not locked yet."""


class PrivateFolder:
    """A folder, readable by its owner alone, that is deleted by `close`, or else when this process ends.

    outer: the folder itself.
    path: the folder in it where files are put.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", ignore_cleanup_errors=True)
        self.outer = Path(self._folder.name)
        self._lock = os.open(self.outer / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        lock(self._lock)
        self.path = self.outer / "files"
        self.path.mkdir()
        self.closed = False

    def close(self) -> None:
        """Delete the folder; once that is done, nothing more."""
        if not self.closed:
            self.closed = True
            self._folder.cleanup()
            os.close(self._lock)


def remove_leftovers() -> None:
    """Delete folders of processes that were killed: those whose lock nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_left(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    with suppress(OSError):
        about = folder.stat()
        if about.st_uid != _own_id() or time.time() - about.st_mtime < _SECONDS_TO_LOCK:
            return False
        try:
            handle = os.open(folder / _LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return True
        try:
            return try_lock(handle)
        finally:
            os.close(handle)
    return False


def _own_id() -> int:
    """Who this process belongs to, as files tell it; 0 for everybody on Windows."""
    return os.getuid() if hasattr(os, "getuid") else 0


def path_named(sent: str) -> Path:
    """A path below a folder, from the one that a client names, which may be of another system.

    Raises ApiError for one that cannot be a file's.
    """
    parts = list(_parts(sent))[-_MOST_PARTS:]
    if not parts:
        problem = "found a file without a name, expected one, as its end tells the kind"
        raise ApiError(400, problem, "invalid_value", "file")
    return Path(*parts)


def _parts(sent: str) -> Iterator[str]:
    for part in PurePosixPath(sent.replace("\\", "/").replace("\0", "")).parts:
        kept = part.encode("utf-8", "replace")[-_MOST_BYTES:].decode("utf-8", "ignore")
        if kept.strip("/.") or len(kept) > 2:
            yield kept
