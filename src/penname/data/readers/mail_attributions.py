"""The line above a quoted message that says who wrote it, and when: told from sentences of the sender like it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from penname.data.readers.mail_words import NAME_WORDS, OWN_WORDS, PRONOUNS, WROTE_WORDS, any_of

ATTRIBUTION_CHARACTERS = 300
"""Length up to which a line, or several that were wrapped, may be the one above a quoted message."""
TIME = r"\b\d\d?[:.]\d\d\b"
_WRAPPED_LINES = 3
"""Into how many more lines programs break the one above a quoted message."""
_INVISIBLE: dict[int, str | None] = {
    **dict.fromkeys([0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x61C, 0xFEFF]),
    **dict.fromkeys((0x2010, 0x2011), "-"),
    0xA0: " ",
    0x202F: " ",
}
_COLONS = (":", "：")
_ADDRESS = r"[\w.+=-]+@[\w.-]+"
_BY = rf"\b(?:by|von|de|da|od|от|від|av|af|van|door|par|por) {_ADDRESS} ?[:：]$"
_address = re.compile(rf"[<(\[][^<>()\[\]\s]*(?:mailto:)?[^<>()\[\]\s]+@[^<>()\[\]\s]+|{_BY}")
_ends_in_address = re.compile(rf"[<(\[]?[<(\[][^<>()\s]*{_ADDRESS}[^()]*[)>\]]*\s*[:：]$|{_BY}")
_dated = re.compile(rf"\b\d{{4}}\b|{TIME}|\d年|\b\d\d?/\d\d?/\d\d(?:\d\d)?\b")
day_of_year = re.compile(r"\b(?:19|20|۲۰|٢٠)\d\d\b|\d年|\b\d\d?([./])\s?\d\d?\1\s?\d\d(?:\d\d)?\b")
time_of_day = re.compile(rf"{TIME}|\d時|\d시|\d点")
_number = re.compile(r"\d+")
_others = "|".join(word for word in any_of(WROTE_WORDS).split("|") if not word.isascii())
_wrote = re.compile(rf"(?:^|[\s>,）)])(?:{any_of(WROTE_WORDS)})\b|{_others}")
_english_wrote = re.compile(r"on .{5,200} wrote:$", re.IGNORECASE)
_someone_wrote = re.compile(rf"(?:\* )?(?:[A-ZÀ-ÞА-ЯΑ-Ω][\w.'’-]*,? ){{2,4}}(?:{any_of(WROTE_WORDS)}) ?[:：]$")
_somebody_wrote = re.compile(rf"(?:\S+ ){{1,6}}(?:{any_of(WROTE_WORDS)}) ?[:：]$")
_in_brackets = re.compile(rf"(?:\* )?[^\[\]]{{2,80}} \[[^\[\]]*\d[^\[\]]*{TIME}[^\[\]]*\] ?[:：]$")
_between_dashes = re.compile(r"-{2,} ?(.{8,250}?) ?-{2,}$")
_in_a_group = re.compile(
    r".{3,120} (?:wrote in (?:message|news)|schrieb im newsbeitrag|a écrit dans le message|escribió en el mensaje"
    r"|ha scritto nel messaggio).{0,120}|quoting .{3,80} \(\d.{6,40}\):?",
    re.IGNORECASE,
)
_pronoun_wrote = re.compile(
    rf"\b(?:{PRONOUNS}) (?:{any_of(WROTE_WORDS)})\b|\b(?:{any_of(WROTE_WORDS)}) (?:{PRONOUNS})\b",
    re.IGNORECASE,
)
_own_word = re.compile(rf"(?<![\w.-])(?:{OWN_WORDS})(?![\w.-])")
_name_word = re.compile(rf"(?:{NAME_WORDS})\.?")
day_or_time = re.compile(
    r"\d[:.]\d\d(?!\d)|\d/\d\d?/\d|\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b"
    r"|\b(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi"
    r"|dimanche)\b",
    re.IGNORECASE,
)


def plain_line(line: str) -> str:
    """A line without outer white space, no-break spaces and invisible characters, as those that set a direction."""
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
    return (line.startswith("--") and _between_dashes.match(line) is not None) or _in_a_group.fullmatch(
        line
    ) is not None


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
        is_named = address and (
            wrote or day_of_year.search(line) or (dated and _ends_in_address.search(line) and _begins_with_date(line))
        )
        is_told = (
            (wrote and dated) or _english_wrote.match(line) or (day_of_year.search(line) and time_of_day.search(line))
        )
        return bool(is_named or is_told or (_somebody_wrote.match(line) and not _pronoun_wrote.search(line)))
    if wrote and _pronoun_wrote.search(line):
        return False
    if address and wrote:
        return True
    if address:
        return bool(
            day_of_year.search(line)
            and time_of_day.search(line)
            and _begins_with_date(line)
            and _ends_in_address.search(line)
        )
    if _someone_wrote.match(line):
        return True
    return bool(wrote and dated and day_or_time.search(line) and not _own_word.search(line))


def _is_dated(line: str) -> bool:
    """Whether there is a date in a line that is more than a year."""
    return bool(_dated.search(line)) and len(_number.findall(line)) > 1


def _begins_with_date(line: str) -> bool:
    """Whether a line is a date and a name, with few words before the date, and no words of a sentence."""
    before, _, names = (
        line.partition("@")[0].rpartition(" ")[0].partition(match[0] if (match := _number.search(line)) else "\n")
    )
    words = re.findall(r"[^\W\d_]+", re.sub(r'"[^"]*"', "", f"{before} {names}"))
    own = [word for word in words if word.islower() and not _name_word.fullmatch(word)]
    return len(before.split()) <= 4 and not own and len(words) < 14
