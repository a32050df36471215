"""Mail addresses, accounts, links to profiles, card numbers and IBANs in texts."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import regex


class Span(NamedTuple):
    """Where a detail is in a text, and of which kind it is."""

    start: int
    end: int
    kind: str


def span_of(match: regex.Match[str], kind: str, group: str | int = 0) -> Span:
    """Where a match is, or a group of it. kind: the kind of detail that it is."""
    start, end = match.span(group)
    return Span(start, end, kind)


_FORMS = {code: str(unicodedata.decimal(chr(code))) for code in range(128, sys.maxunicode) if chr(code).isdecimal()}
_FORMS |= {ord(space): " " for space in "\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u3000"}
_FORMS |= {ord(dash): "-" for dash in "\u00ad\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"}
_FORMS |= dict(zip(map(ord, "＠．（）＋／："), "@.()+/:", strict=True))


def one_form(text: str) -> str:
    """The text with digits, spaces and dashes of all scripts as those of ASCII; every letter keeps its place."""
    return text if text.isascii() else text.translate(_FORMS)


_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Hangul}"
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]"  # in scripts without spaces an address may touch a word
_DOMAIN = rf"(?:{_LETTER}(?:[-{_LETTER}]*{_LETTER})?\.)+[[\p{{L}}\p{{M}}]--[{_UNSPACED}]]{{2,24}}"
_EMAIL = regex.compile(
    rf"(?<!{_LETTER}){_LETTER}[.%+'{_LETTER}-]{{0,63}}(?:@|%40){_DOMAIN}"
    rf"|[{_UNSPACED}\w]{{1,20}}@(?:[{_UNSPACED}\w-]{{1,20}}\.)+[{_UNSPACED}]{{2,6}}",
    regex.V1,
)
_ASCII_EMAIL = regex.compile(r"\b\w[\w.%+'-]{0,63}(?:@|%40)(?:\w(?:[\w-]*\w)?\.)+[A-Za-z]{2,24}", regex.ASCII)
_AT = regex.compile(r"(?<=[\w+%'-])(?:@|%40)(?=\w)")
_SPELLED_EMAIL = regex.compile(
    r"(?i)[\w.+-]{1,64}\s{0,2}[\[({]\s{0,2}(?:at|ät|arroba)\s{0,2}[\])}]\s{0,2}[\w-]+"
    r"(?:\s*(?:\.|[\[({]\s*(?:dot|punkt|punto|ponto)\s*[\])}])\s*[\w-]+)+"
)
_SPELLED_AT = regex.compile(r"(?i)[\[({]\s{0,2}(?:at|ät|arroba)\s{0,2}[\])}]")
MAX_ADDRESS = 64, 200
"""Characters of an address before and after its `@` at most."""

_SITES = (
    r"(?:facebook|fb|instagram|twitter|x|linkedin|tiktok|vk|snapchat|weibo|onlyfans)\.com|threads\.(?:net|com)"
    r"|t\.me|wa\.me|ok\.ru|vk\.ru|bsky\.app|linktr\.ee|reddit\.com/u(?:ser)?"
)
_LINK = regex.compile(
    rf"(?<![\w.-])(?i:(?:https?://)?(?:www\.|m\.|mobile\.|old\.|[a-z]{{2}}\.)?(?:{_SITES})/[^\s<>\"')\]]*[\w/=])"
    r"|(?<=://)[^\s/@]{1,80}@(?=[\w-]+)"  # a user name, and its password, before a host
    r"|https?://[\w.-]+/@[\w.@-]*\w"
)
_HANDLE = regex.compile(
    r"(?<![\w@/.])@(?P<at>[A-Za-z_][\w.]{1,30}(?:@[\w-]+(?:\.[\w-]+)+)?(?<![.]))(?!\w*\()"
    r"|(?<![\w/])/?u/(?P<u>[A-Za-z0-9_-]{3,20})\b"
    r"|(?P<id><@!?\w+(?:\|[^>\n]*)?>)",
    regex.ASCII,
)
_CARD = regex.compile(r"(?<![A-Za-z0-9_]|\d[.,-])\d(?:[ -]?\d){11,18}(?![ -]?\d|[A-Za-z_])")
_CARD_ISSUERS = regex.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|5\d\d|4[4-9]\d)\d{12}|(?:62|81)\d{14,17}"
    r"|220[0-4]\d{12}|(?:508|60|82)\d{13,14}|(?:50|5[6-9]|6\d)\d{10,17}"
)
_IBAN = regex.compile(r"(?i)(?<![A-Z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}(?![A-Z0-9])")
_GROUP_END = regex.compile(r"(?<=[A-Za-z0-9])(?![A-Za-z0-9])")


def find(text: str) -> Iterator[Span]:
    """Addresses, accounts and numbers in a text, see `one_form`."""
    for start, end in _windows(text):
        pattern = _ASCII_EMAIL if text[start:end].isascii() else _EMAIL
        yield from (span_of(match, "email") for match in pattern.finditer(text, start, end))
    if _SPELLED_AT.search(text):
        yield from (span_of(match, "email") for match in _SPELLED_EMAIL.finditer(text))
    if "@" in text or "/" in text:
        yield from (span_of(match, "link") for match in _LINK.finditer(text))
        yield from (span_of(match, "handle", match.lastgroup or 0) for match in _HANDLE.finditer(text))
    for match in _CARD.finditer(text):
        if is_card(match[0]):
            yield span_of(match, "card")
    for match in _IBAN.finditer(text):
        # The words that follow may look like further groups of it.
        ends = [boundary.start() for boundary in _GROUP_END.finditer(text, match.start(), match.end() + 1)]
        if whole := [end for end in ends if is_iban(text[match.start() : end])]:
            yield Span(match.start(), whole[-1], "iban")


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Where there can be mail addresses in a text: searching all of it takes several times as long."""
    start = end = 0
    for at in _AT.finditer(text):
        if at.start() - MAX_ADDRESS[0] > end:
            yield start, end
            start = at.start() - MAX_ADDRESS[0]
        end = at.end() + MAX_ADDRESS[1]
    yield start, end


def is_card(text: str) -> bool:
    """Whether a text is a payment card's number: its issuer's digits and length, its groups and its check digit."""
    groups = text.replace("-", " ").split(" ")
    digits = "".join(groups)
    if not _CARD_ISSUERS.fullmatch(digits) or min(map(len, groups[:-1]), default=4) < 4:
        return False
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether a text is an account's IBAN, by its length and its check digits (ISO 13616)."""
    compact = "".join(letter for letter in text if letter.isalnum()).upper()
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(letter, 36)) for letter in compact[4:] + compact[:4])) % 97 == 1
