"""Tells the first lines of WhatsApp's messages, whose dates are written in the telephone's language."""

from __future__ import annotations

import re
from typing import NamedTuple

from penname.data.readers.calendar_words import hour_of_day, is_day_period
from penname.text_caches import text_cache

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


@text_cache(maxsize=100)
def _period(before: str, behind: str) -> str | None:
    """The part of the day in the words before and behind a time, empty for none; None where these are other words."""
    words = [re.sub(MARK, "", found).strip(" ,،\u00a0\u202f") for found in (behind, before)]
    periods = [word for word in words if is_day_period(word)]
    others = [word for word in words if word not in periods and word.casefold() not in _BESIDE_TIME]
    return None if others else next(iter(periods), "")
