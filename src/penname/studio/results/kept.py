"""Keeps what is computed from the files of runs, until one of these files changes."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")
Stamp = tuple[tuple[str, int, int], ...]
"""The path, the time of the last change and the size of each file."""

_PASSED_OVER = ("checkpoints", "report")
"""Folders of a run whose files no result depends on."""


class Kept(Generic[Value]):
    """Values by key, each with the stamp of the files that it was made of. One value is made at a time.

    most: how many are kept; those that were used longest ago go first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._values: OrderedDict[Hashable, tuple[Stamp, Value]] = OrderedDict()

    def get(self, key: Hashable, stamp: Callable[[], Stamp], make: Callable[[], Value]) -> Value:
        """The value of a key, which is made anew if its files have changed.

        stamp: tells the stamp of its files.
        make: makes it.
        """
        with self._lock:
            now = stamp()
            before = self._values.pop(key, None)
            value = before[1] if before is not None and before[0] == now else make()
            self._values[key] = now, value
            if len(self._values) > self._most:
                self._values.popitem(last=False)
            return value

    def drop_gone(self) -> None:
        """Drop what was made of files that are no longer there."""
        with self._lock:
            for key, (stamp, _) in list(self._values.items()):
                if not all(os.path.exists(name) for name, *_ in stamp):
                    del self._values[key]


def files_of(folder: Path) -> Iterator[Path]:
    """The files of a run that results depend on, in order. A folder that cannot be read counts as empty."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER)
        yield from (Path(place, name) for name in sorted(files))


def stamp_of(paths: Iterator[Path] | Sequence[Path]) -> Stamp:
    """The stamp of files; those that are not there have no part in it."""
    found = []
    for path in paths:
        try:
            facts = path.stat()
        except OSError:
            continue
        found.append((str(path), facts.st_mtime_ns, facts.st_size))
    return tuple(found)
