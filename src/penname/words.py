"""Words of texts in any script, where they are counted, searched and compared.

White space separates words in most scripts. In Chinese, Japanese, Thai, Lao, Khmer and Burmese nothing does: there ICU
(icu4py) finds them, by its dictionaries. Signs that are written on letters, such as the vowels of Hindi, are part of
a word. The papers' metrics were defined for English; `METRIC_WORDS` has their words and those of any script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import regex

WordsName = Literal["ascii", "unicode"]
"""ascii: runs of a-z and 0-9, as in the package rouge_score; unicode: words of any script. See `METRIC_WORDS`."""

OTHER_LETTERS = 0.005
"""From this share of letters other than a to z on, texts need the words `unicode`.

English has under 0.1 %, with names such as Dvořák; Italian has 1 %, German 2 %, French 3 %.
"""

VERSION = 2
"""Of the words of `plain_words`: what is kept by them, such as rankings, is of one version."""

_UNSPACED = regex.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # kana, Han
)
# A sign on something that is no letter, such as that which gives an emoji its colours, is no word.
_BETWEEN = regex.compile(r"(?:^\p{M}+|[^\p{L}\p{M}\p{N}]\p{M}*)+")
# The soft hyphen, and what joins or separates the shapes of letters within a word, as in Persian and Hindi.
_INVISIBLE = regex.compile("[\u00ad\u200c\u200d\u2060]+")
_MOST_SPACED = 2**17
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_BARE_ASCII = {
    True: re.compile(r"[A-Za-z0-9]+(?:'[A-Za-z0-9]+)*"),
    False: re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*"),
}
_BARE = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’][\p{L}\p{M}\p{N}]+)*")
_BARE_WITHOUT_DIGITS = regex.compile(r"[\p{L}\p{Nl}\p{No}][\p{L}\p{M}\p{Nl}\p{No}]*(?:['’][\p{L}\p{M}\p{Nl}\p{No}]+)*")
_NO_LETTERS = bytes(i for i in range(128) if not chr(i).isalpha())


def split_words(text: str) -> list[str]:
    """The words of a text in order, with the punctuation that stands at them.

    Every word occurs in the text as it is. In scripts without spaces punctuation is no part of a word.
    """
    if text.isascii() or not _UNSPACED.search(text):
        return text.split()
    return [word for piece in text.split() for word in (_segments(piece) if _UNSPACED.search(piece) else [piece])]


def word_ends(text: str, words: Iterable[str]) -> Iterator[int]:
    """Where each of the first words of a text ends in it. words: those of `split_words`, as many as are wanted."""
    end = 0
    for word in words:
        end = text.index(word, end) + len(word)
        yield end


def bare_words(text: str, *, digits: bool = True) -> list[str]:
    """The words of a text as they are written, without the punctuation at them; apostrophes within a word stay.

    digits: whether digits belong to words; otherwise they separate them.
    """
    if text.isascii():  # the same words, faster
        return _BARE_ASCII[digits].findall(text)
    text = composed(text)
    if _UNSPACED.search(text):
        text = " ".join(split_words(text))
    found: list[str] = (_BARE if digits else _BARE_WITHOUT_DIGITS).findall(text)
    return found


def plain_words(text: str) -> list[str]:
    """The words of a text in lower case: runs of letters, the signs on them, and digits."""
    return ascii_words(text) if text.isascii() else spaced_words(text).split()


def spaced_words(text: str) -> str:
    """The words of `plain_words`, separated by spaces; there may be more of these."""
    return next(all_spaced_words([text]))


def all_spaced_words(texts: Iterable[str]) -> Iterator[str]:
    """The `spaced_words` of each text; what many texts have in common is looked at once."""
    spaced = _Spaced()
    for text in texts:
        lowered = composed(text.lower())
        # Nothing across a space makes a difference: a sign behind one is on no letter.
        unspaced = not lowered.isascii() and _UNSPACED.search(lowered)
        pieces = _cut(lowered) if unspaced else lowered.split(" ")
        yield " ".join([spaced[piece] for piece in pieces])
        if len(spaced) > _MOST_SPACED:
            spaced.clear()


class _Spaced(dict[str, str]):
    """Pieces of texts with spaces in the place of what is between words, made at the first look."""

    def __missing__(self, piece: str) -> str:
        spaced: str = _BETWEEN.sub(" ", piece)
        self[piece] = spaced
        return spaced


def ascii_words(text: str) -> list[str]:
    """The runs of a-z and 0-9 in a text in lower case; a text in another script has none."""
    return _ASCII_WORD.findall(text.lower())


METRIC_WORDS: Mapping[WordsName, Callable[[str], list[str]]] = {"ascii": ascii_words, "unicode": plain_words}
"""The words that ROUGE compares, by the recipe's `reward.words`; those of a text in ASCII are alike in both."""


def composed(text: str) -> str:
    """The text with its accents in Unicode's composed form (NFC), without invisible characters within words."""
    return text if text.isascii() else _INVISIBLE.sub("", unicodedata.normalize("NFC", text))


def other_letters(texts: Iterable[str]) -> float:
    """The share, in 0..1, of the texts' letters that are none of a to z; 0 where there are no letters."""
    ours = others = 0
    for text in texts:
        ours += len(text.encode("ascii", "ignore").translate(None, _NO_LETTERS))
        others += 0 if text.isascii() else sum(not c.isascii() and c.isalpha() for c in text)
    return others / max(1, ours + others)


def words_for(share: float) -> WordsName:
    """The words that metrics need for texts with a share of `other_letters`."""
    return "unicode" if share >= OTHER_LETTERS else "ascii"


def _cut(text: str) -> list[str]:
    """The words of a text, some of them with what is between them, and some pieces without a word."""
    pieces: list[str] = []
    for piece in text.split():
        pieces += _breaks(piece) if _UNSPACED.search(piece) else [piece]
    return pieces


def _segments(text: str) -> list[str]:
    """The words of a text without white space."""
    return [piece for piece in _breaks(text) if not _BETWEEN.fullmatch(piece)]


def _breaks(text: str) -> Iterable[str]:
    """The words of a text without white space, and what is between them, by ICU."""
    from icu4py.breakers import WordBreaker

    breaks: Iterable[str] = WordBreaker(text, "en")  # the dictionaries do not depend on the locale
    return breaks
