"""Loads the examples of the data sources that a recipe names, whatever their format."""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, overload

from penname.data import hub, jsonl, longlamp, pgraphrag, presidents
from penname.data.load_report import LoadReport
from penname.data.pgraphrag import SharedNames
from penname.data.records import Document, Example
from penname.data.rows import read_rows
from penname.data.splits import dataset_name, files_of_dataset, missing_split, split_files, split_of_file, table_files
from penname.errors import DataError, UserError
from penname.extensions import Extension, load_callable

SHARED_CHARACTERS = 2**23
"""Characters of distinct text within which examples share document objects; it bounds the memory that they take."""

FORMATS = ("presidents", "longlamp", "pgraphrag", "jsonl")


class Source(Protocol):
    """One data source of a recipe, an entry of its `data`: see `penname.config.SourceConfig`."""

    format: str
    path: str | None
    hub: str | None
    task: str | None
    split_by_user: bool
    shared_names: SharedNames
    made_by: str | None


class Examples(Sequence[Example]):
    """A split's examples, read from their files on demand: there may be more than fit in memory.

    Access in order reads the files once; going back reads them again from the beginning.

    read: reads the files, and yields every example in order.
    count: number of examples.
    """

    def __init__(self, read: Callable[[], Iterator[Example]], count: int) -> None:
        self._read = read
        self._count = count
        self._position = 0
        self._rest: Iterator[Example] = iter(())

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Example]:
        return self._read()

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        indices = range(self._count)[index]
        if isinstance(indices, int):
            return self._between(indices, indices + 1)[0]
        if not indices:
            return []
        first = min(indices)
        examples = self._between(first, max(indices) + 1)
        return [examples[i - first] for i in indices]

    def _between(self, start: int, stop: int) -> list[Example]:
        if start < self._position or not self._position:
            self._position, self._rest = 0, self._read()
        examples = list(islice(self._rest, start - self._position, stop - self._position))
        self._position = stop
        return examples


def load_split(
    sources: Sequence[Source],
    split: str,
    limit: int | None,
    seed: int,
    report: LoadReport | None = None,
    min_documents: int = 0,
) -> Examples:
    """The examples of `split`. The files are read once here, to check and count the examples.

    limit: maximum number of examples of each source, sampled at random; None for all.
    seed: for the sample of train examples; those of val and test are the same for every seed, so that runs with several
        seeds can be compared.
    report: counts the rows that are skipped; without it the first bad row is an error.
    min_documents: examples with fewer documents in their profile are not used.

    Raises DataError for a missing split, a split without examples, or ids that repeat within a task.
    """
    report = LoadReport(strict=True) if report is None else report
    parts: list[tuple[Source, Sequence[int] | None]] = []
    ids: list[tuple[str, str]] = []
    for source in sources:
        found = [(example.task, example.id, len(example.profile)) for example in read_split(source, split, report)]
        if not found:
            raise DataError(name_of(source), found="no example", expected=f"a {split} split")
        kept = [i for i, (_, _, profile_size) in enumerate(found) if profile_size >= min_documents]
        if limit is not None and limit < len(kept):
            rng = random.Random(f"{seed if split == 'train' else 0}-{split}")
            kept = sorted(rng.sample(kept, limit))
        parts.append((source, kept if len(kept) < len(found) else None))
        ids += [found[i][:2] for i in kept]
    with_task = len({id for _, id in ids}) < len(ids)  # different tasks may use the same numbers as ids
    names = Counter(f"{task}-{id}" if with_task else id for task, id in ids)
    repeated = next((name for name, count in names.items() if count > 1), None)
    if repeated is not None:
        raise UserError(f"example id {repeated!r} occurs more than once: ids must be unique")
    return Examples(partial(_read_again, parts, split, with_task=with_task), len(ids))


def splits_of(source: Source) -> list[str]:
    """The splits that the source has. Raises UserError where it does not exist or has none."""
    if source.format == "presidents":
        return list(presidents.SPLITS)
    if isinstance(source.format, Extension):
        path = source.path
        return [split for split in ("train", "val", "test") if _of_extension(source.format, path, split)]
    folder = _locate(source)
    files = split_files(folder)
    if not files:
        raise missing_split(folder, "train, val or test", files)
    return list(pgraphrag.SPLIT_SHARES) if source.split_by_user else list(files)


def read_split(source: Source, split: str, report: LoadReport) -> Iterator[Example]:
    """The source's examples of one split, as a stream.

    Benchmarks repeat most of a user's profile in each of the user's examples; here these share document objects.

    report: counts the rows that are read and skipped.

    Raises DataError where there is no such split.
    """
    known: dict[Document, Document] = {}
    characters = 0

    def shared(document: Document) -> Document:
        nonlocal characters
        first = known.setdefault(document, document)
        characters += len(document.text) if first is document else 0
        return first

    for example in _read_split(source, split, report):
        profile, neighbours = (tuple(map(shared, documents)) for documents in (example.profile, example.neighbours))
        yield replace(example, profile=profile, neighbours=neighbours)
        if characters > SHARED_CHARACTERS:
            known, characters = {}, 0


def _read_split(source: Source, split: str, report: LoadReport) -> Iterator[Example]:
    if source.format == "presidents":
        if split not in presidents.SPLITS:
            raise DataError("presidents", found=f"split {split!r}", expected=", ".join(presidents.SPLITS))
        yield from _counted(presidents.load_examples(split), report)
        return
    if isinstance(source.format, Extension):
        yield from _counted(_of_extension(source.format, source.path, split), report)
        return
    path, files = _files(source, split)
    if source.format == "longlamp":
        task = source.task or (path.parent if path.is_file() else path).name
        yield from longlamp.read_examples(files, task, report)
    elif source.format == "pgraphrag":
        task = "long" if source.task is None else source.task
        yield from pgraphrag.read_examples(
            files,
            dataset_name(files[0]),
            task,  # type: ignore[arg-type]  # checked by the recipe
            report,
            shared_names=source.shared_names,
            only_split=split if source.split_by_user else None,
        )
    else:
        folder = path.parent if path.is_file() else path
        yield from jsonl.read_examples(folder, files, source.task, report)


def read_documents(source: Source, split: str, report: LoadReport) -> Iterator[Document]:
    """All documents of a split, each once: those in its examples' profiles, and for pgraphrag the targets too.

    report: counts the rows that are read and skipped.
    """
    if source.format == "pgraphrag":
        _, files = _files(source, split)
        yield from pgraphrag.read_documents(files, report, only_split=split if source.split_by_user else None)
        return
    seen: set[tuple[str, str]] = set()
    for example in read_split(source, split, report):
        for document in example.profile:
            key = (document.user_id, document.text)
            if key not in seen:
                seen.add(key)
                yield document


def shared_names(source: Source, documents: Sequence[Document]) -> set[str]:
    """The users whose id is likely a name shared by many people; only PGraphRAG has such ids.

    documents: all documents of a split.
    """
    counts = Counter(d.user_id for d in documents) if source.format == "pgraphrag" else Counter[str]()
    return {name for name, count in counts.items() if pgraphrag.is_shared_name(name, count)}


def name_of(source: Source) -> str:
    """The name by which messages call the source."""
    return source.path or source.hub or source.format


def expand(path: str) -> Path:
    """Expand `$NAME` and `~`. Raises UserError for an unset environment variable."""
    unset = [name for name in re.findall(r"\$\{?(\w+)\}?", path) if name not in os.environ]
    if unset:
        raise UserError(f"data path {path}: the environment variable {unset[0]} is not set")
    return Path(os.path.expandvars(path)).expanduser()


def _read_again(parts: list[tuple[Source, Sequence[int] | None]], split: str, *, with_task: bool) -> Iterator[Example]:
    for source, kept in parts:
        indices = None if kept is None else set(kept)
        for i, example in enumerate(read_split(source, split, LoadReport())):
            if indices is None or i in indices:
                yield replace(example, id=f"{example.task}-{example.id}") if with_task else example


def _counted(examples: Sequence[Example], report: LoadReport) -> Iterator[Example]:
    report.rows += len(examples)
    report.kept += len(examples)
    yield from examples


def _of_extension(name: Extension, path: str | None, split: str) -> list[Example]:
    """The examples that an extension reads; it is called as `format(path, split)` and returns none for a missing split.

    Raises UserError where the extension does not exist, is not such a function, or returns something else.
    """
    read = load_callable(name, "format", "path", "split")
    examples = []
    for number, example in enumerate(read(None if path is None else expand(path), split), 1):
        where = f"format {name}: {split} example {number}"
        if not isinstance(example, Example):
            raise UserError(f"{where}: found {type(example).__name__}, expected Example")
        for field in ("id", "user_id", "task", "input", "output"):
            text = getattr(example, field)
            if not isinstance(text, str) or not text.strip():
                found = "an empty text" if isinstance(text, str) else type(text).__name__
                raise UserError(f"{where}: field {field!r}: found {found}, expected text")
        examples.append(example)
    return examples


def _files(source: Source, split: str) -> tuple[Path, list[Path]]:
    """The path of the source, and its files that hold the split. Raises DataError where none does."""
    path = _locate(source)
    present = split_files(path)
    stored = "val" if source.split_by_user else split
    if stored not in present:
        raise missing_split(path, stored, present)
    return path, present[stored]


def _locate(source: Source) -> Path:
    """The file or folder of a source, downloaded first if it is on the hub."""
    if source.path is None:
        return hub.fetch(source.hub or "", source.task or "")
    path = expand(source.path)
    if source.task and (path / source.task).is_dir() and not split_files(path):
        return path / source.task  # a copy of all of a benchmark, with a folder for each task
    if not path.exists() and not files_of_dataset(path):
        made = f", made by: {source.made_by}" if source.made_by else ""
        raise DataError(path, found="no such file or folder", expected=f"data in {source.format} format{made}")
    return path


def detect(path: Path) -> list[tuple[str, Path]]:
    """The data sets at `path`, as (format, path) pairs: one for a file or a data set, several for a folder of them.

    The format is inferred from the first record. Raises DataError where there is no data.
    """
    if path.is_file():
        return [(_format_of(path), path)]
    if named := files_of_dataset(path):
        return [(_format_of(named[0]), path)]
    if not path.exists():
        raise DataError(path, found="no such file or folder", expected="a data set")
    files = [file for file in table_files(path) if split_of_file(file)]
    names = {dataset_name(file): file for file in files}
    if len(names) > 1:  # such as amazon_dev.json and hotel_dev.json
        return [(_format_of(file), path / name) for name, file in names.items()]
    if files:
        return [(_format_of(files[0]), path)]
    subfolders = [
        folder for folder in sorted(path.iterdir()) if folder.is_dir() and any(map(split_of_file, table_files(folder)))
    ]
    if not subfolders:
        raise missing_split(path, "train, val or test", {})
    return [data_set for folder in subfolders for data_set in detect(folder)]


def _format_of(file: Path) -> str:
    record = next((record for _, record in read_rows(file, LoadReport())), {})
    if "task" in record:
        return "jsonl"
    if "input" in record:
        return "longlamp"
    if record and "profile" not in record:
        found = f"the fields {', '.join(map(str, record))}"[:200]
        raise DataError(file, found=found, expected="examples of LongLaMP, PGraphRAG or penname (penname data convert)")
    return "pgraphrag"
