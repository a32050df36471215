"""The runs in a folder: those that are in it, and those of its sweeps, a folder deeper."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

RECIPE = "recipe.yaml"
_TIMED = (RECIPE, "log.txt", "timing.jsonl")
"""Files that change while a run goes on."""


@dataclass(frozen=True)
class Run:
    """A run's folder. name: its path below the folder of runs."""

    name: str
    folder: Path

    @property
    def changed(self) -> float:
        """When it was last worked on, in seconds; 0 where nothing tells."""
        times = []
        for name in _TIMED:
            try:
                times.append((self.folder / name).stat().st_mtime)
            except OSError:
                continue
        return max(times, default=0.0)


def find_runs(folder: Path) -> list[Run]:
    """The runs in a folder, and those in its folders that are no runs themselves, such as a sweep.

    folder: the folder of runs; where it is not there, there are none.
    """
    found = []
    for path in _folders(folder):
        points = [] if _is_run(path) else [inner for inner in _folders(path) if _is_run(inner)]
        found += [Run(f"{path.name}/{inner.name}", inner) for inner in points] or [Run(path.name, path)]
    return found


def find_run(folder: Path, name: str) -> Run | None:
    """The run with this name, if there is one. Names from outside lead nowhere else."""
    parts = name.split("/")
    if len(parts) > 2 or any(part.startswith(".") or not part or "\0" in part for part in parts):
        return None
    try:
        return Run(name, folder / name) if (folder / name).is_dir() else None
    except (OSError, ValueError):  # a name that no file can have
        return None


def _is_run(folder: Path) -> bool:
    try:
        return (folder / RECIPE).is_file()
    except OSError:
        return False


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, without hidden ones; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []
    return [folder / name for name in names]
