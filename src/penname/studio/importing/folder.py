"""A private folder for files while they are read: its owner's alone, and gone with this process at the latest."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import BinaryIO

from penname.serve.errors import ApiError

PREFIX = "penname-import-"
_LOCK = "lock"
_MOST_PARTS, _MOST_BYTES = 12, 150
"""Folders that a file may be in, and bytes of the name of each, of which the last ones are kept."""

_SECONDS_TO_LOCK = 60
"""A folder without a lock that is older was left by a process that was killed before it had one."""


class UploadFolder:
    """A folder that is deleted by `close`, or else when this process ends.

    size: bytes of the files in it.
    count: number of files in it.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)  # readable by its owner alone
        self._lock = os.open(Path(self._folder.name) / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._files = Path(self._folder.name) / "files"
        self._files.mkdir()
        self._closed = False
        self.size = self.count = 0

    def add(self, name: str, content: BinaryIO) -> None:
        """Put a file into the folder. Raises ApiError for a name that cannot be a file's, or is there already."""
        path = self._files / _below(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                shutil.copyfileobj(content, file)
        except (FileExistsError, NotADirectoryError):
            raise ApiError(400, "found two files of one name, expected other names", "invalid_value", "file") from None
        except OSError as error:
            problem = f"found no room for the file ({(error.strerror or 'it cannot be written').lower()})"
            raise ApiError(507, problem, "no_room", "file") from None
        finally:
            if self._closed:  # meanwhile: what was made since goes too
                shutil.rmtree(self._folder.name, ignore_errors=True)
        if self._closed:
            raise ApiError(409, "the import was cancelled", "conflict")
        self.size += path.stat().st_size
        self.count += 1

    def place(self) -> tuple[Path, str | None]:
        """What is to be read: a single file, or else a folder; and the name of the folder that all files came in."""
        name, path = None, self._files
        inside = list(path.iterdir())
        if len(inside) == 1 and inside[0].is_dir():
            name, path = inside[0].name, inside[0]
            inside = list(path.iterdir())
        alone = name is None and len(inside) == 1
        return (inside[0] if alone else path), name

    def shortened(self, line: str) -> str:
        """A line that names files, without where the folder is."""
        place, _ = self.place() if not self._closed else (self._files, None)
        folder = place if place.is_dir() else place.parent
        return line.replace(f"{folder}/", "").replace(str(folder), "the files").replace(str(self._files), "the files")

    def close(self) -> None:
        """Delete the folder; once that is done, nothing more."""
        if not self._closed:
            self._closed = True
            self._folder.cleanup()
            os.close(self._lock)


def remove_leftovers() -> None:
    """Delete folders of processes that were killed: those whose lock nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_left(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    with suppress(OSError):
        if folder.stat().st_uid != os.getuid():
            return False
        try:
            handle = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return time.time() - folder.stat().st_mtime > _SECONDS_TO_LOCK
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        finally:
            os.close(handle)
    return False


def _below(sent: str) -> Path:
    """A path below a folder, from the one that a browser names, which may be of another system."""
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
