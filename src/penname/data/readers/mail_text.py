"""What the sender of an email wrote: its text without quoted and forwarded messages, and without signatures.

Mail programs put a line above what they quote (`On Monday Ann wrote:`) or a block of headers, in the language of their
user.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from itertools import islice, takewhile

from penname.data.readers.mail_words import DATE_WORDS, FORWARDED, FROM_WORDS, HEADER_WORDS, PHONE, WROTE_WORDS

_ADDRESS = r"[<(\[][^<>()\[\]\s]*(?:mailto:)?[^<>()\[\]\s]+@[^<>()\[\]\s]+"
_DATE = r"\b\d{4}\b|\b\d\d?[:.]\d\d\b|\d年|\b\d\d?/\d\d?/\d\d(?:\d\d)?\b"
_NUMBER = re.compile(r"\d+")
_COLONS = (":", "：")
ATTRIBUTION_CHARACTERS = 300
"""Length up to which a line, or two that were wrapped, may be the one above a quoted message."""


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


def _words(table: str) -> list[str]:
    return re.split(r"[|\n]", table.strip())


_end_of_text = re.compile(FORWARDED, re.IGNORECASE)
_spaced = rf"(?:^|[\s>,）)])(?:{_any_of(_words(WROTE_WORDS))})\b"
_wrote = re.compile(rf"{_spaced}|(?:{_any_of(word for word in _words(WROTE_WORDS) if not word.isascii())})")
_english_wrote = re.compile(r"on .{5,200} wrote:$", re.IGNORECASE)
_address, _date = re.compile(_ADDRESS), re.compile(_DATE)
_from_header = re.compile(rf"[*_ ]*(?:{_any_of(_words(FROM_WORDS))})[*_ ]*[:：][*_ ]*\S", re.IGNORECASE)
_date_header = re.compile(rf"[*_ ]*(?:{_any_of(_words(DATE_WORDS))})[*_ ]*[:：]", re.IGNORECASE)
_other_header = re.compile(rf"[*_ ]*(?:{_any_of(_words(DATE_WORDS) + _words(HEADER_WORDS))})[*_ ]*[:：]", re.IGNORECASE)
_rule = re.compile(r"_{20,}$|={20,}$|-{4,} ?[^\s-][^\n]{1,60}?[^\s-] ?-{4,}$")
_list_footer = re.compile(r".*\bmailing list$|to unsubscribe\b", re.IGNORECASE)
_signed = re.compile(r"^-----BEGIN PGP SIGNED MESSAGE-----\n(?:[A-Za-z]+: .*\n)*\n?", re.MULTILINE)
_armour = re.compile(
    r"^-----BEGIN PGP (SIGNATURE|MESSAGE|PUBLIC KEY BLOCK)-----$.*?(?:^-----END PGP \1-----$|\Z)", re.M | re.S
)
_day_or_time = re.compile(
    r"\d[:.]\d\d(?!\d)|\d/\d\d?/\d|\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b"
    r"|\b(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\b",
    re.IGNORECASE,
)
_phone = re.compile(rf"(?:{PHONE})(?:<[^<>]*>)?\.?", re.IGNORECASE)


def sender_text(body: str) -> str:
    """What the sender wrote: the text before a quoted or forwarded message or the signature, without quoted lines.

    Text below quoted lines is the sender's too.

    body: the plain text of a message.
    """
    return divided_text(body)[0]


def divided_text(body: str) -> tuple[str, str]:
    """What the sender wrote, as `sender_text` says, and what the one wrote who is quoted first; empty where none is.

    body: the plain text of a message.
    """
    own: list[str] = []
    quoted: list[str] = []
    rest = deque(line.rstrip() for line in _without_armour(body.replace("\r\n", "\n")).split("\n"))
    while rest:
        line = rest.popleft()
        plain = _plain(line)
        if _end_of_text.match(plain) or _is_rule_above(plain, rest) or _begins_headers(plain, rest):
            quoted = quoted or _below_headers([line, *rest])
            break
        following = _plain(rest[0]) if rest else ""
        if following.endswith(_COLONS) and _is_wrapped_attribution(plain, following):
            plain = f"{plain} {following}"
            rest.popleft()
        if _is_attribution(plain, _following(rest).startswith(">")):
            if not _following(rest).startswith(">"):
                quoted = quoted or list(rest)
                break
        elif plain.startswith(">"):
            quoted.append(plain[1:].removeprefix(" "))
        else:
            own.append(line)
    answered = divided_text("\n".join(quoted))[0] if quoted else ""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_without_phone(own))).strip(), answered


def _without_armour(text: str) -> str:
    """A text without what PGP puts around one that is signed, and without signatures, keys and what is encrypted."""
    if "-----BEGIN PGP " not in text:
        return text
    opened = _signed.sub("", text)
    return _armour.sub("", re.sub(r"^- (?=-)", "", opened, flags=re.MULTILINE) if opened != text else text)


def _is_rule_above(line: str, rest: Iterable[str]) -> bool:
    """Whether a line is a rule, with words in it or not, above a message's headers or a mailing list's footer."""
    if not _rule.match(line):
        return False
    following = _following(rest)
    is_header = _from_header.match(following) or _other_header.match(following)
    return bool(is_header or _list_footer.match(following))


def _begins_headers(line: str, rest: Iterable[str]) -> bool:
    """Whether a line and the next ones are headers of a message, the first one that of its sender.

    One more header is too little unless there is an address or a date: `From: Berlin` above `To: Hamburg` is none.
    """
    if not (":" in line or "：" in line) or not _from_header.match(line):
        return False
    filled = (plain for text in rest if (plain := _plain(text)))
    others = list(takewhile(_other_header.match, islice(filled, 4)))
    return len(others) > 1 or any("@" in line + other or _date_header.match(other) for other in others)


def _below_headers(lines: list[str]) -> list[str]:
    """The lines below the block of headers with which these begin, behind a line of dashes; none without a block."""
    first = 0 if _from_header.match(_plain(lines[0])) else 1
    while first < len(lines) and not lines[first].strip():
        first += 1
    if first == len(lines) or not (_from_header.match(header := _plain(lines[first])) or _other_header.match(header)):
        return []
    while first < len(lines) and lines[first].strip():
        first += 1
    return lines[first:]


def _plain(line: str) -> str:
    """A line without outer white space, no-break spaces and other invisible characters."""
    return line.replace("\xa0", " ").replace("\u202f", " ").strip(" \t\u200b\u200e\u200f\ufeff")


def _following(lines: Iterable[str]) -> str:
    """The next line that is not empty."""
    return next((plain for line in lines if (plain := _plain(line))), "")


def _is_attribution(line: str, is_above_marks: bool = False) -> bool:
    """Whether a line stands above a quoted message: it names who wrote, and when.

    is_above_marks: whether quoted lines follow; without these a day of the year is too little, as in an own sentence.
    """
    if not line.endswith(_COLONS) or len(line) > ATTRIBUTION_CHARACTERS:
        return False
    address, wrote, dated = _address.search(line), _wrote.search(line), _is_dated(line)
    if address and (wrote or dated):
        return True
    if is_above_marks:
        return bool((wrote and dated) or _english_wrote.match(line))
    return bool(wrote and dated and _day_or_time.search(line))


def _is_dated(line: str) -> bool:
    """Whether there is a date in a line that is more than a year."""
    return bool(_date.search(line)) and len(_NUMBER.findall(line)) > 1


def _is_wrapped_attribution(line: str, following: str) -> bool:
    """Whether a line and the next one are an attribution together."""
    begins = _is_dated(line) or line[:3].lower() == "on " or (_address.search(line) and not _is_attribution(following))
    return bool(begins) and not line.endswith((".", "!", "?", ":")) and _is_attribution(f"{line} {following}")


def _without_phone(lines: list[str]) -> list[str]:
    """The lines without what a telephone's mail program adds, as paragraphs of a line, below them."""
    kept = list(lines)
    while kept:
        alone = len(kept) == 1 or not kept[-2].strip()
        if kept[-1].strip() and not (alone and _phone.fullmatch(_plain(kept[-1]))):
            break
        kept.pop()
    return kept


def unwrapped(text: str, delete_space: bool) -> str:
    """The text of a `format=flowed` part (RFC 3676): lines that end in a space go on in the next one.

    delete_space: whether that space is not part of the text (`delsp=yes`).
    """
    paragraphs: list[str] = []
    flows = False
    for line in text.replace("\r\n", "\n").split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ") if depth or line.startswith(" ") else line
        if flows and not depth:
            paragraphs[-1] += content
        else:
            paragraphs.append(">" * depth + (" " if depth else "") + content)
        flows = content.endswith(" ") and content != "-- " and not depth
        if flows and delete_space:
            paragraphs[-1] = paragraphs[-1][:-1]
    return "\n".join(paragraphs)
