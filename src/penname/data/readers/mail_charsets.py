"""Tells the texts of mails that are in another encoding than the one that they name, as old programs and gateways do.

UTF-8 is told by its bytes; of the others, those whose letters make no words in the encoding that is named.
"""

from __future__ import annotations

import re
import unicodedata

from penname.data.encodings import guess_encoding

_OF_BYTES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_IN_LATIN_WORD = re.compile(rb"(?<=[A-Za-z])[\xc3-\xc5][\x80-\xbf]|[\xc3-\xc5][\x80-\xbf](?=[a-z])")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_SEVERAL_BYTES = frozenset(
    "gb18030 gbk gb2312 hz big5 big5hkscs cp932 shift_jis euc_jp euc_jis_2004 cp949 euc_kr johab cp874 tis_620".split()
)
"""Encodings in which a few letters may be valid UTF-8 by chance."""
_SURE = 6
_FAULTS = 10
"""How many valid characters a broken one of UTF-8 takes."""
_FEW_LETTERS = 8
"""With fewer letters that are not ASCII, another encoding than UTF-8 is not guessed."""
_FEW_FAULTS, _SOME_FAULTS = 2, 20
_RUBBLE = 0.3
_FOREIGN = 0.65
"""Share of letters with accents, in words that have some, from which on they are no language of Latin letters."""
_CAPITALS = 0.6
_INVERTED = re.compile(r"\b[а-яё][А-ЯЁ]{2}")
"""Capital letters behind a small one, as where KOI8-R is taken for the encoding of Windows or the other way round."""
_AMONG_LATIN = re.compile(
    r"[A-Za-zÀ-ɏ][\u0370-\u052f\u0590-\u06ff]|[\u0370-\u052f\u0590-\u06ff][A-Za-zÀ-ɏ]"
    r"|[A-Za-z][\u0e00-\u0e7f\u3040-\uffdc][a-z]"
)
_SIGN_IN_WORD = re.compile(r"(?<=[^\W\d_])[\u0080-\u00a9\u00ab-\u00b4\u00b6\u00b8-\u00bf×÷─-▟](?=[^\W\d_])")
_WORD = re.compile(r"[^\W\d_]+")
_COMMON = {"gb18030": ("gb2312", 0xD8), "big5hkscs": ("big5", 0xC7), "cp932": ("euc_jp", 0xD0)}
"""The usual characters of encodings: another one with fewer, and the byte from which on these are rare in it."""


def is_utf8_instead(raw: bytes, encoding: str) -> bool:
    """Whether bytes are UTF-8, though another encoding is named.

    encoding: the one that is named, by Python's name.
    """
    found = _OF_BYTES.findall(raw)
    faults = len(_NOT_ASCII.findall(_OF_BYTES.sub(b"", raw)))
    if not found or faults * _FAULTS > len(found) or b"\x1b$" in raw:
        return False
    if encoding not in _SEVERAL_BYTES or len(found) >= _SURE or any(len(letter) > 2 for letter in found):
        return True
    return len(_IN_LATIN_WORD.findall(raw)) == len(found)


def encoding_instead(raw: bytes, text: str, encoding: str) -> str | None:
    """The encoding in which bytes make words, though they make none in the one that is named; None for that one.

    text: the bytes read in the encoding that is named.
    encoding: that one, by Python's name.
    """
    count = sum(not letter.isascii() for letter in text)
    is_broken = text.count("\ufffd") > max(_FEW_FAULTS, count / _SOME_FAULTS)
    if not (_mixes_scripts(text) or is_broken or (count >= _FEW_LETTERS and _is_rubble(text, encoding))):
        return None
    guess = guess_encoding(b"\n".join(line for line in raw.splitlines() if not line.isascii()))
    guessed = raw.decode(guess, "replace")
    is_no_other = guess in (encoding, "utf-8") or guessed == text or guessed.count("\ufffd") > text.count("\ufffd")
    return None if is_no_other or _mixes_scripts(guessed) or _is_rubble(guessed, guess) else guess


def _mixes_scripts(text: str) -> bool:
    """Whether words of Latin letters have letters of other scripts in them."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    mixed = sum(bool(_AMONG_LATIN.search(word)) for word in words)
    return mixed > 1 and mixed > _RUBBLE * len(words)


def _is_rubble(text: str, encoding: str) -> bool:
    """Whether many of the characters that are not ASCII stand as in no text."""
    others = [letter for letter in text if not letter.isascii()]
    if encoding in _COMMON:
        return sum(_is_rare(letter, encoding) for letter in others) > _RUBBLE * len(others)
    if encoding in _SEVERAL_BYTES:
        return others.count("\ufffd") > _RUBBLE * len(others)
    faults = sum(unicodedata.category(letter) in ("Cc", "Cn", "Co") or letter == "\ufffd" for letter in others)
    signs = len(_SIGN_IN_WORD.findall(text))
    capitals = sum(letter.isupper() for letter in others)
    is_inverted = capitals > _CAPITALS * len(others) and _INVERTED.search(text) is not None
    return faults + signs > _RUBBLE / 2 * len(others) or is_inverted or _is_foreign(text)


def _is_rare(letter: str, encoding: str) -> bool:
    """Whether a character is hardly in a text of the language for which an encoding is."""
    if unicodedata.category(letter) in ("Cn", "Co", "Cc") or "\uff61" <= letter <= "\uff9f" or letter == "\ufffd":
        return True
    if not unicodedata.name(letter, "").startswith("CJK UNIFIED"):
        return letter.isalpha() and not unicodedata.name(letter, "").startswith(("HIRAGANA", "KATAKANA", "FULLWIDTH"))
    usual, first_rare = _COMMON[encoding]
    raw = letter.encode(usual, "replace")
    return len(raw) < 2 or raw[0] >= first_rare


def _is_foreign(text: str) -> bool:
    """Whether words have more letters with accents than those of any language of Latin letters."""
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    letters = "".join(words)
    accented = sum(not letter.isascii() for letter in letters)
    is_latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters) > len(letters) / 2
    return is_latin and accented >= _FEW_LETTERS and accented > _FOREIGN * len(letters)
