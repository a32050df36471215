"""Names of people that the data names, in the forms that texts use them in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise

import regex

from penname.data.masking.contact_details import Span

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_TOKEN = regex.compile(rf"[[\p{{L}}\p{{M}}\p{{N}}_]--[{_UNSPACED}]]+", regex.V1)
_RUN = regex.compile(rf"[{_UNSPACED}]+")
_SHORTEST = {"Han": 2, "Katakana": 3, "Hiragana": 3}  # characters of a name where nothing separates words; others 4
_SCRIPT = {script: regex.compile(rf"\p{{{script}}}+") for script in ("Han", "Katakana", "Hiragana")}
_HANGUL, _CYRILLIC = regex.compile(r"\p{Hangul}+"), regex.compile(r"\p{Cyrillic}+")
_MAILBOX = regex.compile(r"([\p{L}]{2,})[._-]([\p{L}]{2,})@")
_ADDRESS = regex.compile(r"[^\s<>\"',;]+@[^\s<>\"',;]+")
_NO_PART = regex.compile(rf"<.*?>|\(.*?\)|\[.*?\]|{_ADDRESS.pattern}|[\"<>@]")
_NO_PERSON = regex.compile(
    r"(?i)no-?reply|do-?not-?reply|newsletter|notification|mailer|daemon|info|support|service|team|admin|customer|sales"
    r"|unknown|anonymous|deleted|user|guest|me\b|you\b|bot\b|[^@]*\b(?:gmbh|inc|ltd|llc|corp|verein|e\.v\.)\b"
)
_JOINT = regex.compile(r"[\s.,'’_-]{1,3}")
_SENTENCE_START = regex.compile(r"(?:^|[\n.!?…:;\"„“»«(¿¡>*-])[\s\"'„“(]*$")
_ALONE = regex.compile(r"[ \t]*(?:[,:!]|[.]?[ \t]*(?:\n|$))")
_RUSSIAN_ENDINGS = frozenset(
    ["", *"ауеыиоюяьй", *"ом ем ём ой ей ою ею ым им ого ему ых ья ью ии ию ия ину ина".split()]
)
_KOREAN_ENDINGS = frozenset(
    "이 가 은 는 을 를 에게 한테 와 과 의 도 만 씨 님 아 야 께서 께 랑 이랑 이가 이는 이를 이도 이의 씨가 씨는 씨를 "
    "씨의 씨도 씨에게 님이 님은 님을 님의 님께 에게서 한테서 로 으로 이야 입니다 이다".split()
)
_PREFIXES = {"Arabic": "وفبلك", "Hebrew": "והבלמשכ"}
_PREFIXED = {
    regex.compile(rf"[{letters}]\p{{{script}}}+"): script for script, letters in _PREFIXES.items()
}  # "and", "to" and their like are written at the name
WORD_FROM, NAME_UP_TO = 0.5, 0.1
"""Shares of lower case from which on a name is a word too, and up to which it is a name however it is written."""


def _folded(text: str) -> str:
    """A text without differences of case and of accents, as people leave these out."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFD", text.casefold())
    return unicodedata.normalize("NFC", "".join(c for c in parts if not "\u0300" <= c <= "\u036f"))


class KnownNames:
    """The names that the data has, as they are used in texts.

    names, sample: see `penname.data.masking.masker.Masker`.

    Each part of a name counts alone if it begins with a capital letter, in other cases than the first too where a
    language puts endings or prefixes at it (Cyrillic, Korean, Arabic, Hebrew; `s` in Latin).
    """

    def __init__(self, names: Iterable[str], sample: Iterable[str] = ()) -> None:
        self._single: set[str] = set()
        self._whole: dict[str, list[tuple[str, ...]]] = {}
        self._unspaced: set[str] = set()
        for name in set(names):
            for form in _forms(name):
                self._add(form)
        self._lengths = sorted({len(name) for name in self._unspaced}, reverse=True)
        self._stems = {_stem(part) for part in self._single if len(part) > 3 and _CYRILLIC.fullmatch(part)}
        for sequences in self._whole.values():
            sequences.sort(key=len, reverse=True)
        self._words, self._names = self._told_apart(sample)

    def find(self, text: str) -> Iterator[Span]:
        """The known names in a text."""
        yield from self._in_unspaced(text)
        tokens = list(_TOKEN.finditer(text)) if self._single or self._whole else []
        folded = [_folded(token[0]) for token in tokens]
        number = 0
        while number < len(tokens):
            if length := self._length_of_whole(text, tokens, folded, number):
                yield Span(tokens[number].start(), tokens[number + length - 1].end(), "name")
                number += length
                continue
            if span := self._single_name(text, tokens[number], folded[number]):
                yield span
            number += 1

    def covers(self, name: str) -> bool:
        """Whether all of a name is known; a part of it may be in another case."""
        folded = [_folded(token) for token in _TOKEN.findall(name)]
        runs = _RUN.findall(name)
        known = {*self._single, *(part for sequence in self._whole.values() for whole in sequence for part in whole)}
        return (
            bool(folded or runs)
            and all(self._part_of(token, known) for token in folded)
            and all(any(run in full or full in run for full in self._unspaced) for run in runs)
        )

    def _part_of(self, token: str, known: set[str]) -> bool:
        return token in known or _known_part(token, known, self._stems) is not None

    def _add(self, name: str) -> None:
        for run in _RUN.findall(name):
            shortest = next((n for script, n in _SHORTEST.items() if _SCRIPT[script].fullmatch(run)), 4)
            if len(run) >= min(shortest, len(name)) >= 2:
                self._unspaced.add(run)
                if len(run) == 3 and _SCRIPT["Han"].fullmatch(run):
                    self._unspaced.add(run[1:])  # the given name
        tokens = _TOKEN.findall(name)
        if not any(letter.isalpha() for token in tokens for letter in token):
            return
        folded = tuple(map(_folded, tokens))
        if len(tokens) > 1:
            self._whole.setdefault(folded[0], []).append(folded)
        for token, part in zip(tokens, folded, strict=True):
            if _HANGUL.fullmatch(part):
                self._single |= {part} | ({part[1:]} if len(part) == 3 else set())
            elif len(part) > 1 and not part.isdigit() and (len(tokens) == 1 or _counts_alone(token)):
                self._single.add(part)

    def _told_apart(self, sample: Iterable[str]) -> tuple[set[str], set[str]]:
        """The parts of names that are words too, and those that are names however they are written."""
        lower: Counter[str] = Counter()
        every: Counter[str] = Counter()
        for text in sample:
            if self._single and text != text.lower():  # where nothing has a capital letter, none is missing
                for token in _TOKEN.findall(text):
                    if (part := _folded(token)) in self._single:
                        every[part] += 1
                        lower[part] += token.islower()
        shares = {part: lower[part] / count for part, count in every.items()}
        words = {part for part, share in shares.items() if share > WORD_FROM}
        return words, {part for part, share in shares.items() if share <= NAME_UP_TO}

    def _length_of_whole(self, text: str, tokens: list[regex.Match[str]], folded: list[str], number: int) -> int:
        """How many tokens from this one on are a whole name; 0 where they are none."""
        for whole in self._whole.get(folded[number], ()):
            found = tokens[number : number + len(whole)]
            joints = (_JOINT.fullmatch(text, a.end(), b.start()) for a, b in pairwise(found))
            if tuple(folded[number : number + len(whole)]) == whole and all(joints):
                is_phrase = self._words.issuperset(whole) or (len(whole[0]) == 1 and not found[0][0].isupper())
                if not is_phrase or all(token[0][0].isupper() for token in found):
                    return len(whole)
        return 0

    def _single_name(self, text: str, token: regex.Match[str], folded: str) -> Span | None:
        known = _known_part(folded, self._single, self._stems)
        if known is None:
            return None
        part, start, end = known
        first = token[0][start]
        if first.islower() and part not in self._names and not _is_account(part):
            return None
        if part in self._words:
            before = text[max(0, token.start() - 40) : token.start()]
            if first.islower() or (_SENTENCE_START.search(before) and not _ALONE.match(text, token.end())):
                return None
        return Span(token.start() + start, token.end() - (len(folded) - end), "name")

    def _in_unspaced(self, text: str) -> Iterator[Span]:
        for run in _RUN.finditer(text) if self._unspaced else ():
            place = run.start()
            while place < run.end():
                rest = text[place : min(place + self._lengths[0], run.end())]
                length = next((n for n in self._lengths if rest[:n] in self._unspaced and n <= len(rest)), 0)
                if length:
                    yield Span(place, place + length, "name")
                place += length or 1


def _known_part(folded: str, single: set[str], stems: set[str]) -> tuple[str, int, int] | None:
    """The part of a name that a token has, and where in it; None where it has none."""
    if folded in single:
        return folded, 0, len(folded)
    if folded.isascii():
        name = folded.removesuffix("s")
        return (name, 0, len(name)) if len(name) > 3 and name in single and name != folded else None
    if _HANGUL.fullmatch(folded):
        ends = (end for end in (4, 3, 2) if folded[:end] in single and folded[end:] in _KOREAN_ENDINGS)
        return next(((folded[:end], 0, end) for end in ends), None)
    if any(pattern.fullmatch(folded) for pattern in _PREFIXED):
        return (folded[1:], 1, len(folded)) if folded[1:] in single and len(folded) > 3 else None
    for end in range(len(folded), 2, -1):
        if folded[:end] in stems and folded[end:] in _RUSSIAN_ENDINGS:
            return folded, 0, len(folded)
    return None


def _counts_alone(token: str) -> bool:
    """Whether a part of a name is one alone: an initial, and a particle such as `van`, is not."""
    cased = token[0].lower() != token[0].upper()
    return token[0].isupper() if cased else len(token) > 2


def _is_account(part: str) -> bool:
    """Whether a name is one of an account, which nobody writes as a word."""
    return any(letter.isdigit() or letter == "_" for letter in part)


def _stem(name: str) -> str:
    return name[:-1] if name[-1] in "аяйьеоиы" and len(name) > 3 else name


def _forms(name: str) -> list[str]:
    """A person's name in the orders it is written in, of what a mail or an export calls the person."""
    address = next(iter(_ADDRESS.findall(name)), "")
    name = _NO_PART.sub(" ", name).strip()
    if _NO_PERSON.match(name) or _NO_PERSON.match(address):
        return []
    if not name and (mailbox := _MAILBOX.match(address)):
        name = f"{mailbox[1].title()} {mailbox[2].title()}"
    last, comma, first = name.partition(",")
    return [name, f"{first.strip()} {last.strip()}"] if comma else [name]
