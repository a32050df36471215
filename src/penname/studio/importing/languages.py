"""Which language a text seems to be in: by its letters, and where many languages share these, by its small words.

A guess for people who look at what was read, not for anything that is computed.
"""

from __future__ import annotations

import re
from collections import Counter

UNKNOWN = "not clear"
LETTERS = 1500
"""So many letters of a text are looked at."""

_FEWEST = 2
"""Small words of a language that a text has at least."""

_SCRIPTS = {
    "Japanese": "\u3040-\u30ff",  # before Chinese, whose letters Japanese has too
    "Chinese": "\u4e00-\u9fff",
    "Korean": "\uac00-\ud7af",
    "Greek": "\u0370-\u03ff",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff",
    "Hindi": "\u0900-\u097f",
    "Thai": "\u0e00-\u0e7f",
}
_IN_SCRIPT = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W_]+")

_WORDS = {
    "English": "the and of to in is that it for was with as on be this have are not you but i by my we at from",
    "German": "der die das und ist nicht ich ein eine zu mit auf den von für es sich auch wir dem wie",
    "French": "le la les des et est une un que pas pour dans je vous qui sur avec ce nous du au",
    "Spanish": "el los las que y en un una por con para no es del se lo como pero más su al",
    "Italian": "il di che e la un una per non è con sono della mi si più ma del nel gli anche",
    "Portuguese": "o os as que e um uma não do da em para com é por mais se como mas dos seu",
    "Dutch": "de het een en van ik niet is dat met voor op zijn er maar om ook te aan wij",
    "Swedish": "och att det som en är på för med av inte jag den till har om ett vi men du",
    "Danish": "og at det er en på for med af ikke jeg den til har om et vi men som der",
    "Norwegian": "og at det er en på for med av ikke jeg den til har om et vi men som fra",
    "Finnish": "ja on ei se että oli hän mutta niin kun ovat myös minä joka tai jos kuin nyt sen ole",
    "Polish": "i w na nie się z do to że jest jak o co ale po tak za od dla przez",
    "Czech": "a se na je v že to s z do o jako ale by jsem k pro i za jsou",
    "Turkish": "ve bir bu da de için çok ama ne ben var gibi daha olarak ile mi o sen ki değil",
    "Russian": "и в не на я что с он как это но по из у за так все мы то же",
    "Ukrainian": "і в не на я що з він як це але по із у за так всі ми та є",
}
_SMALL = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def language_of(text: str) -> str:
    """The language that a text seems to be in, by its name in English; `UNKNOWN` where that is not clear."""
    text = text[:LETTERS]
    letters = len(_LETTER.findall(text))
    if not letters:
        return UNKNOWN
    if not text.isascii():
        for name, pattern in _IN_SCRIPT.items():
            if len(pattern.findall(text)) > 0.2 * letters:
                return name
    words = Counter(_WORD.findall(text.lower()))
    counts = {language: sum(words[word] for word in small) for language, small in _SMALL.items()}
    (best, most), (_, next_most) = Counter(counts).most_common(2)
    return best if most >= _FEWEST and most > next_most else UNKNOWN
