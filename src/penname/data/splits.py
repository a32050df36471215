"""Finds the files of each split; their names and folders differ between benchmarks and hubs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from penname.data.rows import SUFFIXES, table_suffix
from penname.errors import DataError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
}
SPLITS = ("train", "val", "test")
_SHARD = re.compile(r"-\d+-of-\d+$")


def split_name(name: str) -> str | None:
    """The split that a name stands for: `dev` and `validation` are `val`. None for any other name."""
    return SPLIT_NAMES.get(name.lower())


def split_files(path: Path) -> dict[str, list[Path]]:
    """The files of each split.

    path: a folder, a single file, or the prefix of several files (FOLDER/amazon for `amazon_dev.json`).

    A file's split is its name (`dev.jsonl`, `validation.csv.gz`, `train-00000-of-00002.parquet`) or the end of its name
    (`amazon_dev.json`). Files may also be in the folder's subfolder `data/`. Raises DataError for a single file that
    belongs to no split, or where two files claim the same split.
    """
    if path.is_file():
        name = split_of_file(path)
        if name is None:
            expected = "train, val or test in it, as in test.jsonl"
            raise DataError(path, found="a file name without a split", expected=expected)
        return {name: [path]}
    files = table_files(path) if path.is_dir() else files_of_dataset(path)
    claims_by_split: dict[str, dict[str, list[Path]]] = {}
    for file in files:
        name = split_of_file(file)
        if name is not None:
            claims_by_split.setdefault(name, {}).setdefault(
                _SHARD.sub("", _stem(file)) + str(table_suffix(file)), []
            ).append(file)
    for name, claims in claims_by_split.items():
        if len(claims) > 1:
            names = ", ".join(sorted(f[0].name for f in claims.values()))
            raise DataError(path, found=f"{names} for the split {name}", expected="one of them")
    return {name: next(iter(claims_by_split[name].values())) for name in SPLITS if name in claims_by_split}


def split_of_file(file: Path) -> str | None:
    """The split that a file's name contains, if any."""
    stem = _SHARD.sub("", _stem(file))
    return split_name(stem) or split_name(re.split(r"[_.-]", stem)[-1])


def table_files(folder: Path) -> list[Path]:
    """The data files in a folder and in its subfolder `data/`, each sorted by name."""
    return sorted(_tables_in(folder)) + sorted(_tables_in(folder / "data"))


def dataset_name(file: Path) -> str:
    """The part of a file's name before the split (`amazon` in `amazon_dev.json`); without one, the folder's name."""
    stem = _SHARD.sub("", _stem(file))
    return file.absolute().parent.name if split_name(stem) else re.split(r"[_.-][^_.-]*$", stem)[0]


def files_of_dataset(path: Path) -> list[Path]:
    """The files of the data set that the last part of `path` names, such as amazon_train.json and amazon_dev.json."""
    if path.is_dir() or not path.name:
        return []
    return [f for f in table_files(path.parent) if split_of_file(f) and dataset_name(f) == path.name]


def missing_split(path: Path, split: str, present: dict[str, list[Path]]) -> DataError:
    """The error for a missing split.

    split: what was expected.
    present: the files of the splits that there are.
    """
    if not path.exists():
        return DataError(path, found="no such file or folder", expected=f"the split {split}")
    files = ", ".join(present) or f"no file of a split ({', '.join(SUFFIXES)})"
    return DataError(path, found=files, expected=f"the split {split}")


def _tables_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (file for file in folder.iterdir() if file.is_file() and table_suffix(file))


def _stem(file: Path) -> str:
    suffix = table_suffix(file) or ""
    return file.name[: file.name.lower().rindex(suffix)]
