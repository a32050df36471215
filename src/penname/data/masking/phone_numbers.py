"""Phone numbers in texts, by the numbering plans of all countries (phonenumbers, Google's library in Python)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import regex

from penname.data.masking.contact_details import Span, span_of
from penname.errors import UserError

MAX_REGIONS = 3
"""Countries that are guessed at most: each further one makes numbers that are something else look like phones."""

_DIGITS = regex.compile(r"\d(?:[ ()./-]{0,3}\d){5}")
_DOUBLE_ZERO = regex.compile(r"(?<![\d+.,/-])00(?=[1-9]\d)")
_AREA_IN_BRACKETS = r"(?:\+?\d[ -]?)?\((?!(?:19|20)\d\d\))0?\d{1,5}\)[ ./-]?\d{2,5}(?:[ .-]?\d{2,5}){1,3}"
_NUMBER_SHAPES = regex.compile(
    r"(?<![\w.,/-])(?:"
    r"(?P<american>(?:1[ .-])?\(?[2-9]\d\d(?:\) ?|[.-])\d{3}[.-]\d{4})"
    rf"|(?P<brackets>{_AREA_IN_BRACKETS})"
    r"|(?P<trunk>0[1-9]\d{0,4}(?:[ /.-]{1,3}\d{1,8}){1,5}|0[1-9]\d{8,10})"
    r")(?![\w-]|[.,]\d|[/:]\d)",
    regex.ASCII,
)
_AFTER_A_WORD = regex.compile(
    r"(?i)(?:\b(?:tel(?:e[fp]h?on[eo]?|éfono|\.)?|phone(?: number| no\.?)?|mobile?|cell(?:ulare|phone)?"
    r"|handy(?:nummer)?|whats ?app|viber|t[eé]l[eé]phone|portable|m[oó]vil|celular|telemóvel|gsm|komórka|puhelin"
    r"|тел(?:ефон\w*)?|моб\w*|τηλ\w*|điện thoại|sđt)"
    r"|电话|電話|手机|手機|携帯|전화|휴대폰|연락처|هاتف|تلفن|جوال|موبايل|موبایل|טלפון|נייד"
    r"|फ़ोन|फोन|मोबाइल|โทร|เบอร์|☎|📞|📱)[^\w\n+(]{0,4}(?:\p{L}{1,8}[^\w\n+(]{1,3}){0,2}"
    r"(?P<number>[+(]?\d(?:[ ()./-]{0,3}\d){6,14})(?!\d|[.,:/-]\d)"
)
_NO_PHONE = regex.compile(
    r"(?i)(?:[#№$€£¥₽₹]|\b(?:isbn|issn|doi|order|invoice|ref(?:erence)?|id|account|acct|case|ticket|item|sku|serial"
    r"|tracking|article|model|version|part|population|bestell\w*|rechnung\w*|kunden\w*|auftrag\w*|artikel\w*|konto\w*"
    r"|commande|facture|pedido|factura|ordine|fattura|zamówieni\w*|заказ\w*|сч[её]т\w*|артикул\w*)"
    r"|订单|單號|单号|注文|番号|주문|طلب|ऑर्डर)[ .:#=№-]*"
    r"(?:(?:no|nr|num(?:ber|mer|éro|ero)?|id|号|號|-1[03])?[ .:#=№-]*)$"
)
_MEASURE = regex.compile(r"(?i) ?(?:[$€£¥₽₹%]|(?:usd|eur|euros?|dollars?|rub|km|kg|people|inhabitants|einwohner)\b)")
_DATE = regex.compile(
    r"(?:(?:19|20)\d\d[-./ ]\d\d?[-./ ]\d\d?|\d\d?[-./ ]\d\d?[-./ ](?:19|20)\d\d)(?:[ -]+\d{1,2}(?:[ :.]?\d\d)*)?"
    r"|(?:19|20)\d\d ?[-/] ?(?:19|20)\d\d|(?:19|20)\d\d[01]\d[0-3]\d(?:\d{4}|\d{6})?"
)
_COUNTRY_DOMAIN = regex.compile(r"@[\w.-]+\.([a-z]{2})\b")
_SCRIPTS = {
    script: (regex.compile(rf"\p{{{script}}}"), region)
    for script, region in {
        "Hangul": "KR",
        "Hiragana": "JP",
        "Thai": "TH",
        "Devanagari": "IN",
        "Greek": "GR",
        "Hebrew": "IL",
        "Cyrillic": "RU",
        "Han": "CN",
        "Arabic": "SA",
    }.items()
}
_ZERO_COUNTRIES = (
    "DE FR GB AT CH NL BE IE SE FI AU NZ JP KR TW TR ID UA ZA NG EG SA AE IR IQ PK BD TH PH MY VN KE RO RS BG HR SI"
).split()
"""Large countries in which a number without its country's code begins with 0."""


class PhoneNumbers:
    """Finds phone numbers.

    regions: countries (ISO 3166) whose numbers are known without their country's code; by default those that `sample`
        speaks of: by numbers with a code, by mail addresses, and by scripts that one large country writes in.
    sample: texts, see `penname.data.masking.contact_details.one_form`.

    Raises UserError where phonenumbers is not installed, and for a country that does not exist.
    """

    def __init__(self, regions: Sequence[str], sample: Sequence[str]) -> None:
        try:
            import phonenumbers
        except ImportError as error:
            raise UserError(f"masking needs phonenumbers: pip install 'penname[privacy]' ({error})") from error
        self._library: Any = phonenumbers
        known = phonenumbers.SUPPORTED_REGIONS
        for region in regions:
            if region.upper() not in known:
                raise UserError(f"phone numbers: found {region!r}, expected countries such as DE or US")
        self.regions = tuple(region.upper() for region in regions) or self._guess(sample)

    def find(self, text: str) -> Iterator[Span]:
        """The phone numbers in a text, see `penname.data.masking.contact_details.one_form`."""
        if not _DIGITS.search(text):
            return
        with_plus = _DOUBLE_ZERO.sub(" +", text)  # of the same length
        for region in (None, *self.regions):
            for match in self._library.PhoneNumberMatcher(with_plus, region):
                if match.raw_string.startswith(("+", "(+")) or self._plausible(text, match.start, match.end):
                    yield Span(match.start - (text[match.start] == "0" != with_plus[match.start]), match.end, "phone")
        for match in _NUMBER_SHAPES.finditer(text):
            if self._plausible(text, *match.span()) and (match["american"] or self._is_number(match)):
                yield span_of(match, "phone")
        for match in _AFTER_A_WORD.finditer(text):
            if not _DATE.match(match["number"]):
                yield span_of(match, "phone", "number")

    def _is_number(self, match: Any) -> bool:
        digits = regex.sub(r"\D", "", match[0])
        if match["brackets"]:
            return 9 <= len(digits) <= 12
        return 9 <= len(digits) <= 12 and any(map(self._valid, [digits] * len(_ZERO_COUNTRIES), _ZERO_COUNTRIES))

    def _valid(self, digits: str, region: str) -> bool:
        try:
            return bool(self._library.is_valid_number(self._library.parse(digits, region)))
        except self._library.NumberParseException:
            return False

    def _plausible(self, text: str, start: int, end: int) -> bool:
        """Whether nothing says that a number is something else: a date, a price, an order, a book."""
        number = text[start:end]
        if _DATE.fullmatch(number) or _is_book(number) or _MEASURE.match(text, end):
            return False
        return not _NO_PHONE.search(text[max(0, start - 30) : start])

    def _guess(self, sample: Sequence[str]) -> tuple[str, ...]:
        found: Counter[str] = Counter()
        for text in sample:
            if "+" in text:
                for match in self._library.PhoneNumberMatcher(text, None):
                    found[self._library.region_code_for_number(match.number) or ""] += 3
            for domain in _COUNTRY_DOMAIN.findall(text):
                found[{"uk": "GB"}.get(domain, domain.upper())] += 1
            if not text.isascii():
                found.update(region for letter, region in _SCRIPTS.values() if letter.search(text))
        known = [(region, count) for region, count in found.most_common() if region in self._library.SUPPORTED_REGIONS]
        return tuple(region for region, count in known[:MAX_REGIONS] if count >= known[0][1] / 10)


def _is_book(number: str) -> bool:
    """Whether a number is an ISBN of 13 digits, by its check digit."""
    digits = regex.sub(r"\D", "", number)
    if len(digits) != 13 or not digits.startswith(("978", "979")):
        return False
    return sum(int(d) * (3 if place % 2 else 1) for place, d in enumerate(digits)) % 10 == 0
