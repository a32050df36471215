"""Postal addresses in texts: a street with a house number as some thirty languages write it, with the town behind it.

A street without a number, and a town alone, are no address. No library that is kept finds addresses in running text of
more than a country or two (libpostal takes apart what is known to be one).
"""

from __future__ import annotations

from collections.abc import Iterator

import regex

from penname.data.masking.contact_details import Span, span_of

_WORD = (
    r"(?:(?:\p{Lu}\.)+|(?:St|Ste|Sta|Sto|Dr|Dra|Prof|Gen|Gén|Gral|Cap|Col|Sgt|Mons|Pres|Kard|Ks|Arq|Ing|Акад|Ген|Проф)\."
    r"|\p{Lu}[\p{L}\p{M}'’-]*)"
)
"""A word of a name; a full stop is part of abbreviations only, as behind other words a sentence begins."""
_NUMBER = r"\d{1,5}(?: ?[A-Za-z](?![\p{L}\d]))?(?: ?[-/] ?\d{1,5}[A-Za-z]?(?!\p{L}))?"
_SMALL = (
    r"(?:(?:de la|de las|de los|della|delle|del|dei|degli|des|du|de|da|dos|das|do|di|la|le|les) |(?:de )?[dl]['’]|"
    r"dell['’])"
)
_NAME = rf"{_SMALL}{{0,2}}(?:{_WORD}|\d{{1,2}})(?:[ -]{_SMALL}{{0,2}}{_WORD}){{0,4}}"
_IN_TOWNS = r"(?:am (?=Main|Rhein|Neckar|Inn|See)|an der |ob der |sur |de la |de |del |do |aan den )"
_CODE = r"(?:\d{5}-\d{3}|\d{4}-\d{3}|\d\d-\d{3}|\d{4,5}(?: [A-Z]{2})?|\d{3} \d\d)(?!\d)"
_TOWN = rf"(?:,? ?\n?(?:[A-Z]{{1,2}}-)?{_CODE} {_WORD}(?:[ -]{_IN_TOWNS}?{_WORD}){{0,2}})?"
_END = r"(?= ?(?:[,;.)\n]|$| \d{4,5} ))"
_ENGLISH_TOWN = (
    rf"(?:,? ?\n?{_WORD}(?: {_WORD}){{0,2}},? ?\n?(?:[A-Z]{{2,3}},? \d{{4,5}}(?:-\d{{4}})?"
    r"|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d))?"
)
_HAN = r"[\p{Han}--[在到于於是给住寄]]"  # without the words that stand before an address

STREETS = {
    "English": rf"{_NUMBER},? (?:[NSEW]{{1,2}}\.? )?"
    rf"(?:(?:{_WORD}|\d+(?:st|nd|rd|th)) ){{1,4}}?"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Terrace|Way|Close"
    r"|Crescent|Parkway|Pkwy|Highway|Hwy|Circle|Row|Gardens|Grove|Mews|Quay)\b\.?(?!['’]s)"
    rf"(?:,? (?:Apt|Apartment|Unit|Suite|Ste|Flat|Floor|#)\.? ?\w+)?{_ENGLISH_TOWN}",
    "English, in lower case": r"\d{1,5} (?!(?:the|of|a|more|other|side|main roads?|one-way)\b)(?:\p{Ll}{3,} ){1,2}?"
    r"(?:street|avenue|boulevard)\b",
    "town and ZIP code": rf"{_WORD}(?: {_WORD}){{0,2}}, ?[A-Z]{{2}} \d{{5}}(?:-\d{{4}})?(?!\d)",
    "boxes": r"(?i:P\. ?O\. ?Box|PO Box|Postfach|BP|Apartado(?: de correos)?|Casella postale|Caixa postal|а/я)\.? "
    rf"\d(?:[\d ]{{0,8}}\d)?\b{_TOWN}",
    "German, Dutch, Nordic": rf"(?:{_WORD}[ -]){{0,2}}?(?:{_WORD}[ -]|\p{{Lu}}[\p{{L}}\p{{M}}-]*?)"
    r"(?i:stra(?:ß|ss)e|str\.|gasse|allee|straat|laan|gracht|gatan|vägen|gade|veien|katu)"
    rf" {_NUMBER}{_TOWN}",
    # These ends are words of their own too.
    "German, Dutch, Nordic: others": rf"(?:{_WORD}[ -]){{0,2}}?(?:{_WORD}[ -]|\p{{Lu}}[\p{{L}}\p{{M}}-]+?)"
    r"(?i:weg|platz|damm|ufer|chaussee|markt|plein|singel|dijk|vej|gata|väg|torget|ntie|kuja)"
    rf" {_NUMBER}{_END}{_TOWN}",
    "German, after prepositions": rf"(?:Am|An der|Im|In der|Auf dem|Auf der|Zum|Zur|Unter den) {_WORD}(?: {_WORD})?"
    rf" {_NUMBER},? ?\n?(?:D-)?\d{{5}} {_WORD}",
    "a line of code and town": rf"(?m)^ ?(?:[A-Z]{{1,2}}-\d{{4,5}}|\d{{5}}) {_WORD}(?:[ -]{_WORD}){{0,2}} ?$",
    "French": rf"{_NUMBER},? (?:bis |ter )?(?i:rue|avenue|av\.|boulevard|bd\.?|place|impasse|allée|chemin|quai|cours"
    rf"|route|passage|faubourg) {_NAME}{_TOWN}",
    "Spanish, Italian, Portuguese, Catalan, Romanian": r"(?:(?i:calle|avenida|avda\.?|av\.|plaza|paseo|carrera"
    r"|carrer|carretera|camino|ronda|viale|via|corso|piazzale|piazza|largo|vicolo|rua|travessa|praça|alameda|estrada|rodovia"
    rf"|strada|bulevardul) |C/ ?|R\. ){_NAME},? ?(?:n(?:[ºo°r]|um)?\.? ?)?(?<=[ .°º]){_NUMBER}(?! ?(?i:km|h\b|%|€))"
    rf"{_TOWN}",
    "Polish, Czech": rf"(?i:ul\.|ulic[aei]|al\.|alej[ae]|pl\.|plac|os\.) ?{_WORD}(?: {_WORD}){{0,3}} {_NUMBER}"
    rf"(?:,? (?:m\.|lok\.) ?\d+)?{_TOWN}",
    "Hungarian": rf"(?:\d{{4}} {_WORD}, )?{_WORD}(?: {_WORD})? (?:utca|körút|út|tér) {_NUMBER}\.?",
    "Turkish": rf"(?:{_WORD} ){{1,3}}(?:Mahallesi|Mah\.|Caddesi|Cad\.|Cd\.|Sokağı|Sokak|Sok\.|Sk\.|Bulvarı)"
    r"(?:,? [\p{L}\p{N} .]{1,40})?,? ?No ?[:.]? ?\d+(?:/\d+)?",
    "Russian, Ukrainian": r"(?i:ул\.|улиц[аеы]|вул\.|вулиц[яі]|пр\.|пр-т|просп\.|проспект[еа]?|пер\.|переул(?:ок|ке)"
    r"|бульвар[еа]?|б-р|наб\.|набережн(?:ая|ой)|шоссе|площад[ьи]|пл\.) ?" + rf"{_WORD}(?: {_WORD}){{0,3}},? ?"
    r"(?i:д\. ?|дом[а-я]? |буд\. ?)?\d{1,4}[а-я]?(?:/\d+)?(?!\p{L})(?:,? ?(?:корп\.|к\.|стр\.) ?\d+)?"
    r"(?:,? ?(?i:кв\.|квартира|оф\.) ?\d+)?",
    "Greek": r"[Οο]δό[ςύ]? \p{Lu}\p{L}*(?: \p{Lu}\p{L}*)? \d{1,4}",
    "Arabic, Persian": r"(?:شارع|طريق|خیابان) (?:\p{Arabic}+[ ،]*){1,4}(?:رقم |پلاک )?\d{1,5}",
    "Hebrew": r"[בלמהו]?(?:רחוב|רח') (?:\p{Hebrew}+ ){1,3}\d{1,4}",
    "Hindi": r"(?:मकान|घर|फ्लैट|प्लॉट) ?(?:नं\.?|नंबर|संख्या) ?\d+(?:,? \p{Devanagari}+ (?:मार्ग|रोड|नगर|गली))?",
    "Chinese": rf"(?:{_HAN}{{2,4}}(?:省|市|区|區|县|縣|镇|鎮|乡)){{0,4}}{_HAN}{{1,5}}(?:路|街|道|巷|胡同|弄|里)"
    r"(?:[一二三四五六七八九十\d]+段)?\d+[号號弄](?:院)?(?:\d+(?:室|楼|樓|层|单元|栋|座|号楼)){0,4}",
    "Japanese": r"〒 ?\d{3}-?\d{4}|(?:東京都|北海道|京都府|大阪府|\p{Han}{2,3}県)"
    r"[\p{Han}\p{Hiragana}\p{Katakana}ー]{2,20}?\d+(?:丁目|番地?|号|[\d-])+"
    r"|\p{Han}{1,4}[市区町][\p{Han}\p{Katakana}ー]{1,10}\d+(?:-\d+|丁目\d+番地?)(?:-?\d+号?)?",
    "Korean": r"(?:[가-힣]{1,8}(?:특별시|광역시|시|도|구|군|읍|면|동) ){0,4}"
    r"[가-힣]{1,10}\d*(?:대로|로|길) ?\d+(?:-\d+)?(?:번길 ?\d+)?(?! ?(?:년|명|개|원|%|시간|분))",
    "Thai": r"(?:บ้าน)?เลขที่ ?\d+(?:/\d+)?(?: ?(?:หมู่|ซอย|ถนน|ตำบล|แขวง|อำเภอ|เขต|จังหวัด|ต\.|อ\.|จ\.) ?\S+)*(?: \d{5})?",
}
"""How languages write a street with a house number."""

_TOUCHES_WORDS = ("Chinese", "Japanese", "Korean", "Thai", "boxes")
_COMPILED = [
    regex.compile(pattern if language in _TOUCHES_WORDS else rf"(?<![\p{{L}}\p{{N}}])(?:{pattern})", regex.V1)
    for language, pattern in STREETS.items()
]
_OF_A_YEAR = regex.compile(r"(?:19|20)\d\d(?: \p{Lu}\p{L}+){2,}|.*[^\d](?:19|20)\d\d", regex.DOTALL)
"""What has a year for a house number, such as "1929 Wall Street" and "Via Roma 2024"."""


def find(text: str) -> Iterator[Span]:
    """The postal addresses in a text, see `penname.data.masking.contact_details.one_form`."""
    for pattern in _COMPILED:
        for match in pattern.finditer(text):
            if not _OF_A_YEAR.fullmatch(match[0]):
                yield span_of(match, "address")
