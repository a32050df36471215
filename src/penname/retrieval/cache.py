"""The on-disk cache of embeddings and rankings, so that each text is embedded once across profiles, runs and recipes.

There is one SQLite file for each encoder and one for BM25, in the folder `retrieval` of $PENNAME_CACHE or else of the
user's cache folder. An embedding's key is the SHA-256 of its text, a ranking's that of its query and texts; each entry
has a checksum. What has been written survives a killed process.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

import platformdirs

from penname.errors import UserError

logger = logging.getLogger(__name__)

KEYS_PER_SELECT = 500
"""Number of keys in one SELECT; older versions of SQLite allow 999."""
LOCK_TIMEOUT_S = 60.0
"""Seconds to wait while another process writes."""
MODEL_FILES = (".safetensors", ".bin", ".json", ".txt", ".model")

Kind = Literal["vectors", "rankings"]
Result = TypeVar("Result")


class NoCache:
    """In the place of a cache where nothing of the texts may stay."""

    def read(self, kind: Kind, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """No entries."""
        return {}

    def write(self, kind: Kind, entries: Mapping[bytes, bytes]) -> None:
        """Store nothing."""


class Cache:
    """The cache of one ranker.

    identity: names the ranker and everything that its results depend on; for an encoder's files see `fingerprint`.

    A damaged file gives a warning and is replaced; a damaged entry counts as missing.
    """

    def __init__(self, identity: str) -> None:
        cache = Path(os.environ.get("PENNAME_CACHE") or platformdirs.user_cache_dir("penname"))
        self._path = cache / "retrieval" / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.sqlite"

    def read(self, kind: Kind, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The entries that exist, by key. Raises UserError where the cache cannot be read."""
        return self._with_file(lambda file: self._read(file, kind, list(keys)))

    def write(self, kind: Kind, entries: Mapping[bytes, bytes]) -> None:
        """Store entries by key, replacing existing ones. Raises UserError where the cache cannot be written."""
        rows = [(key, entry, zlib.crc32(entry)) for key, entry in entries.items()]
        self._with_file(lambda file: file.executemany(f"INSERT OR REPLACE INTO {kind} VALUES (?, ?, ?)", rows))

    def _read(self, file: sqlite3.Connection, kind: Kind, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        entries: dict[bytes, bytes] = {}
        damaged = 0
        for start in range(0, len(keys), KEYS_PER_SELECT):
            batch = keys[start : start + KEYS_PER_SELECT]
            query = f"SELECT * FROM {kind} WHERE key IN ({','.join('?' * len(batch))})"
            for key, entry, checksum in file.execute(query, batch):
                if zlib.crc32(entry) == checksum:
                    entries[key] = entry
                else:
                    damaged += 1
        if damaged:
            logger.warning("%s: %d damaged %s are recomputed", self._path, damaged, kind)
        return entries

    def _with_file(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            try:
                return self._opened(work)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                logger.warning("%s: damaged (%s), and created again", self._path, error)
                self._path.unlink(missing_ok=True)
                return self._opened(work)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"cache file {self._path}: {reason}; set PENNAME_CACHE to a folder that can be written to"
            ) from None

    def _opened(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_S)
        try:
            with file:
                for kind in get_args(Kind):
                    file.execute(
                        f"CREATE TABLE IF NOT EXISTS {kind} (key BLOB PRIMARY KEY, entry BLOB, checksum INTEGER)"
                    )
                return work(file)
        finally:
            file.close()


def key_of(text: str) -> bytes:
    """The key of a text: its SHA-256."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def key_of_ranking(query: str, texts: Sequence[str]) -> bytes:
    """The key of a ranking: a digest of the query's key and the texts' keys, in order."""
    return hashlib.sha256(b"".join(map(key_of, (query, *texts)))).digest()


def fingerprint(folder: Path) -> str:
    """A digest of the files that make up a model: names, sizes and contents."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in MODEL_FILES:
            digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
