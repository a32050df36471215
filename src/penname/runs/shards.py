"""Shards: the parts of a stage's items, each of which is computed and written as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

Record = dict[str, Any]
"""What is written for one item of a shard, by field, and what `stage.json` records."""

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Shard(Generic[Item]):
    """A part of a stage's items.

    number: its index among the shards of the stage.
    all_items: all items of the stage.
    start, stop: the range of its items in these.
    """

    number: int
    all_items: Sequence[Item]
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def items(self) -> Sequence[Item]:
        """Its items, taken from `all_items` when they are asked for."""
        return self.all_items[self.start : self.stop]


def divide(items: Sequence[Item], size: int) -> list[Shard[Item]]:
    """The shards of items. size: number of items in a shard; the last one may have fewer."""
    starts = range(0, len(items), size)
    return [Shard(n, items, start, min(start + size, len(items))) for n, start in enumerate(starts)]


@dataclass(frozen=True)
class ShardResult:
    """What a shard's computation gave.

    shard: the shard.
    records: its records.
    computed: what it was computed with, which its file keeps; see `penname.engines.computing`.
    """

    shard: Shard[Any]
    records: list[Record]
    computed: Mapping[str, str] = field(default_factory=dict)


Work = Callable[[Sequence[Any]], list[Record]]
"""Makes the records of a shard's items."""

Execute = Callable[[Sequence[Shard[Any]]], Iterator[ShardResult]]
"""Computes shards, in any order."""


def in_order(work: Work, shards: Sequence[Shard[Any]]) -> Iterator[ShardResult]:
    """Compute one shard after another in this process."""
    for shard in shards:
        yield ShardResult(shard, work(shard.items))


class LazyItems(Sequence[Made]):
    """Items that are made from others when the shard that they are in is computed, so that few are in memory at once.

    items: the items that they are made from.
    make: makes an item.
    """

    def __init__(self, items: Sequence[Item], make: Callable[[Item], Made]) -> None:
        self._items = items
        self._make = make

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Made: ...
    @overload
    def __getitem__(self, index: slice) -> list[Made]: ...
    def __getitem__(self, index: int | slice) -> Made | list[Made]:
        if isinstance(index, slice):
            return [self._make(item) for item in self._items[index]]
        return self._make(self._items[index])
