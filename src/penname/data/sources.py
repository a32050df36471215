"""From what a recipe names to examples: one function for all formats."""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

from penname.data import jsonl, longlamp, presidents
from penname.data.records import Example
from penname.errors import DataError, UserError

Format = Literal["presidents", "longlamp", "jsonl"]


class Source(Protocol):
    """One part of a recipe's data: see `penname.config.SourceConfig`."""

    format: Format
    path: str | None
    task: str | None


def load_split(sources: Sequence[Source], split: str, limit: int | None, seed: int) -> list[Example]:
    """All examples of `split`; with `limit`, at most that many of each source, drawn with `seed`.

    Raises DataError for a missing split, a split without examples, or ids that repeat within a task.
    """
    examples: list[Example] = []
    for source in sources:
        found = _load(source, split)
        if not found:
            raise DataError(source.path or source.format, found="no example", expected=f"a {split} split")
        if limit is not None and limit < len(found):
            keep = sorted(random.Random(f"{seed}-{split}").sample(range(len(found)), limit))
            found = [found[i] for i in keep]
        examples += found
    if len({e.id for e in examples}) < len(examples):  # tasks that number their examples alike
        examples = [replace(example, id=f"{example.task}-{example.id}") for example in examples]
    repeated = [id for id, count in Counter(e.id for e in examples).items() if count > 1]
    if repeated:
        raise UserError(f"example id {repeated[0]!r} stands in more than one place: ids must be unique")
    return examples


def _load(source: Source, split: str) -> list[Example]:
    if source.format == "presidents":
        if split not in presidents.SPLITS:
            raise DataError("presidents", found=f"split {split!r}", expected=", ".join(presidents.SPLITS))
        return presidents.load_examples(split)
    folder = expand(source.path or "")
    if not folder.is_dir():
        raise DataError(folder, found="no such folder", expected=f"a folder in {source.format} format")
    if source.format == "longlamp":
        return longlamp.load_examples(folder, split, source.task or folder.name)
    return jsonl.load_examples(folder, split, source.task)


def expand(path: str) -> Path:
    """Fill in `$NAME` from the environment and `~`; an unset variable is an error, not an empty text."""
    unset = [name for name in re.findall(r"\$\{?(\w+)\}?", path) if name not in os.environ]
    if unset:
        raise UserError(f"data path {path}: the environment variable {unset[0]} is not set")
    return Path(os.path.expandvars(path)).expanduser()
