"""Whether a data set gives away what a model is asked to write, or tests it on users or times it was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from penname.data.duplicates import Original, parts_of, stands_in
from penname.data.records import Document, Example, written_before

Setting = Literal["user", "temporal"]


@dataclass
class Leaks:
    """Counts by kind, and the first few of each kind as lines."""

    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def add(self, kind: str, line: str) -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= SHOWN:
            self.lines.append(f"{kind}: {line}")

    def include(self, others: Leaks) -> None:
        self.counts += others.counts
        self.lines += others.lines


SHOWN = 5
COPY = "target in its own context"
COPY_IN_PROFILE = "copy of the target in its profile, which retrieval leaves out"
TWO_SPLITS = "user in two splits"
FUTURE = "future document in the profile"
SAME_TIME = "document of the target's own day or year, so nothing says what was written before"
UNDATED = "date unknown, so nothing says what was written before"


def find_copies(split: str, example: Example, context: Sequence[Document], leaks: Leaks) -> None:
    """Exact and near copies of the expected output among the documents retrieved for the example.

    Retrieval leaves copies out by the same definition; that the output stands nowhere letter for letter is looked for
    here on its own.
    """
    if example.output is None:
        return
    original = Original(example.output)
    for kind, documents in ((COPY, context), (COPY_IN_PROFILE, (*example.profile, *example.neighbours))):
        for document in documents:
            shown = any(stands_in(example.output, part) for part in parts_of(document))
            if shown or original.held_by(document):
                where = document.id or document.title or document.text[:40]
                leaks.add(kind, f"{split} example {example.id!r}: document {where!r}")


def find_shared_users(users: Mapping[str, Iterable[str]], leaks: Leaks) -> None:
    """Users who stand in more than one split; `users` is the users of each split."""
    found: dict[str, list[str]] = {}
    for split, names in users.items():
        for user in set(names):
            found.setdefault(user, []).append(split)
    for user, splits in sorted(found.items()):
        if len(splits) > 1:
            leaks.add(TWO_SPLITS, f"{user!r} in {', '.join(splits)}")


def find_future(split: str, example: Example, leaks: Leaks) -> None:
    """Documents dated after the expected output was written; without dates there is no telling."""
    if example.date is None or any(document.date is None for document in example.profile):
        leaks.add(UNDATED, f"{split} example {example.id!r}")
    for document in example.profile:
        if example.date is None or document.date is None or written_before(document, example.date):
            continue
        place = document.id or document.title or document.text[:40]
        kind = FUTURE if document.date > example.date else SAME_TIME
        leaks.add(kind, f"{split} example {example.id!r} of {example.date}: {place!r} of {document.date}")


def setting_of(name: str) -> Setting | None:
    """The setting that a data set's name ends in, as LongLaMP's configurations do."""
    return next((s for s in ("user", "temporal") if name.rstrip("/").endswith(f"_{s}")), None)
