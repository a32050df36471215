"""Dates as people and programs write them, in many languages; each column of dates is read in one way.

Where day and month are both numbers, the order is told by the column's dates that can be read in one way only. What
lacks a year is no date.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from penname.data.calendars import common_year, day_of, in_numbers
from penname.data.months import month_named
from penname.data.records import Location, optional_text
from penname.errors import ArgumentError
from penname.text_caches import text_cache

ORDERS = ("dmy", "mdy", "ymd")
"""Orders of day, month and year, the first of those that fit equally well being taken."""

ENOUGH = 20
"""Number of dates that show how a column is read, after which the others are not looked at."""

EXPECTED = "a date as in 2024-05-31 or 2024-05-31T12:00:00"

_LONGEST = 80
_FIRST_YEAR_OF_CENTURY = 70
"""Years of two digits from this one on are of the twentieth century, as in POSIX."""

_NUMBERS = re.compile(r"(?:[^\W\d]+[.,]* +(?=\d+ ?[-/.]))?(\d{1,2}) ?([-/. ]) ?(\d{1,2}) ?\2 ?(\d{4}|\d{2})\.?[ ,T]*")
_YEAR_FIRST = re.compile(r"(?:[^\W\d]+[.,]* +)?(\d{4}) ?([-/. ]) ?(\d{1,2}) ?\2 ?(\d{1,2})\.?[ ,T]*")
_NORTHERN_TIME = re.compile(r"\b(?:klo?|kell|um)\.? (\d{1,2})[.](\d\d)\b", re.IGNORECASE)
_TIME = re.compile(
    r"(?:(?P<before>上午|下午|午前|午後|오전|오후|晚上|凌晨|早上) ?)?(?<!\d)"
    r"(?:(?P<hour>\d{1,2})[:h](?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d+)?)?|(?P<whole>\d{1,2})(?= ?(?i:[ap]\.?m)))"
    r"(?: ?(?P<half>(?i:[ap]\.? ?m\b\.?)|[μπ]\.?μ\.?|[صم]\b))?"
    r"(?: ?(?P<zone>(?:UTC|GMT)?[+-]\d\d?(?::?\d\d)?\b|[A-Z]{1,5}\b))?"
)
_AFTERNOON = re.compile(r"p|μ|م|下午|午後|오후|晚上", re.IGNORECASE)
_ZONE = re.compile(r"(?:UTC|GMT)?([+-])(\d\d?):?(\d\d)?")
_ZONES = {
    **dict.fromkeys(("Z", "UT", "UTC", "GMT", "WET"), 0),
    **{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "HST": -10},
    **{"BST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9},
}
"""Hours from UTC. A time in a zone with another name is taken as it is."""
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_TOKEN = re.compile(
    r"\d+|[^\W\d_](?:[^\W\d_]|[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0e31\u0e34-\u0e4e])*"
)
"""Numbers, and words with the marks of their letters."""
_FILLERS = frozenset(
    "of the de del d di da do den der le la el l en em um à às at kl klo on st nd rd th er ª º г р року года год в о um"
    " m a i ve na uhr h del año ano an år ב ที่ เวลา น".split()
)
_WHOLE_YEAR = re.compile(r"^(\d{4})\.0+$")
_SCIENTIFIC = re.compile(r"\d[.,]\d+[eE]\+?(?:09|9|12)")
_SINCE_1970 = re.compile(r"(\d{9,13})(?:\.\d*)?")
_END_OF_DAY = re.compile(r"([T ])24(?=:?00(?::?00(?:\.0+)?)?(?:$|[Z+ -]))")
_ZONED = re.compile(r"(?<=\d) ?(UTC|GMT|[+-]\d\d:?\d\d)$")
_AMAZON = re.compile(r"(\d\d?) (\d\d?), (\d{4})")
"""Month, day and year in the reviews of Amazon that are published."""
_EPOCH = re.compile(r"\d{15,16}|\d{18,19}")
_EXCEL = re.compile(r"[2-7]\d{4}(?:\.\d+)?")
_EXCEL_BEGINS = datetime(1899, 12, 30)

Numbers = tuple[int, int, int]


@dataclass(frozen=True)
class DateColumn:
    """How the dates of a column are read.

    order: that of day, month and year, where all are numbers: one of `ORDERS`.
    pattern: what all of them look like, as for `datetime.strptime`; None for any that is known.
    is_excel: whether numbers are days since 1899, as in Excel.
    """

    order: str = "dmy"
    pattern: str | None = None
    is_excel: bool = False

    def read(self, record: Mapping[str, Any], name: str, location: Location) -> str | None:
        """The date in the field `name`, if any, in ISO 8601 and in UTC where it has a time zone.

        Raises DataError for what is no date.
        """
        text = (optional_text(record, name, location) or "").strip()
        if not text:
            return None
        try:
            found = self._of_text(text)
        except (ValueError, OverflowError):
            found = None
        if found is None:
            expected = EXPECTED if self.pattern is None else f"a date as in {self.pattern}"
            raise location.error(name, repr(text)[:40], expected)
        return found

    def _of_text(self, text: str) -> str | None:
        if self.pattern is not None:
            return _by_pattern(text, self.pattern)
        text = text if text.isascii() else in_numbers(text)
        if self.is_excel and _EXCEL.fullmatch(text):
            return _of_excel(text)
        return _by_standard(text) or parse_date(text, self.order)


def optional_date(record: Mapping[str, Any], name: str, location: Location) -> str | None:
    """The date in the field `name`, if any, in ISO 8601 and in UTC where it has a time zone, so that it sorts as text.

    Raises DataError for what is no date, and for one as 05/06/2024, whose order only a column shows.
    """
    text = record.get(name)
    if isinstance(text, str) and "/" in text and _numbers_of(text.strip()) is not None:
        raise location.error(name, repr(text)[:40], EXPECTED)
    return DateColumn().read(record, name, location)


def date_column(given: str | None) -> DateColumn:
    """The column that a user describes: an order such as `dmy`, or a pattern as for `datetime.strptime`.

    Raises ArgumentError for anything else.
    """
    if given is None or given in ORDERS:
        return DateColumn(given or ORDERS[0])
    moment = datetime(1999, 12, 31, 22, 58, 57, tzinfo=UTC)
    try:
        understood = datetime.strptime(moment.strftime(given), given)
    except (ValueError, re.error):
        understood = None
    if understood is None or understood.year != moment.year:
        expected = f"expected {', '.join(ORDERS)}, or a pattern with a year as in %d.%m.%Y %H:%M"
        raise ArgumentError("date_format", f"found {given!r}, {expected}")
    return DateColumn(pattern=given)


def told_column(texts: Iterable[str]) -> tuple[DateColumn, str | None]:
    """How the dates of a column are to be read, and what to say of it, if anything.

    texts: the column's values; no more are taken than it needs.
    """
    fits: Counter[str] = Counter()
    shown: dict[str, str] = {}
    example, by_half, excel, others = "", False, 0, 0
    for text in map(str.strip, texts):
        numbers = _numbers_of(text)
        if numbers is not None:
            orders = [order for order in ORDERS if _date_of(numbers, order) is not None]
            fits.update(orders)
            if len(orders) == 1:
                shown.setdefault(orders[0], text)
            elif len({_date_of(numbers, order) for order in orders}) > 1:
                example = example or text
            by_half = by_half or bool(re.search(r"\d ?[ap]\.?m", text, re.IGNORECASE) and "/" in text)
        elif _EXCEL.fullmatch(text):
            excel += 1
        else:
            others += bool(text)
        if _is_enough(fits) if fits else others + excel >= ENOUGH:
            break
    if excel and not fits and not others:
        return DateColumn(is_excel=True), "numbers as dates, taken for days since 1899, as in Excel"
    if not fits or not (example or shown):
        return DateColumn(), None
    preferred = ("mdy", "dmy", "ymd") if by_half else ORDERS
    order = max(preferred, key=fits.__getitem__)
    if order in shown:
        return DateColumn(order), f"dates are read as {_in_words(order)}, as {shown[order]!r} shows"
    if not example:
        return DateColumn(order), None
    numbers = _numbers_of(example)
    assert numbers is not None
    others_named = " or ".join(other for other in ORDERS if other != order and fits[other])
    said = f"{example!r} is read as {_date_of(numbers, order)}, as no date shows the order"
    return DateColumn(order), f"{said}; the date format {others_named} reads it otherwise"


def _is_enough(fits: Counter[str]) -> bool:
    """Whether the order that fits best is far enough before the others."""
    best, second = (fits[order] for order in sorted(ORDERS, key=fits.__getitem__, reverse=True)[:2])
    return best - second >= ENOUGH


def _in_words(order: str) -> str:
    return ", ".join({"d": "day", "m": "month", "y": "year"}[part] for part in order)


@text_cache(maxsize=4096)
def parse_date(text: str, order: str) -> str | None:
    """A date in ISO 8601, in UTC where it has a time zone; None for a text that is none, or lacks its year.

    order: that of day, month and year, where all are numbers: one of `ORDERS`.
    """
    if len(text) > _LONGEST:
        return None
    text = in_numbers(text)
    if _EPOCH.fullmatch(text):
        moment = datetime.fromtimestamp(int(text[:-6] if len(text) < 17 else text[:-9]), UTC)
        return moment.replace(tzinfo=None).isoformat()
    try:
        rest, time = _without_time(text)
        rest = _IN_BRACKETS.sub("", rest).strip(" ,T")
        day = _date_in(rest, order)
        if day is None:
            return None
        if isinstance(day, str):  # a month
            return day if time is None else None
        if time is None:
            return day.isoformat()
        (hour, minute, second), offset = time
        is_end = (hour, minute, second) == (24, 0, 0)
        moment = datetime(day.year, day.month, day.day, 0 if is_end else hour, minute, second, tzinfo=offset)
        moment += timedelta(days=is_end)
        return (moment.astimezone(UTC) if offset else moment).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return None


def _by_standard(text: str) -> str | None:
    """A year, seconds or milliseconds since 1970, or a date in ISO 8601, in its form; None for any other text."""
    if not text[:1].isdigit():
        return None
    text = _WHOLE_YEAR.sub(r"\1", text)
    try:
        if _SCIENTIFIC.fullmatch(text):  # as spreadsheets show large numbers
            text = f"{float(text.replace(',', '.')):.3f}"
        if (since := _SINCE_1970.fullmatch(text)) is not None:
            seconds = float(text) / (1000 if len(since[1]) > 11 else 1)
            return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        if not text[:4].isdigit() or text[4:5] not in ("", "-", "0", "1", "W"):
            return None
        text = f"{common_year(int(text[:4])):04}{text[4:]}"
        if len(text) == 4:
            return text
        if len(text) == 7:  # a month
            return datetime.fromisoformat(f"{text}-01").strftime("%Y-%m")
        if len(text) <= 10:
            return date.fromisoformat(text).isoformat()
        begun, is_end = _END_OF_DAY.subn(r"\g<1>00", text)
        moment = datetime.fromisoformat(_ZONED.sub(_zone_in_iso, begun)) + timedelta(days=is_end)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def _zone_in_iso(match: re.Match[str]) -> str:
    """A time zone as ISO 8601 writes it."""
    return match[1] if match[1][0] in "+-" else "+00:00"


def _without_time(text: str) -> tuple[str, tuple[tuple[int, int, int], timezone | None] | None]:
    """A text without its time of day, and that with its zone."""
    text = _NORTHERN_TIME.sub(r"\1:\2", text)
    found = _TIME.search(text)
    if found is None:
        return text, None
    half = found["half"] or found["before"]
    hour = int(found["hour"] or found["whole"])
    if half and hour <= 12:
        hour = hour % 12 + 12 * bool(_AFTERNOON.match(half))
    zone = found["zone"] or ""
    end = found.start("zone") if zone and month_named(zone) else found.end()
    rest = f"{text[: found.start()].rstrip()} {text[end:]}"
    return rest, ((hour, int(found["minute"] or 0), int(found["second"] or 0)), _zone(zone))


def _zone(name: str) -> timezone | None:
    if offset := _ZONE.fullmatch(name):
        minutes = 60 * int(offset[2]) + int(offset[3] or 0)
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    return timezone(timedelta(hours=_ZONES[name])) if name in _ZONES else None


@text_cache(maxsize=4096)
def _numbers_of(text: str) -> Numbers | None:
    """The three numbers of a date whose order is to be told; None for any other text."""
    if len(text) > _LONGEST:
        return None
    rest = _without_time(in_numbers(text))[0]
    found = _NUMBERS.fullmatch(_IN_BRACKETS.sub("", rest).strip(" ,T"))
    return (int(found[1]), int(found[3]), int(found[4])) if found else None


def _date_of(numbers: Numbers, order: str) -> date | None:
    """The date of three numbers in this order; None where there is none."""
    values = dict(zip(order, numbers, strict=True))
    year = values["y"]
    if year >= 100 and order == "ymd":
        return None
    try:
        return day_of(_full_year(year), values["m"], values["d"])
    except ValueError:
        return None


def _full_year(year: int) -> int:
    return year if year >= 100 else year + (1900 if year >= _FIRST_YEAR_OF_CENTURY else 2000)


def _date_in(text: str, order: str) -> date | str | None:
    """The day, or the month as text, that a text without a time of day names."""
    if found := _NUMBERS.fullmatch(text):
        return _date_of((int(found[1]), int(found[3]), int(found[4])), order)
    if found := _YEAR_FIRST.fullmatch(text):
        return day_of(int(found[1]), int(found[3]), int(found[4]))
    if found := _AMAZON.fullmatch(text):
        return date(int(found[3]), int(found[1]), int(found[2]))
    return _date_in_words(_TOKEN.findall(text))


def _date_in_words(tokens: list[str]) -> date | str | None:
    """The day or month that numbers and words name; the first word may be any, such as a day of the week."""
    months = [at for at, token in enumerate(tokens) if not token.isdigit() and month_named(token)]
    if len(months) == 2 and months[0] == 0:  # as where "mar" is Tuesday
        months = months[1:]
    if len(months) != 1 or len(tokens) > 9:
        return None
    at = months[0]
    unknown = [i for i, token in enumerate(tokens) if i != at and not token.isdigit() and token.lower() not in _FILLERS]
    numbers = [(i, token) for i, token in enumerate(tokens) if token.isdigit()]
    month = month_named(tokens[at])
    if unknown not in ([], [0]) or month is None:
        return None
    if len(numbers) == 1:
        alone = numbers[0][1]
        return f"{common_year(int(alone)):04}-{month:02}" if len(alone) == 4 and not unknown else None
    if len(numbers) != 2:
        return None
    (first, before), (_, after) = numbers
    if len(before) == 4:
        return date(common_year(int(before)), month, int(after)) if first < at and len(after) < 3 else None
    if len(after) not in (2, 4) or len(before) > 2 or numbers[1][0] < at:
        return None
    is_thai = "\u0e00" < tokens[at][0] < "\u0e7f"
    year = int(after) + 2500 if is_thai and len(after) == 2 else _full_year(int(after))
    return date(common_year(year), month, int(before))


def _by_pattern(text: str, pattern: str) -> str:
    moment = datetime.strptime(text, pattern)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    if re.search(r"%[HIcX]", pattern):
        return moment.isoformat()
    if not re.search(r"%[djcxUWV]", pattern):
        return moment.strftime("%Y-%m" if re.search(r"%[mbB]", pattern) else "%Y").zfill(4)
    return moment.date().isoformat()


def _of_excel(text: str) -> str:
    moment = _EXCEL_BEGINS + timedelta(days=float(text))
    return moment.date().isoformat() if "." not in text else moment.replace(microsecond=0).isoformat()
