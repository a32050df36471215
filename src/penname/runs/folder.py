"""The run folder: files that are whole or absent, stages that are done or not, one process at a time.

A stage is a function from files to files. Its folder holds what it wrote; `stage.json` is written last and means
the stage is whole. Within a long stage the unit is a shard: a Parquet file that stands under its final name only
once whole, with a checksum in its metadata. A killed run repeats at most the shard it was at. Resuming in the middle
of a training is done by its checkpoints, in `penname.training.fine_tuning`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import math
import os
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, overload

import pyarrow as pa
import pyarrow.parquet as pq

from penname.errors import UserError
from penname.runs.tracking import Nowhere, Tracker

Record = dict[str, Any]


class Progress(Protocol):
    """Where a stage says how far it is: see `penname.runs.progress`."""

    def start(self, stage: str, total: int, unit: str, completions: int = 1) -> None: ...
    def wrote(self, tokens: int, completions: int) -> None: ...
    def advance(self, count: int, tokens: int = 0, note: str = "") -> None: ...
    def finish(self, note: str = "") -> None: ...
    def say(self, line: str) -> None: ...


class Records(Sequence[Record]):
    """The records of shards, in order, read from disk a shard at a time: there may be more than memory holds."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._ends = [*accumulate(map(_count_records, paths))]

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Record]:
        for path in self._paths:
            yield from read_records(path)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...
    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        wanted = range(len(self))[place]
        if isinstance(wanted, int):
            return self[wanted : wanted + 1][0]
        if not wanted:
            return []
        first, last = bisect_right(self._ends, min(wanted)), bisect_right(self._ends, max(wanted))
        start = self._ends[first - 1] if first else 0
        read = [record for path in self._paths[first : last + 1] for record in read_records(path)]
        return [read[i - start] for i in wanted]


class RunFolder:
    """A run folder, opened by one process; `lock` refuses a second one."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress
        self.tracker: Tracker = Nowhere()

    def path(self, stage: str) -> Path:
        return self.folder / stage

    def done(self, stage: str) -> bool:
        return (self.path(stage) / "stage.json").is_file()

    def facts(self, stage: str) -> Record:
        """What the finished stage recorded about itself."""
        recorded = read_json(self.path(stage) / "stage.json")
        return {key: value for key, value in recorded.items() if key != "files"}

    def stage(self, name: str, work: Callable[[Path], Record]) -> Record:
        """Do `work(folder)` unless the stage is done and its files are whole; return the facts it recorded."""
        folder = self.path(name)
        problem = stage_problem(folder) if self.done(name) else None
        if problem is not None:
            self.progress.say(f"{problem}; made again")
            (folder / "stage.json").unlink()
        if not self.done(name):
            folder.mkdir(parents=True, exist_ok=True)
            facts = work(folder)
            sizes = {str(path.relative_to(folder)): path.stat().st_size for path in _results(folder)}
            write_text(folder / "stage.json", json.dumps(facts | {"files": sizes}, indent=2) + "\n")
            self.tracker.log({f"{name}/{key}": value for key, value in facts.items() if _is_number(value)}, 0)
        return self.facts(name)

    def shards(
        self,
        name: str,
        items: Sequence[Any],
        size: int,
        work: Callable[[Sequence[Any]], list[Record]],
        unit: str = "examples",
        completions: int = 1,
    ) -> Records:
        """Apply `work` to `items` in shards of `size`; return all records, those of earlier processes included.

        unit, completions: for showing progress, what an item is and how many completions are written for it.
        A shard that cannot be read is named, set aside as `*.damaged` and made again; the others stay.
        """
        folder = self.path(name)
        folder.mkdir(parents=True, exist_ok=True)
        starts = range(0, len(items), size)
        paths = [folder / f"{number:05d}.parquet" for number in range(len(starts))]
        whole = [self._is_whole(path) for path in paths]
        missing = sum(min(size, len(items) - start) for start, done in zip(starts, whole, strict=True) if not done)
        self.progress.start(name, missing, unit, completions)
        for start, path, done in zip(starts, paths, whole, strict=True):
            if not done:
                part = items[start : start + size]
                write_records(path, work(part))
                self.progress.advance(len(part))
        self.progress.finish("" if missing == len(items) else f"{len(items) - missing} done before")
        return Records(paths)

    def _is_whole(self, path: Path) -> bool:
        if not path.exists():
            return False
        try:
            read_records(path)
        except UserError as error:
            aside = path.with_suffix(".damaged")
            path.rename(aside)
            self.progress.say(f"{error}; set aside as {aside.name} and made again")
            return False
        return True

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run folder. Raises UserError where another process holds it, or it cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = (self.folder / "lock").open("a+")
        except OSError as error:
            raise UserError(f"run folder {self.folder}: {error.strerror}") from None
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                handle.seek(0)
                raise UserError(
                    f"run folder {self.folder} is in use by process {handle.read().strip() or '?'}; "
                    "wait for it or choose another folder"
                ) from None
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk into one line; everything finished before stays and the next start goes on from it."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(_full(folder, error)) from None
    except Exception as error:
        # Writers in compiled code raise errors of their own for a full disk.
        if not any(sign in str(error) for sign in _FULL_DISK):
            raise
        raise UserError(_full(folder, error)) from None


# Of the system, of safetensors and of torch.save.
_FULL_DISK = ("No space left on device", "os error 28", "unexpected pos")


def _full(folder: Path, error: Exception) -> str:
    name = getattr(error, "filename", None) or folder
    free = shutil.disk_usage(folder).free / 2**30 if folder.exists() else 0
    return (
        f"no space left on the disk while writing {name} ({free:.2f} GiB free): free some and start the same "
        "command again, what is finished is kept"
    )


def read_json(path: Path) -> Record:
    """An object of JSON. Raises UserError naming a file that is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path}: damaged (found no object of JSON)")
    return found


def write_text(path: Path, text: str) -> None:
    """Write a file that is either whole or not there."""
    scratch = path.with_name(path.name + ".partial")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(path)


def write_records(path: Path, records: Sequence[Record]) -> None:
    """Write records as Parquet, with a checksum of them, as a file that is either whole or not there."""
    text = json.dumps(list(records))
    table = pa.Table.from_pylist([{"record": json.dumps(r)} | _columns(r) for r in records])
    table = table.replace_schema_metadata({"sha256": hashlib.sha256(text.encode()).hexdigest()})
    scratch = path.with_name(path.name + ".partial")
    pq.write_table(table, scratch)
    scratch.rename(path)


def read_records(path: Path) -> list[Record]:
    """Read what `write_records` wrote. Raises UserError naming a file that is damaged."""
    try:
        table = pq.read_table(path)
        records = [json.loads(text) for text in table.column("record").to_pylist()] if len(table) else []
        expected = (table.schema.metadata or {}).get(b"sha256", b"").decode()
    except (OSError, pa.ArrowException, KeyError, ValueError):
        raise UserError(f"{path}: damaged (not a whole Parquet file)") from None
    if hashlib.sha256(json.dumps(records).encode()).hexdigest() != expected:
        raise UserError(f"{path}: damaged (its checksum does not match)")
    return records


def _count_records(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        raise UserError(f"{path}: damaged (not a whole Parquet file)") from None


def _columns(record: Record) -> Record:
    """The fields that a Parquet reader can show as columns; nested ones are in `record` only."""
    return {key: value for key, value in record.items() if not isinstance(value, list | dict)}


def stage_problem(folder: Path) -> str | None:
    """What is wrong with the files of a finished stage, if anything: one is missing, cut short or damaged."""
    try:
        sizes = read_json(folder / "stage.json").get("files")
    except UserError as error:
        return str(error)
    if not isinstance(sizes, dict):
        return f"{folder / 'stage.json'}: damaged (found no list of files)"
    for name, size in sizes.items():
        path = folder / name
        if not path.is_file():
            return f"{path}: missing"
        if path.stat().st_size != size:
            return f"{path}: damaged (found {path.stat().st_size} bytes, expected {size})"
        if path.suffix == ".parquet":
            try:
                read_records(path)
            except UserError as error:
                return str(error)
    return None


def whole_stage(folder: Path) -> Path:
    """The folder of a finished stage. Raises UserError where a file of it is missing or damaged."""
    if problem := stage_problem(folder):
        raise UserError(f"{problem}; start the run again to make it again")
    return folder


def _results(folder: Path) -> Iterator[Path]:
    """The files of a finished stage; its checkpoints are removed later, its model card is written later."""
    for path in sorted(folder.rglob("*")):
        kept = path.is_file() and "checkpoints" not in path.parts and path.suffix not in (".partial", ".damaged")
        if kept and path.name not in ("stage.json", "README.md"):
            yield path


def read_stage(folder: Path) -> Records:
    """All records of a stage's shards, in order."""
    return Records(sorted(folder.glob("*.parquet")))
