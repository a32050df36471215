"""Tells the first lines of WhatsApp's messages, whose dates are written in the telephone's language."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import islice, takewhile
from typing import NamedTuple

from penname.data.calendars import day_of
from penname.data.readers.calendar_words import hour_of_day, is_day_period

MARK = "[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
"""Invisible marks of the direction of writing, and one of the encoding."""

_DATE = (
    r"(?P<a>\d{1,4})~_?(?P<mark>[./-]|年|년)~_?~(?P<b>\d{1,2})~_?(?:[./-]|月|월)~_?~(?P<c>\d{1,4})~(?:\.|日|일|_?г\.)?~"
)
_TIME = r"(?P<hour>\d{1,2})[:.](?P<minute>\d\d)(?:[:.](?P<second>\d\d))?"
_BEGINS = [
    re.compile(pattern.replace("~", f"{MARK}*").replace("_", "[ \u00a0\u202f]"), re.DOTALL)
    for pattern in (
        rf"~(?P<open>\[?)~{_DATE}(?P<before>[^\d\[\]:\n]{{1,30}}?){_TIME}(?P<half>[^\d\[\]:\n]{{0,30}}?)(?:\]|_[-–—]|,|:)_(?P<rest>.*)",
        rf"~(?P<open>\[?)~{_TIME}(?P<half>[^\d\[\]:\n]{{0,30}}?)(?P<before>[,،]?~_+~){_DATE}(?:\]|_[-–—])_(?P<rest>.*)",
    )
]
_BESIDE_TIME = {
    "",
    *"à|a las|às|alle|ore|at|um|uhr|klo|kl|kl.|o|u|om|в|lúc|h|ч|ч.|г|г.|u.|godz.|o godz.|об|о|ob|v|la|ora|pukul".split(
        "|"
    ),
    *"saat|ώρα|στις".split("|"),
}

_FOUNDED = 2009
"""The year in which WhatsApp began."""

_ORDERS = {"/": ("dmy", "mdy", "ymd"), ".": ("dmy", "ymd"), "-": ("dmy", "ymd"), "年": ("ymd",), "년": ("ymd",)}
"""Orders of day, month and year in any language, by what stands between them."""

_MESSAGES_FOR_STYLE = 20_000
_NAMES = 10_000
_SENDERS = 1000


class Line(NamedTuple):
    """The first line of a message.

    bracketed: whether its date stands in brackets.
    numbers: those of its date, in the order in which they stand, as they are written.
    rest: what is behind the date.
    by_program: whether it begins with a mark that iPhones put before what they say themselves.
    """

    bracketed: bool
    numbers: tuple[str, str, str]
    mark: str
    time: tuple[int, int, int]
    half: str
    rest: str
    by_program: bool


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


def begin(raw: str) -> Line | None:
    """The line as the first one of a message; None where it goes on with one."""
    if not any(character.isdigit() for character in raw[:12]):
        return None
    match = _BEGINS[0].match(raw) or _BEGINS[1].match(raw)
    if match is None:
        return None
    period = _period(match["before"], match["half"])
    if period is None:
        return None
    hour, minute, second = hour_of_day(int(match["hour"]), period), int(match["minute"]), int(match["second"] or 0)
    numbers = (match["a"], match["b"], match["c"])
    by_program = raw.startswith("\u200e")
    return Line(bool(match["open"]), numbers, match["mark"], (hour, minute, second), period, match["rest"], by_program)


@lru_cache(maxsize=100)
def _period(before: str, behind: str) -> str | None:
    """The part of the day in the words before and behind a time, empty for none; None where these are other words."""
    words = [re.sub(MARK, "", found).strip(" ,،\u00a0\u202f") for found in (behind, before)]
    periods = [word for word in words if is_day_period(word)]
    others = [word for word in words if word not in periods and word.casefold() not in _BESIDE_TIME]
    return None if others else next(iter(periods), "")


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


def moment_of(line: Line, order: str) -> str | None:
    """A message's local date and time in ISO 8601; None for one that does not exist, or was before WhatsApp.

    order: that of day, month and year.
    """
    day = _date(line.numbers, order)
    hour, minute, second = line.time
    is_time = hour < 24 and minute < 60 and second < 60
    return f"{day}T{hour:02}:{minute:02}:{second:02}" if day is not None and is_time else None


@lru_cache(maxsize=1000)
def _date(numbers: tuple[str, str, str], order: str) -> date | None:
    year, month, day = (numbers[order.index(part)] for part in "ymd")
    if len(day) > 2 or len(month) > 2 or len(year) not in (2, 4):
        return None
    years = [int(year)] if len(year) == 4 else [era + int(year) for era in (2000, 1400, 1300, 2500)]
    found = (_day(candidate, int(month), int(day)) for candidate in years)
    return next((day for day in found if day and _FOUNDED <= day.year <= date.today().year + 1), None)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return day_of(year, month, day)
    except ValueError:
        return None
