"""What mail programs put above and below others' words: blocks of headers, rules, and the footers of lists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice, takewhile

from penname.data.readers.mail_attributions import (
    TIME,
    attribution_lines,
    day_of_year,
    day_or_time,
    following,
    plain_line,
    time_of_day,
)
from penname.data.readers.mail_words import DATE_WORDS, FOOTERS, FORWARDED, FROM_WORDS, HEADER_WORDS, any_of

BELOW_IS_ANOTHERS, SIGNATURE_MARK = "-----Original Message-----", "-- "
"""What tells a passed-on message and a signature in a plain text."""
_HEADING_CHARACTERS = 2000
_NAME_CHARACTERS = 80
_forwarded = re.compile(FORWARDED, re.IGNORECASE)
_from_header = re.compile(rf"[*_ ]*(?:{any_of(FROM_WORDS)})[*_ ]*[:：][*_\s]*\S", re.IGNORECASE)
_date_header = re.compile(rf"[*_ ]*(?:{any_of(DATE_WORDS)})[*_ ]*[:：]", re.IGNORECASE)
_other_header = re.compile(rf"[*_ ]*(?:{any_of(DATE_WORDS + HEADER_WORDS)})[*_ ]*[:：]", re.IGNORECASE)
_any_header = re.compile(rf"[*_ ]*(?:{any_of(FROM_WORDS + DATE_WORDS + HEADER_WORDS)})[*_ ]*[:：]", re.IGNORECASE)
_rule = re.compile(r"[_=*#-]{20,}$|(?:-=|--~|~--|-~|--){3,}.*$|-{4,} ?[^\s-][^\n]{1,60}?[^\s-] ?-{4,}$")
_footer = re.compile(FOOTERS, re.IGNORECASE)
_OF_LISTS = (
    *("list", "ubscri", "group", "grup", "groep", "групп", "グループ", "订阅", "訂閱", "그룹", "._,", "next part"),
    *("sf.net", "posted by"),
)
"""What is in the lines of footers: looked for first, as it is found faster."""
_NOTES_DATE = rf"\d\d?[./-]\d\d?[./-]\d\d(?:\d\d)?,? {TIME}(?::\d\d)?(?: ?[AP]M)?(?: \S{{2,5}})?"
_notes_date = re.compile(rf"{_NOTES_DATE}$")
_notes_row = re.compile(rf"{_NOTES_DATE}\t(?:{any_of(HEADER_WORDS)})\t", re.IGNORECASE)


def ends_own_text(line: str, rest: Sequence[str]) -> bool:
    """Whether others' words, or a list's footer, begin with a line, up to the end of the text.

    rest: the lines below it.
    """
    if not line or line.startswith(">") or len(line) > _HEADING_CHARACTERS:
        return False
    small = line.lower()
    is_footer = any(words in small for words in _OF_LISTS) and _footer.match(line) is not None
    return is_footer or bool(_forwarded.match(line) or _is_rule_above(line, rest) or _begins_headers(line, rest))


def _is_rule_above(line: str, rest: Iterable[str]) -> bool:
    """Whether a line is a rule, with words in it or not, above a message's headers or a mailing list's footer."""
    if not _rule.match(line):
        return False
    filled = [plain for text in islice(rest, 8) if (plain := plain_line(text))][:2]
    return bool(filled and (_footer.match(filled[0]) or (len(filled) > 1 and all(map(_any_header.match, filled)))))


def _begins_headers(line: str, rest: Iterable[str]) -> bool:
    """Whether a line and the next ones are headers of a message, among them that of its sender.

    One more header is too little unless there is an address or a date: `From: Berlin` above `To: Hamburg` is none.
    """
    if not (":" in line or "：" in line) or not _any_header.match(line):
        return False
    filled = (plain for text in rest if (plain := plain_line(text)))
    if _from_header.match(line):
        if time_of_day.search(line) and not (day_of_year.search(line) or "@" in line):  # when a journey begins
            return False
        others = list(takewhile(_other_header.match, islice(filled, 4)))
        return len(others) > 1 or any("@" in line + other or _date_header.match(other) for other in others)
    block = [line, *takewhile(_any_header.match, islice(filled, 5))]
    senders = [header for header in block if _from_header.match(header)]
    dates = [header for header in block if _date_header.match(header)]
    return bool(senders and dates) and any("@" in header or day_or_time.search(header) for header in block)


def lines_of_notes_heading(own: Sequence[str], line: str, rest: Iterable[str]) -> int:
    """How many lines above a line name who wrote and when, as Lotus Notes does it above `To:`; 0 where it does not.

    own: the lines above.
    line: the first header, or the row of a table with it.
    rest: the lines below it.
    """
    if not line or len(line) > _HEADING_CHARACTERS:
        return 0
    is_row = _notes_row.match(line) is not None
    if not is_row and not (_other_header.match(line) and _other_header.match(following(rest))):
        return 0
    filled = [at for at, text in enumerate(own[-8:], max(0, len(own) - 8)) if plain_line(text)][-1 if is_row else -2 :]
    if not filled or not (is_row or (len(filled) > 1 and _notes_date.match(plain_line(own[filled[1]])))):
        return 0
    return len(own) - filled[0] if len(own[filled[0]]) <= _NAME_CHARACTERS else 0


def _below_headers(lines: Sequence[str]) -> list[str]:
    """The lines below the block of headers with which these begin, behind a line of dashes; none without a block."""
    first = 0 if _any_header.match(plain_line(lines[0])) else 1
    while first < len(lines) and not lines[first].strip():
        first += 1
    if first == len(lines) or not _any_header.match(plain_line(lines[first])):
        return []
    block = list(takewhile(plain_line, lines[first:]))
    last = max(at for at, line in enumerate(block) if _any_header.match(plain_line(line)))
    while last + 1 < len(block) and (block[last].endswith((",", ";")) or "@" in block[last + 1]):  # a header goes on
        last += 1
    return list(lines[first + last + 1 :])


def below_heading(lines: Sequence[str]) -> list[str]:
    """The lines of a quoted message, without what stands above its text."""
    first = next((at for at, line in enumerate(lines) if plain_line(line)), len(lines))
    if first == len(lines):
        return []
    line, rest = plain_line(lines[first]), lines[first + 1 :]
    if count := attribution_lines(line, rest):
        return list(rest[count - 1 :])
    return others_words(lines[first:]) if ends_own_text(line, rest) else list(lines[first:])


def others_words(lines: Sequence[str]) -> list[str]:
    """The lines of the message that is passed on below a line or a block of headers with which these begin."""
    below = _below_headers(lines)
    first = next((at for at, line in enumerate(lines[1:], 1) if plain_line(line)), len(lines))
    if not below and (count := attribution_lines(following(lines[1:]), lines[first + 1 :])):
        below = list(lines[first + count :])
    filled = [line for line in below if plain_line(line)]
    if all(line.lstrip().startswith(">") for line in filled):
        return [line.lstrip()[1:].removeprefix(" ") for line in below]
    return below
