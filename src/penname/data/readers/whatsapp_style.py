"""Tells how a WhatsApp chat is written, by its first messages: the order of its dates, its brackets and its names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import NamedTuple

from penname.data.readers.whatsapp_dates import moment_of
from penname.data.readers.whatsapp_lines import Line

_ORDERS = {"/": ("dmy", "mdy", "ymd"), ".": ("dmy", "ymd"), "-": ("dmy", "ymd"), "年": ("ymd",), "년": ("ymd",)}
"""Orders of day, month and year in any language, by what stands between them."""

_MESSAGES_FOR_STYLE = 20_000
_NAMES = 10_000
_SENDERS = 1000


class Style(NamedTuple):
    """How a chat is written.

    order: the order of day, month and year.
    is_sure: whether the dates can be read in no other order.
    bracketed: whether dates stand in brackets.
    marked: whether a mark at the beginning of a line tells what the program says.
    names: by the part of a name before its colon, the whole name.
    senders: names of members who have sent two messages or more.
    """

    order: str
    is_sure: bool
    bracketed: bool
    marked: bool
    names: dict[str, str]
    senders: frozenset[str]


def style_of(lines: Iterable[Line]) -> Style:
    """How a chat is written, by its first messages."""
    orders = {order: _Order() for order in _ORDERS["/"]}
    bracketed = marked = count = 0
    padded = capital = differ = False
    names: dict[str, list[str]] = {}
    seen: Counter[str] = Counter()
    for line in islice(lines, _MESSAGES_FOR_STYLE):
        count += 1
        bracketed += line.bracketed
        marked += line.by_program
        padded = padded or line.numbers[0].startswith("0")
        capital = capital or (line.half in ("AM", "PM") and line.mark == "/")
        moments = {order: moment_of(line, order) if order in _ORDERS[line.mark] else None for order in orders}
        for order, moment in moments.items():
            orders[order].add(moment)
        differ = differ or moments["dmy"] != moments["mdy"]
        _note_name(line.rest, names, seen)
    best = min((order.invalid, order.back) for order in orders.values())
    likely = [name for name, order in orders.items() if (order.invalid, order.back) == best]
    american = capital and not padded and "mdy" in likely
    whole = {name: ": ".join(parts) for name, parts in names.items() if seen[name] > 1 and len(parts) > 1}
    return Style(
        order="mdy" if american else likely[0],
        is_sure=not (differ and {"dmy", "mdy"} <= set(likely)),
        bracketed=bracketed * 2 > count,
        marked=marked < 0.9 * count or count < 3,
        names=whole,
        senders=frozenset(name for name, number in seen.most_common(_SENDERS) if number > 1),
    )


@dataclass
class _Order:
    """What speaks against an order of day, month and year: dates that it makes invalid, and steps back in time."""

    invalid: int = 0
    back: int = 0
    _before: str = ""

    def add(self, moment: str | None) -> None:
        """Take the next message's date in this order."""
        self.invalid += moment is None
        self.back += moment is not None and moment < self._before
        self._before = moment or self._before


def _note_name(rest: str, names: dict[str, list[str]], seen: Counter[str]) -> None:
    """Note the parts up to colons that all messages share which begin with the same one: a name may have colons."""
    name, *more = rest[:120].split("\n")[0].split(": ")
    if more and (name in names or len(names) < _NAMES):
        parts = [name, *more[:-1]]
        both = zip(names.get(name, parts), parts, strict=False)
        names[name] = [part for part, _ in takewhile(lambda pair: pair[0] == pair[1], both)]
        seen[name] += 1
