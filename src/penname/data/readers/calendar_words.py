"""The words by which programs write the halves of a day, and months, in the languages that ICU knows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_LANGUAGES = (
    *("en", "de", "es", "es_MX", "pt_BR", "pt", "fr", "fr_CA", "it", "nl", "sv", "nb", "da", "fi", "is", "et", "lv"),
    *("lt", "sq", "eu", "ca", "gl", "cy", "ga", "af", "zu", "sw", "am", "ru", "uk", "be", "bg", "mk", "sr", "hr", "sl"),
    *("cs", "sk", "pl", "hu", "ro", "el", "tr", "az", "kk", "ky", "uz", "mn", "ka", "hy", "he", "ar", "fa", "ur", "hi"),
    *("bn", "mr", "gu", "pa", "ta", "te", "kn", "ml", "si", "ne", "th", "lo", "my", "km", "vi", "id", "ms", "fil"),
    *("ko", "ja", "zh", "zh_TW", "zh_HK"),
)
_BETWEEN = re.compile("[\\s.'\u02bc\u2019\u05f3\u05f4\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")


def is_day_period(words: str) -> bool:
    """Whether these words tell a part of a day, as do `p. m.`, `nachmittags` and `下午`."""
    return _plain(words) in _day_periods()


def hour_of_day(hour: int, words: str) -> int:
    """The hour from 0 to 23 of one on a twelve-hour clock; that of a clock with 24 is left as it is.

    words: what stands beside it, such as `PM`.
    """
    hours = _day_periods().get(_plain(words))
    if hours is None or hour > 12:
        return hour
    return hours.get(hour % 12, hour % 12 + (12 if min(hours.values()) >= 12 else 0))


def month_of(word: str) -> int | None:
    """The number of the month with this name, whole or short; None for any other word."""
    return _months().get(_plain(word))


def _plain(words: str) -> str:
    return _BETWEEN.sub("", words).casefold()


@lru_cache(maxsize=1)
def _day_periods() -> dict[str, dict[int, int]]:
    """For each part of a day, in plain letters, the hours of the day by those on the clock; noon is 0 there."""
    from icu4py.messageformat import MessageFormat

    found: dict[str, dict[int, int]] = {}
    for language in _LANGUAGES:
        pattern = MessageFormat("{0,date,H'|'a'|'B}", language)  # the half of the day, and its finer part
        for hour in range(24):
            shown, *names = str(pattern.format({"0": datetime(2024, 1, 1, hour, 30, tzinfo=UTC)})).split("|")
            for name in map(_plain, names):
                found.setdefault(name, {}).setdefault(int(shown) % 12, int(shown))
    return found


@lru_cache(maxsize=1)
def _months() -> dict[str, int]:
    """The months by their names, whole and short, in plain letters."""
    from icu4py.messageformat import MessageFormat

    found: dict[str, int] = {}
    for language in _LANGUAGES:
        pattern = MessageFormat("{0,date,MMMM'|'LLLL'|'MMM}", language)
        for month in range(1, 13):
            names = str(pattern.format({"0": datetime(2024, month, 15, 12, tzinfo=UTC)})).split("|")
            found.update({_plain(name): month for name in names if _plain(name) not in found})
    return found
