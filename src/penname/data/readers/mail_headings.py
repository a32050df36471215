"""What mail programs put above and below others' words: lines that say who wrote, headers, rules, and lists' footers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice, takewhile

from penname.data.readers.mail_words import (
    DATE_WORDS,
    FOOTERS,
    FORWARDED,
    FROM_WORDS,
    HEADER_WORDS,
    NAME_WORDS,
    OWN_WORDS,
    PRONOUNS,
    WROTE_WORDS,
)

ATTRIBUTION_CHARACTERS = 300
"""Length up to which a line, or several that were wrapped, may be the one above a quoted message."""
BELOW_IS_ANOTHERS, SIGNATURE_MARK = "-----Original Message-----", "-- "
"""What tells a passed-on message and a signature in a plain text."""
_HEADING_CHARACTERS = 2000
_NAME_CHARACTERS = 80
_WRAPPED_LINES = 3
"""Into how many more lines programs break the one above a quoted message."""


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _words(table: str) -> list[str]:
    return re.split(r"[|\n]", table.strip())


_INVISIBLE: dict[int, str | None] = {
    **dict.fromkeys([0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x61C, 0xFEFF]),
    **dict.fromkeys((0x2010, 0x2011), "-"),
    0xA0: " ",
    0x202F: " ",
}
_COLONS = (":", "：")
_ADDRESS = r"[\w.+=-]+@[\w.-]+"
_TIME = r"\b\d\d?[:.]\d\d\b"
_BY = rf"\b(?:by|von|de|da|od|от|від|av|af|van|door|par|por) {_ADDRESS} ?[:：]$"
_address = re.compile(rf"[<(\[][^<>()\[\]\s]*(?:mailto:)?[^<>()\[\]\s]+@[^<>()\[\]\s]+|{_BY}")
_ends_in_address = re.compile(rf"[<(\[]?[<(\[][^<>()\s]*{_ADDRESS}[^()]*[)>\]]*\s*[:：]$|{_BY}")
_dated = re.compile(rf"\b\d{{4}}\b|{_TIME}|\d年|\b\d\d?/\d\d?/\d\d(?:\d\d)?\b")
_day = re.compile(r"\b(?:19|20|۲۰|٢٠)\d\d\b|\d年|\b\d\d?([./])\s?\d\d?\1\s?\d\d(?:\d\d)?\b")
_time = re.compile(rf"{_TIME}|\d時|\d시|\d点")
_number = re.compile(r"\d+")
_spaced = rf"(?:^|[\s>,）)])(?:{_any_of(_words(WROTE_WORDS))})\b"
_wrote = re.compile(rf"{_spaced}|(?:{_any_of(word for word in _words(WROTE_WORDS) if not word.isascii())})")
_english_wrote = re.compile(r"on .{5,200} wrote:$", re.IGNORECASE)
_someone_wrote = re.compile(
    rf"(?:\* )?(?:[A-ZÀ-ÞА-ЯΑ-Ω][\w.'’-]*,? ){{2,4}}(?:{_any_of(_words(WROTE_WORDS))}) ?[:：]$"
)
_somebody_wrote = re.compile(rf"(?:\S+ ){{1,6}}(?:{_any_of(_words(WROTE_WORDS))}) ?[:：]$")
_in_brackets = re.compile(rf"(?:\* )?[^\[\]]{{2,80}} \[[^\[\]]*\d[^\[\]]*{_TIME}[^\[\]]*\] ?[:：]$")
_between_dashes = re.compile(r"-{2,} ?(.{8,250}?) ?-{2,}$")
_in_a_group = re.compile(
    r".{3,120} (?:wrote in (?:message|news)|schrieb im newsbeitrag|a écrit dans le message|escribió en el mensaje"
    r"|ha scritto nel messaggio).{0,120}|quoting .{3,80} \(\d.{6,40}\):?",
    re.IGNORECASE,
)
_pronoun_wrote = re.compile(
    rf"\b(?:{PRONOUNS}) (?:{_any_of(_words(WROTE_WORDS))})\b|\b(?:{_any_of(_words(WROTE_WORDS))}) (?:{PRONOUNS})\b", re.IGNORECASE
)
_own_word = re.compile(rf"(?<![\w.-])(?:{OWN_WORDS})(?![\w.-])")
_name_word = re.compile(rf"(?:{NAME_WORDS})\.?")
_day_or_time = re.compile(
    r"\d[:.]\d\d(?!\d)|\d/\d\d?/\d|\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b"
    r"|\b(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\b",
    re.IGNORECASE,
)

_forwarded = re.compile(FORWARDED, re.IGNORECASE)
_from_header = re.compile(rf"[*_ ]*(?:{_any_of(_words(FROM_WORDS))})[*_ ]*[:：][*_\s]*\S", re.IGNORECASE)
_date_header = re.compile(rf"[*_ ]*(?:{_any_of(_words(DATE_WORDS))})[*_ ]*[:：]", re.IGNORECASE)
_other_header = re.compile(rf"[*_ ]*(?:{_any_of(_words(DATE_WORDS) + _words(HEADER_WORDS))})[*_ ]*[:：]", re.IGNORECASE)
_any_header = re.compile(
    rf"[*_ ]*(?:{_any_of(_words(FROM_WORDS) + _words(DATE_WORDS) + _words(HEADER_WORDS))})[*_ ]*[:：]", re.IGNORECASE
)
_rule = re.compile(r"[_=*#-]{20,}$|(?:-=|--~|~--|-~|--){3,}.*$|-{4,} ?[^\s-][^\n]{1,60}?[^\s-] ?-{4,}$")
_footer = re.compile(FOOTERS, re.IGNORECASE)
_OF_LISTS = (
    *("list", "ubscri", "group", "grup", "groep", "групп", "グループ", "订阅", "訂閱", "그룹", "._,", "next part", "sf.net"),
    "posted by",
)
"""What is in the lines of footers: looked for first, as it is found faster."""
_NOTES_DATE = rf"\d\d?[./-]\d\d?[./-]\d\d(?:\d\d)?,? {_TIME}(?::\d\d)?(?: ?[AP]M)?(?: \S{{2,5}})?"
_notes_date = re.compile(rf"{_NOTES_DATE}$")
_notes_row = re.compile(rf"{_NOTES_DATE}\t(?:{_any_of(_words(HEADER_WORDS))})\t", re.IGNORECASE)


def plain_line(line: str) -> str:
    """A line without outer white space, no-break spaces and invisible characters, such as those that set a direction."""
    visible = line if line.isascii() else line.translate(_INVISIBLE)
    return visible.replace("&nbsp;", " ").strip(" \t")


def following(lines: Iterable[str]) -> str:
    """The next line that is not empty."""
    return next((plain for line in lines if (plain := plain_line(line))), "")


def attribution_lines(line: str, rest: Sequence[str]) -> int:
    """Into how many lines what stands above a quoted message, and says who wrote, is broken; 0 where it is none.

    line: its first line.
    rest: the lines below that.
    """
    if len(line) > ATTRIBUTION_CHARACTERS or not (line.endswith((*_COLONS, "-", "...")) or _may_be_wrapped(line)):
        return 0
    joined = line
    for count in range(1, _WRAPPED_LINES + 2):
        if joined.endswith(_COLONS) or _needs_no_colon(joined):
            is_one = _is_attribution(joined, following(islice(rest, count - 1, None)).startswith(">"))
            return count if is_one and (count == 1 or _may_begin(line, joined)) else 0
        if count > len(rest) or not (below := plain_line(rest[count - 1])) or len(joined) > ATTRIBUTION_CHARACTERS:
            return 0
        joined = f"{joined} {below}"
    return 0


def _needs_no_colon(line: str) -> bool:
    return (line.startswith("--") and _between_dashes.match(line) is not None) or _in_a_group.fullmatch(line) is not None


def _may_be_wrapped(line: str) -> bool:
    return line[:3].lower() == "on " or "@" in line or len(_number.findall(line)) > 1


def _may_begin(line: str, joined: str) -> bool:
    """Whether a line is the first one of what is joined, and not one of the text above it."""
    last = joined[len(line) :].strip()
    begins = _is_dated(line) or line[:3].lower() == "on " or (_address.search(line) and not _is_attribution(last))
    return bool(begins) and not line.endswith((".", "!", "?"))


def _is_attribution(line: str, is_above_marks: bool = False) -> bool:
    """Whether a line stands above a quoted message: it names who wrote, and when.

    is_above_marks: whether quoted lines follow; without these it has to be told from an own sentence.
    """
    if dashes := _between_dashes.match(line):
        line = f"{dashes[1]}:"
    if _in_a_group.fullmatch(line):
        return True
    if len(line) > ATTRIBUTION_CHARACTERS or not line.endswith(_COLONS):
        return False
    address, wrote, dated = _address.search(line), _wrote.search(line), _is_dated(line)
    if _in_brackets.match(line):
        return True
    if is_above_marks:
        is_named = address and (wrote or _day.search(line) or (dated and _ends_in_address.search(line) and _begins_with_date(line)))
        is_told = (wrote and dated) or _english_wrote.match(line) or (_day.search(line) and _time.search(line))
        return bool(is_named or is_told or (_somebody_wrote.match(line) and not _pronoun_wrote.search(line)))
    if wrote and _pronoun_wrote.search(line):
        return False
    if address and wrote:
        return True
    if address:
        return bool(_day.search(line) and _time.search(line) and _begins_with_date(line) and _ends_in_address.search(line))
    if _someone_wrote.match(line):
        return True
    return bool(wrote and dated and _day_or_time.search(line) and not _own_word.search(line))


def _is_dated(line: str) -> bool:
    """Whether there is a date in a line that is more than a year."""
    return bool(_dated.search(line)) and len(_number.findall(line)) > 1


def _begins_with_date(line: str) -> bool:
    """Whether a line is a date and a name, with few words before the date, and no words of a sentence."""
    before, _, names = line.partition("@")[0].rpartition(" ")[0].partition(match[0] if (match := _number.search(line)) else "\n")
    words = re.findall(r"[^\W\d_]+", re.sub(r'"[^"]*"', "", f"{before} {names}"))
    own = [word for word in words if word.islower() and not _name_word.fullmatch(word)]
    return len(before.split()) <= 4 and not own and len(words) < 14


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
        if _time.search(line) and not (_day.search(line) or "@" in line):  # when a journey begins
            return False
        others = list(takewhile(_other_header.match, islice(filled, 4)))
        return len(others) > 1 or any("@" in line + other or _date_header.match(other) for other in others)
    block = [line, *takewhile(_any_header.match, islice(filled, 5))]
    senders = [header for header in block if _from_header.match(header)]
    dates = [header for header in block if _date_header.match(header)]
    return bool(senders and dates) and any("@" in header or _day_or_time.search(header) for header in block)


def lines_of_notes_heading(own: Sequence[str], line: str, rest: Iterable[str]) -> int:
    """How many lines above a line name who wrote and when, as Lotus Notes does it above `To:`; 0 where it does not.

    own: the lines above.
    line: the first header, or the row of a table with it.
    rest: the lines below it.
    """
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
