"""Masking of personal details in texts: names of others, addresses, phone and card numbers, before a model learns them.

A detail is replaced by its kind in brackets, such as `[NAME]`. It is the same for everyone: a number that told people
apart would mean somebody else in each text that a prompt shows, and invented names would be taken for real ones. It
holds no white space, and no chat model has it as a control token.

Names are those that are given: who sent, received or was talked to is known from the data itself, in any language.
Patterns find the rest, in digits of any script. What they do not know, such as the name of someone who is only talked
about, is left: nobody's texts are anonymous after this.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TextIO

import regex

from penname.data.masking import contact_details, postal_addresses
from penname.data.masking.contact_details import Span, one_form
from penname.data.masking.greeted_names import greeted_names
from penname.data.masking.personal_names import KnownNames
from penname.data.masking.phone_numbers import PhoneNumbers
from penname.data.text_store import document_id
from penname.text_caches import text_cache

PLACEHOLDERS = {
    kind: f"[{kind.upper()}]" for kind in ("link", "email", "iban", "card", "phone", "address", "handle", "name")
} | {"handle": "[NAME]"}
"""What each kind of detail is replaced by; where details overlap, the kind that comes first is what both are."""

_MASKED = regex.compile("|".join(map(regex.escape, sorted(set(PLACEHOLDERS.values())))))
_DIGIT = regex.compile("[0-9]")
_BETWEEN_NAMES = regex.compile(r"(?:[ \u00a0\t]+(?:\p{Lu}\.?[ \u00a0\t]+)?|[-'’·])")
"""What may be between two parts of one name, an initial among it."""


class Masker:
    """Masks personal details.

    names: whose names are masked: people as the data names them, such as `Anna Berg`, `Berg, Anna <anna@example.org>`
        or `anna_b`. One without letters, such as the user 17, is no name.
    regions: countries (ISO 3166, such as DE) whose phone numbers are known without their country's code; by default
        those that `sample` speaks of.
    sample: texts of the data. They tell names that are words too (Will, Rose) from those that are not (Anna).

    Raises UserError where the library that knows phone numbers is not installed, and for a country that does not exist.
    """

    def __init__(self, names: Iterable[str] = (), regions: Sequence[str] = (), sample: Iterable[str] = ()) -> None:
        texts = list(sample)
        self._phones = PhoneNumbers(regions, [one_form(text) for text in texts])
        self._names = KnownNames(names, texts)

    @property
    def regions(self) -> tuple[str, ...]:
        """The countries whose phone numbers are known without their country's code."""
        return self._phones.regions

    def mask(self, text: str, own: Sequence[str] = ()) -> tuple[str, Counter[str]]:
        """The text with its details replaced, and how many there were of each kind.

        own: the author's names, in the forms of `names`. They are kept, as people sign what they write; details of
            other kinds are masked whoever they belong to.
        """
        spans = _joined(text, _first_found(text, self._spans(text, own)))
        counts = Counter("name" if span.kind == "handle" else span.kind for span in spans)
        parts, end = [], 0
        for span in spans:
            parts += [text[end : span.start], PLACEHOLDERS[span.kind]]
            end = span.end
        return "".join([*parts, text[end:]]), counts

    def _spans(self, text: str, own: Sequence[str]) -> Iterator[Span]:
        plain = one_form(text)
        yield from contact_details.find(plain)
        if _DIGIT.search(plain):
            yield from self._phones.find(plain)
            yield from postal_addresses.find(plain)
        kept = _own_parts(tuple(own))
        for span in (*self._names.find(text), *greeted_names(text)):
            if not kept or not kept.covers(text[span.start : span.end]):
                yield span


@text_cache(maxsize=1024)
def _own_parts(own: tuple[str, ...]) -> KnownNames | None:
    return KnownNames(own) if own else None


def _first_found(text: str, spans: Iterable[Span]) -> list[Span]:
    """The spans that do not overlap one of a kind that goes before, or what is masked already, in order."""
    order = list(PLACEHOLDERS)
    taken = bytearray(len(text))
    for match in _MASKED.finditer(text):
        taken[match.start() : match.end()] = b"1" * len(match[0])
    found = []
    for span in sorted(spans, key=lambda span: (order.index(span.kind), span.start - span.end)):
        if not any(taken[span.start : span.end]):
            taken[span.start : span.end] = b"1" * (span.end - span.start)
            found.append(span)
    return sorted(found)


def _joined(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans, with the parts of a name made one."""
    joined: list[Span] = []
    for span in spans:
        last = joined[-1] if joined else None
        if last and last.kind == span.kind == "name" and _BETWEEN_NAMES.fullmatch(text, last.end, span.start):
            joined[-1] = Span(last.start, span.end, "name")
        else:
            joined.append(span)
    return joined


class MaskReport:
    """What was masked: how much of each kind, and where, but never what stood there.

    file: gets a line of JSON for each text with a detail: its number, and how many of each kind.

    counts: details of each kind.
    texts, masked: number of texts, and of those with a detail.
    """

    def __init__(self, file: TextIO) -> None:
        self.counts: Counter[str] = Counter()
        self.texts = self.masked = 0
        self._file = file

    def add(self, number: int, counts: Mapping[str, int]) -> None:
        """Count a text.

        number: of its document.
        counts: as `Masker.mask` returns them.
        """
        self.texts += 1
        if counts:
            self.masked += 1
            self.counts.update(counts)
            line = {"id": document_id(number), "masked": dict(sorted(counts.items()))}
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def summary(self) -> str:
        """All counts in one line."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.most_common()) or "nothing"
        return f"masked in {self.masked:,} of {self.texts:,} texts: {kinds}"
