"""Days of the calendars that people write dates in, and dates in other scripts in numbers that all share."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, timedelta

IRANIAN_YEARS, BUDDHIST_YEARS, BUDDHIST_BEGINS = range(1300, 1500), range(2400, 2700), 543
"""Years that are no Gregorian ones of a text, and how many years the Buddhist calendar is ahead."""
_EAST_ASIAN = re.compile(r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일]")
_EAST_ASIAN_TIME = re.compile(r"(\d{1,2}) ?[時时点點시] ?(\d{1,2}) ?[分분]?(?: ?(\d{1,2}) ?[秒초])?")
_EAST_ASIAN_WEEKDAY = re.compile(r"(?:星期|週|周)[一二三四五六日天]|[日月火水木金土]曜日?|[월화수목금토일]요일")
_VIETNAMESE = re.compile(r"(?:ngày )?(\d{1,2}) tháng (\d{1,2}),? (?:năm )?(\d{4})", re.IGNORECASE)
_THAI_MONTHS = dict(
    zip(
        "ม.ค. ก.พ. มี.ค. เม.ย. พ.ค. มิ.ย. ก.ค. ส.ค. ก.ย. ต.ค. พ.ย. ธ.ค.".split(),
        "มกราคม กุมภาพันธ์ มีนาคม เมษายน พฤษภาคม มิถุนายน กรกฎาคม สิงหาคม กันยายน ตุลาคม พฤศจิกายน ธันวาคม".split(),
        strict=True,
    )
)
"""The names of months by their abbreviations, which only marks tell from each other."""
_THAI_MONTH = re.compile("|".join(map(re.escape, _THAI_MONTHS)))
_THAI_ERA = re.compile(r"(?:พ\.ศ\.|ค\.ศ\.)")


def day_of(year: int, month: int, day: int) -> date:
    """A day of the Gregorian calendar, of Iran's (years 1300 to 1499) or of the Buddhist one (2400 to 2699).

    Raises ValueError where there is none.
    """
    if year in IRANIAN_YEARS:
        days = (month - 1) * 31 - max(0, month - 7) + day - 1  # of six months with 31 days, then of 30
        if not (1 <= month <= 12 and 1 <= day <= (31 if month < 7 else 30)):
            raise ValueError("no day of Iran's calendar")
        return _iranian_new_year(year) + timedelta(days)
    return date(common_year(year), month, day)


def common_year(year: int) -> int:
    """The Gregorian year of one of the Buddhist calendar; any other as it is."""
    return year - BUDDHIST_BEGINS if year in BUDDHIST_YEARS else year


def _iranian_new_year(year: int) -> date:
    """The first day of a year of Iran's calendar: eight of each 33 years are leap years."""
    past = year - IRANIAN_YEARS[0]
    leap_days = sum((IRANIAN_YEARS[0] + n) % 33 in (1, 5, 9, 13, 17, 22, 26, 30) for n in range(past))
    return date(1921, 3, 21) + timedelta(365 * past + leap_days)


def in_numbers(text: str) -> str:
    """A text with the digits of ASCII, East Asian dates as in 2024-5-31, and single spaces, without invisible marks."""
    if not text.isascii():
        text = "".join(
            str(unicodedata.decimal(letter)) if letter.isdecimal() else letter
            for letter in text
            if unicodedata.category(letter) != "Cf"
        )
        text = _EAST_ASIAN_WEEKDAY.sub("", _EAST_ASIAN.sub(r"\1-\2-\3", text))
        text = _EAST_ASIAN_TIME.sub(lambda found: ":".join(part.zfill(2) for part in found.groups() if part), text)
        text = _THAI_MONTH.sub(lambda found: f" {_THAI_MONTHS[found[0]]} ", _THAI_ERA.sub(" ", text))
        text = _VIETNAMESE.sub(r"\3-\2-\1", text)
    return " ".join(text.split())
