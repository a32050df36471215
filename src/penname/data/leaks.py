"""Leak audit: whether a data set shows a model its target, or tests it on users or times it was trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from penname.data.duplicates import CopyDetector, contains_literally, parts_of
from penname.data.records import Document, Example, written_before

Setting = Literal["user", "temporal"]


@dataclass
class Leaks:
    """Counts of each kind of leak, and a description of the first few of each kind, one per line."""

    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def add(self, kind: str, description: str) -> None:
        """Count a leak of this kind."""
        self.counts[kind] += 1
        if self.counts[kind] <= MAX_LINES:
            self.lines.append(f"{kind}: {description}")

    def include(self, other: Leaks) -> None:
        """Add the leaks that were found elsewhere."""
        self.counts += other.counts
        self.lines += other.lines


MAX_LINES = 5
COPY = "target in its own context"
COPY_IN_PROFILE = "copy of the target in its profile, which retrieval skips"
TWO_SPLITS = "user in two splits"
FUTURE = "future document in the profile"
SAME_TIME = "document of the target's own day or year, so nothing says what was written before"
UNDATED = "date unknown, so nothing says what was written before"


def find_copies(split: str, example: Example, context: Sequence[Document], leaks: Leaks) -> None:
    """Find exact and near copies of the expected output among an example's documents.

    split: the example's split.
    context: the documents retrieved for the example.
    leaks: collects what is found.

    Retrieval skips copies by the same definition; literal copies are checked for here independently of it.
    """
    if example.output is None:
        return
    copies = CopyDetector(example.output)
    for kind, documents in ((COPY, context), (COPY_IN_PROFILE, (*example.profile, *example.neighbours))):
        for document in documents:
            literal = any(contains_literally(part, example.output) for part in parts_of(document))
            if literal or copies.in_document(document):
                name = document.id or document.title or document.text[:40]
                leaks.add(kind, f"{split} example {example.id!r}: document {name!r}")


def find_shared_users(users: Mapping[str, Iterable[str]], leaks: Leaks) -> None:
    """Find users who are in more than one split.

    users: the users of each split, by its name.
    leaks: collects what is found.
    """
    splits_by_user: dict[str, list[str]] = {}
    for split, names in users.items():
        for user in set(names):
            splits_by_user.setdefault(user, []).append(split)
    for user, splits in sorted(splits_by_user.items()):
        if len(splits) > 1:
            leaks.add(TWO_SPLITS, f"{user!r} in {', '.join(splits)}")


def find_future(split: str, example: Example, leaks: Leaks) -> None:
    """Find documents dated after the expected output was written; examples with missing dates are counted too.

    split: the example's split.
    leaks: collects what is found.
    """
    if example.date is None or any(document.date is None for document in example.profile):
        leaks.add(UNDATED, f"{split} example {example.id!r}")
    for document in example.profile:
        if example.date is None or document.date is None or written_before(document, example.date):
            continue
        name = document.id or document.title or document.text[:40]
        kind = FUTURE if document.date > example.date else SAME_TIME
        leaks.add(kind, f"{split} example {example.id!r} of {example.date}: {name!r} of {document.date}")


def setting_of(name: str) -> Setting | None:
    """The evaluation setting in the suffix of a data set's name, as LongLaMP's configurations have it; None without."""
    return next((s for s in ("user", "temporal") if name.rstrip("/").endswith(f"_{s}")), None)
