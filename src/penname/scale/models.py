"""Models on their way to workers: told apart by their content, sent once to each machine, and kept there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

CHUNK = 64 * 2**20
"""Number of bytes that are sent at once."""

IGNORED = ("README.md",)
"""Files of a model's folder that no engine reads."""


class ModelMissing(Exception):
    """A worker needs a model that its machine does not have.

    name: the model's name on the driver.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def model_files(folder: Path) -> list[str]:
    """The names of a model's files, relative to its folder."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(name) for name in found if name.name not in IGNORED)


def content_hash(folder: Path) -> str:
    """A hash of the names and contents of a model's files."""
    digest = hashlib.sha256()
    for name in model_files(folder):
        digest.update(f"{name}\n{(folder / name).stat().st_size}\n".encode())
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def read_chunks(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The contents of a model's files, in chunks: a file's name, and bytes that follow those sent of it before."""
    for name in model_files(folder):
        with (folder / name).open("rb") as file:
            chunk = file.read(CHUNK)
            yield name, chunk
            while chunk := file.read(CHUNK):
                yield name, chunk


ABANDONED_AFTER = 86_400
"""Seconds without a change after which nobody goes on receiving a model."""


class ModelCache:
    """The models that a machine has received, in penname's cache folder.

    Another process may receive the same model at the same time: each writes to a folder of its own until all is there.
    """

    def __init__(self) -> None:
        cache = Path(os.environ.get("PENNAME_CACHE") or platformdirs.user_cache_dir("penname"))
        self._folder = cache / "received"
        self._name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"  # machines may share the disk
        self._hashes: dict[Path, str] = {}
        for abandoned in self._folder.glob("*.partial"):  # by a worker that was killed
            if time.time() - abandoned.stat().st_mtime > ABANDONED_AFTER:
                shutil.rmtree(abandoned, ignore_errors=True)

    def find(self, model_hash: str, original: Path) -> Path | None:
        """The folder of a model on this machine; None where it is not there.

        model_hash: its `content_hash`.
        original: its folder on the driver, which may be on a disk that is shared with this machine.
        """
        received = self._folder / model_hash
        if received.is_dir():
            return received
        if original not in self._hashes:
            if not original.is_dir():
                return None
            self._hashes[original] = content_hash(original)
        return original if self._hashes[original] == model_hash else None

    def write(self, model_hash: str, name: str, chunk: bytes) -> None:
        """Append to a file of a model that is being received."""
        path = self._unfinished(model_hash) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(chunk)

    def finish(self, model_hash: str) -> str:
        """Keep a model that was received; returns its hash, which differs from `model_hash` where it was damaged."""
        unfinished = self._unfinished(model_hash)
        found = content_hash(unfinished)
        if found == model_hash:
            with contextlib.suppress(OSError):  # another worker was faster
                unfinished.rename(self._folder / model_hash)
        shutil.rmtree(unfinished, ignore_errors=True)
        return found

    def _unfinished(self, model_hash: str) -> Path:
        return self._folder / f"{model_hash}.{self._name}.partial"


@dataclass(frozen=True)
class DriversModel:
    """A model that the driver has.

    folder: its folder on the driver.
    model_hash: its `content_hash`.
    """

    folder: Path
    model_hash: str


class LocatedModels:
    """Finds models by their name on the driver.

    cache: this machine's models.
    """

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache
        self.known: Mapping[str, DriversModel | None] = {}
        """What the driver has said of models, by name: None is one that each machine loads itself, such as a hub id."""

    def locate(self, name: str) -> str:
        """The folder, or hub id, of a model. Raises ModelMissing where this machine does not have it."""
        if name not in self.known:
            raise ModelMissing(name)
        model = self.known[name]
        if model is None:
            return name
        folder = self._cache.find(model.model_hash, model.folder)
        if folder is None:
            raise ModelMissing(name)
        return str(folder)
