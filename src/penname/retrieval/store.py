"""Vectors of texts and rankings on disk, so that each text is embedded once: across profiles, killed runs and recipes.

One SQLite file an encoder, and one for BM25, in the folder `retrieval` of the cache: $PENNAME_CACHE, or else the
user's. What is kept is found by the SHA-256 of its text, or of a ranking's query and texts, and stands there with a
checksum. What was written is there after a kill.
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

AT_ONCE = 500
"""Entries asked for at once; SQLite allows 999 in its older versions."""
PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""
MODEL_FILES = (".safetensors", ".bin", ".json", ".txt", ".model")

Kind = Literal["vectors", "rankings"]
Found = TypeVar("Found")


class Store:
    """What is kept of one way to rank. Raises UserError where the cache cannot be read or written.

    identity: names it and all that changes its rankings; of an encoder see `fingerprint`.
    A damaged file is named in a warning, removed, and made again; a damaged entry is as if it were not there.
    """

    def __init__(self, identity: str) -> None:
        cache = Path(os.environ.get("PENNAME_CACHE") or platformdirs.user_cache_dir("penname"))
        self._path = cache / "retrieval" / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.sqlite"

    def read(self, kind: Kind, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The entries that are there, by their keys."""
        return self._with_file(lambda file: self._read(file, kind, list(keys)))

    def write(self, kind: Kind, entries: Mapping[bytes, bytes]) -> None:
        """Keep entries by their keys."""
        rows = [(key, entry, zlib.crc32(entry)) for key, entry in entries.items()]
        self._with_file(lambda file: file.executemany(f"INSERT OR REPLACE INTO {kind} VALUES (?, ?, ?)", rows))

    def _read(self, file: sqlite3.Connection, kind: Kind, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        damaged = 0
        for start in range(0, len(keys), AT_ONCE):
            part = keys[start : start + AT_ONCE]
            asked = f"SELECT * FROM {kind} WHERE key IN ({','.join('?' * len(part))})"
            for key, entry, checksum in file.execute(asked, part):
                if zlib.crc32(entry) == checksum:
                    found[key] = entry
                else:
                    damaged += 1
        if damaged:
            logger.warning("%s: %d %s damaged; made again", self._path, damaged, kind)
        return found

    def _with_file(self, work: Callable[[sqlite3.Connection], Found]) -> Found:
        try:
            try:
                return self._opened(work)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                logger.warning("%s: damaged (%s); made again", self._path, error)
                self._path.unlink(missing_ok=True)
                return self._opened(work)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"cache file {self._path}: {reason}; set PENNAME_CACHE to a folder to write to") from None

    def _opened(self, work: Callable[[sqlite3.Connection], Found]) -> Found:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(self._path, timeout=PATIENCE)
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
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def key_of_search(query: str, texts: Sequence[str]) -> bytes:
    """Of a ranking: the query's key and those of the texts, in their order."""
    return hashlib.sha256(b"".join(map(key_of, (query, *texts)))).digest()


def fingerprint(folder: Path) -> str:
    """A digest of the files that make up a model."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in MODEL_FILES:
            digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
