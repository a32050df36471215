"""Which documents of a collection are targets, and in which split."""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from penname.data.readers.base import SourceText
from penname.data.records import written_before
from penname.data.splits import SPLITS
from penname.data.text_store import TextStore

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


@dataclass(frozen=True)
class Target:
    """A document that is to be written.

    split: the split of its example.
    by_date: whether only earlier documents are the example's profile.
    is_hidden: whether it is in no user's profile, and so not among the documents.
    """

    split: str
    number: int
    found: SourceText
    by_date: bool = False
    is_hidden: bool = False


def leave_one_out(store: TextStore, per_user: int | None) -> Iterator[Target]:
    """Targets of users each of whom is in one split: in the order of their hashes, at least one user in each.

    per_user: the number of each user's targets; None for one.
    """
    order = sorted(store.users(), key=_hash)
    counts = {split: max(1, round(SHARES[split] * len(order))) for split in ("val", "test")}
    first_of = {"test": 0, "val": counts["test"], "train": counts["test"] + counts["val"]}
    ends = {"test": first_of["val"], "val": first_of["train"], "train": len(order)}
    for split in SPLITS:
        for user in order[first_of[split] : ends[split]]:
            yield from (Target(split, *text) for text in _sample(store.texts_of(user), per_user or 1))


def by_time(store: TextStore) -> Iterator[Target]:
    """Each user's last document for test, the one before for val, and the one before that for train.

    A target needs an earlier document.
    """
    for user in store.users():
        last = deque(store.texts_of(user), maxlen=len(SPLITS))
        for split, (number, found) in zip(reversed(SPLITS), reversed(last), strict=False):
            moment = str(found.document.date)
            if any(written_before(earlier.document, moment) for _, earlier in store.texts_of(user)):
                yield Target(split, number, found, by_date=True)


def within_users(store: TextStore, per_user: int | None) -> Iterator[Target]:
    """All of each user's documents, divided: the last tenth for test, the tenth before for val, the rest for train.

    Documents whose dates are not known, or all the same, are divided by their hashes, and those for val and test hidden
    from profiles.

    per_user: the most targets of each user in a split, the last ones; None for all.
    """
    for user, count in store.users().items():
        held_out = max(1, round(SHARES["test"] * count))
        parts = {"train": (0, count - 2 * held_out), "val": (count - 2 * held_out, count - held_out)}
        parts["test"] = (count - held_out, count)
        numbers = store.numbers_of(user)
        first, last = store.text(numbers[0]).document, store.text(numbers[-1]).document
        dated = first.date is not None and written_before(first, str(last.date))
        if not dated:
            numbers = _by_hash(store.texts_of(user))
        for split, (start, end) in parts.items():
            part = numbers[max(0, start) : end]
            for number in part[-per_user:] if per_user else part:
                found = store.text(number)
                if not dated or written_before(first, str(found.document.date)):
                    yield Target(split, number, found, dated, not dated and split != "train")


def drop_undated(store: TextStore, *, where_most_are_dated: bool) -> int:
    """Leave out documents without a date, as it is unknown what was written earlier; how many these were.

    where_most_are_dated: only of users most of whose documents have one.
    """
    dropped = 0
    for user, count in store.users().items():
        if not where_most_are_dated or 2 * store.dated_of(user) > count:
            dropped += store.drop_undated(user)
    return dropped


def _sample(texts: Iterator[tuple[int, SourceText]], count: int) -> list[tuple[int, SourceText]]:
    """So many of a user's texts, those with the lowest hashes."""
    return heapq.nsmallest(count, texts, key=lambda text: _hash(text[1].document.text))


def _by_hash(texts: Iterator[tuple[int, SourceText]]) -> array[int]:
    """The texts' numbers in the order of their hashes."""
    return array("q", (n for _, n in sorted((_hash(found.document.text), number) for number, found in texts)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
