"""The run folder: files that are complete or absent, stages that are done or not, one process at a time.

A stage is a function from files to files. Its folder holds what it wrote; `stage.json` is written last and means that
the stage is complete. Within a long stage the unit is a shard: a Parquet file, with a checksum in its metadata, that
gets its final name only once it is complete. A run that was killed repeats at most the shard that it was writing; a
training resumes from its newest checkpoint (`penname.training.checkpoints`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, overload

import pyarrow as pa
import pyarrow.parquet as pq

from penname.errors import UserError
from penname.file_locks import try_lock
from penname.runs.shards import Execute, Record, Work, divide, in_order
from penname.runs.tracking import NoTracker, Tracker

LOCK, HOLDER = "lock", "holder"
"""Files of a run's folder: the one that whoever works on the run has locked, and the number of this process."""


class Progress(Protocol):
    """Where a stage reports its progress; `penname.runs.progress` has the implementation."""

    def start(self, stage: str, total: int, unit: str, completions: int = 1) -> None:
        """Start a stage of `total` units, such as examples, for each of which so many completions are generated."""
        ...

    def add_generated(self, tokens: int, completions: int) -> None:
        """Count new tokens and finished completions that are not yet part of a finished unit."""
        ...

    def advance(self, count: int, tokens: int = 0, note: str = "") -> None:
        """Count finished units, and tokens that were not counted yet; `note` is shown beside the progress."""
        ...

    def finish(self, note: str = "") -> None:
        """Finish the stage; `note` is shown beside its duration."""
        ...

    def say(self, line: str) -> None:
        """Show and log a line."""
        ...


class Records(Sequence[Record]):
    """The records of shards, in order, read from disk a shard at a time: there may be more than memory holds.

    paths: the shards' Parquet files.

    Raises UserError naming a shard that is damaged.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._ends = [*accumulate(map(_count_records, paths))]

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Record]:
        for path in self._paths:
            yield from read_records(path)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        indices = range(len(self))[index]
        if isinstance(indices, int):
            return self[indices : indices + 1][0]
        if not indices:
            return []
        first, last = bisect_right(self._ends, min(indices)), bisect_right(self._ends, max(indices))
        start = self._ends[first - 1] if first else 0
        loaded = [record for path in self._paths[first : last + 1] for record in read_records(path)]
        return [loaded[i - start] for i in indices]


class RunFolder:
    """A run folder, opened by one process; `lock` refuses a second one.

    folder: where it is.
    progress: where its stages report their progress.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress
        self.tracker: Tracker = NoTracker()

    def path(self, stage: str) -> Path:
        """The folder of a stage, which is its name within the run folder."""
        return self.folder / stage

    def done(self, stage: str) -> bool:
        """Whether a stage is finished."""
        return (self.path(stage) / "stage.json").is_file()

    def facts(self, stage: str) -> Record:
        """What a finished stage recorded about itself, such as counts and losses."""
        recorded = read_json(self.path(stage) / "stage.json")
        return {key: value for key, value in recorded.items() if key != "files"}

    def stage(self, name: str, work: Callable[[Path], Record]) -> Record:
        """Run a stage unless it is finished and its files are intact; return the facts that it recorded.

        name: the stage's name.
        work: called with the stage's folder, to which it writes its files; returns the facts to record.
        """
        folder = self.path(name)
        problem = stage_problem(folder) if self.done(name) else None
        if problem is not None:
            self.progress.say(f"{problem}; repeating the stage")
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
        work: Work,
        unit: str = "examples",
        completions: int = 1,
    ) -> Records:
        """Process items in shards, in this process; return all records, those of earlier processes included.

        name: the stage's name.
        items: what is processed.
        size: number of items in a shard.
        work: makes the records of a shard's items.
        unit, completions: for showing progress, what an item is and how many completions are generated for it.

        A shard that cannot be read is named, renamed to `*.damaged` and repeated; the others are kept.
        """
        return self.shards_by(partial(in_order, work), name, items, size, unit, completions)

    def shards_by(
        self, execute: Execute, name: str, items: Sequence[Any], size: int, unit: str = "examples", completions: int = 1
    ) -> Records:
        """Process items in shards, as `shards` does.

        execute: computes the shards, wherever that is; their files are written here, in the order of their completion.
        name, items, size, unit, completions: see `shards`.
        """
        folder = self.path(name)
        folder.mkdir(parents=True, exist_ok=True)
        shards = divide(items, size)
        paths = [folder / f"{shard.number:05d}.parquet" for shard in shards]
        missing = [shard for shard, path in zip(shards, paths, strict=True) if not self._is_intact(path)]
        count = sum(map(len, missing))
        self.progress.start(name, count, unit, completions)
        for result in execute(missing) if missing else ():
            write_records(paths[result.shard.number], result.records, result.computed)
            self.progress.advance(len(result.shard))
        self.progress.finish("" if count == len(items) else f"{len(items) - count} done before")
        return Records(paths)

    def _is_intact(self, path: Path) -> bool:
        if not path.exists():
            return False
        try:
            read_records(path)
        except UserError as error:
            damaged = path.with_suffix(".damaged")
            path.rename(damaged)
            self.progress.say(f"{error}; renamed to {damaged.name}, repeating the shard")
            return False
        return True

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run folder. Raises UserError where another process holds it, or it cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = (self.folder / LOCK).open("ab")
        except OSError as error:
            raise UserError(f"run folder {self.folder}: {error.strerror}") from None
        with handle:
            if not try_lock(handle):
                raise UserError(
                    f"run folder {self.folder} is in use by process {holder_of(self.folder) or '?'}; "
                    "wait for it or choose another folder"
                )
            write_text(self.folder / HOLDER, str(os.getpid()))
            yield


def holder_of(run: Path) -> int | None:
    """The number of the process that holds a run's folder, or held it last; None where that is not known."""
    with suppress(OSError, ValueError):
        return int((run / HOLDER).read_text("utf-8"))
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Raise UserError where the disk is full; what was finished before is kept, and the next start continues from it.

    folder: the run folder, for the message.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(_full_disk_message(folder, error)) from None
    except Exception as error:
        # Writers in compiled code raise other errors for a full disk.
        if not any(sign in str(error) for sign in FULL_DISK_SIGNS):
            raise
        raise UserError(_full_disk_message(folder, error)) from None


# Messages of the operating system, of safetensors and of torch.save.
FULL_DISK_SIGNS = ("No space left on device", "os error 28", "unexpected pos")


def _full_disk_message(folder: Path, error: Exception) -> str:
    name = getattr(error, "filename", None) or folder
    free = shutil.disk_usage(folder).free / 2**30 if folder.exists() else 0
    return (
        f"no space left on the disk while writing {name} ({free:.2f} GiB free): free some space and start "
        "the same command again; what is finished is kept"
    )


def read_json(path: Path) -> Record:
    """Read a JSON object. Raises UserError naming a file that is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path}: damaged (found no JSON object)")
    return found


def write_text(path: Path, text: str) -> None:
    """Write a text file, under a temporary name until it is complete."""
    scratch = path.with_name(path.name + ".partial")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def write_records(path: Path, records: Sequence[Record], facts: Mapping[str, str] | None = None) -> None:
    """Write records and their checksum as Parquet, under a temporary name until the file is complete.

    path: the file.
    records: what it holds.
    facts: kept in the file's metadata.
    """
    text = json.dumps(list(records))
    table = pa.Table.from_pylist([{"record": json.dumps(r)} | _columns(r) for r in records])
    table = table.replace_schema_metadata({"sha256": hashlib.sha256(text.encode()).hexdigest(), **(facts or {})})
    scratch = path.with_name(path.name + ".partial")
    pq.write_table(table, scratch)
    scratch.replace(path)


def read_records(path: Path) -> list[Record]:
    """Read the records that `write_records` wrote. Raises UserError naming a file that is damaged."""
    try:
        table = pq.read_table(path)
        records = [json.loads(text) for text in table.column("record").to_pylist()] if len(table) else []
        expected = (table.schema.metadata or {}).get(b"sha256", b"").decode()
    except (OSError, pa.ArrowException, KeyError, ValueError):
        raise UserError(f"{path}: damaged (not a complete Parquet file)") from None
    if hashlib.sha256(json.dumps(records).encode()).hexdigest() != expected:
        raise UserError(f"{path}: damaged (its checksum does not match)")
    return records


def _count_records(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        raise UserError(f"{path}: damaged (not a complete Parquet file)") from None


def _columns(record: Record) -> Record:
    """The fields that a Parquet reader can show as columns; nested ones are in `record` only."""
    return {key: value for key, value in record.items() if not isinstance(value, list | dict)}


def stage_problem(folder: Path) -> str | None:
    """What is wrong with the files of a finished stage, such as one that is missing; None where all are intact.

    folder: the stage's folder.
    """
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


def intact_stage(folder: Path) -> Path:
    """The folder of a finished stage, unchanged. Raises UserError where one of its files is missing or damaged."""
    if problem := stage_problem(folder):
        raise UserError(f"{problem}; start the run again to repeat the stage")
    return folder


def _results(folder: Path) -> Iterator[Path]:
    """The files of a finished stage, without its checkpoints, which are removed later, and its later model card."""
    for path in sorted(folder.rglob("*")):
        is_result = path.is_file() and "checkpoints" not in path.parts and path.suffix not in (".partial", ".damaged")
        if is_result and path.name not in ("stage.json", "README.md"):
            yield path


def read_stage(folder: Path) -> Records:
    """All records of a stage's shards, in order.

    folder: the stage's folder.
    """
    return Records(sorted(folder.glob("*.parquet")))
