"""Words of texts in any script, where they are counted, searched and compared.

White space separates words in most scripts. In Chinese, Japanese, Thai, Lao, Khmer and Burmese nothing does: there ICU
(icu4py) finds them, by its dictionaries. Signs that are written on letters, such as the vowels of Hindi, are part of
a word. The papers' metrics have tokenizers of their own (`penname.rewards`).
"""

from __future__ import annotations

import regex

_UNSPACED = regex.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai and Lao, Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # kana, Han
)
_BETWEEN = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


def split_words(text: str) -> list[str]:
    """The words of a text in order, with the punctuation that stands at them.

    Every word occurs in the text as it is. In scripts without spaces punctuation is no part of a word.
    """
    if text.isascii() or not _UNSPACED.search(text):
        return text.split()
    return [word for piece in text.split() for word in (_segments(piece) if _UNSPACED.search(piece) else [piece])]


def plain_words(text: str) -> list[str]:
    """The words of a text in lower case: runs of letters, the signs on them, and digits."""
    return spaced_words(text).split()


def spaced_words(text: str) -> str:
    """The words of `plain_words`, separated by spaces; there may be more of these."""
    lowered = text.lower()
    if not text.isascii() and _UNSPACED.search(text):
        lowered = " ".join(split_words(lowered))
    return _BETWEEN.sub(" ", lowered)


def _segments(text: str) -> list[str]:
    """The words of a text without white space, by ICU."""
    from icu4py.breakers import WordBreaker

    breaker = WordBreaker(text, "en")  # the dictionaries do not depend on the locale
    return [piece for piece in breaker if not _BETWEEN.fullmatch(piece)]
