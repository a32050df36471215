"""Reads the dates of WhatsApp's messages, in an order of day, month and year and in any of its calendars."""

from __future__ import annotations

from datetime import date

from penname.data.calendars import day_of
from penname.data.readers.whatsapp_lines import Line
from penname.text_caches import text_cache

_FOUNDED = 2009
"""The year in which WhatsApp began."""


def moment_of(line: Line, order: str) -> str | None:
    """A message's local date and time in ISO 8601; None for one that does not exist, or was before WhatsApp.

    order: that of day, month and year.
    """
    day = _date(line.numbers, order)
    hour, minute, second = line.time
    is_time = hour < 24 and minute < 60 and second < 60
    return f"{day}T{hour:02}:{minute:02}:{second:02}" if day is not None and is_time else None


@text_cache(maxsize=1000)
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
