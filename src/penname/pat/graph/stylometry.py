"""Stylometric features of a text, the input of the style trajectory.

PaT's features are not known. These are our reconstruction: the usual features of authorship attribution (Stamatatos,
2009), which are function words, punctuation, lengths, casing, readability and lexical richness.
`penname.pat.graph.style` adds hashed character n-grams. Words, sentences and marks are counted in any script; function
words, contractions, syllables and readability are those of English, and constant elsewhere.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from penname.words import bare_words

FUNCTION_WORDS = (
    "a an the this that these those i me my we us our you your he him his she her it its they them their one who whom "
    "whose which what where when why how and or but nor so yet if because although though while unless until since as "
    "than whether of in on at by for with about against between into through during before after above below to from "
    "up down out off over under again further then once here there all any both each few more most other some such no "
    "not only own same too very just also even still never always often really quite rather much many am is are was "
    "were be been being have has had having do does did doing will would shall should can could may might must"
).split()
MARKS = ".,;:!?'\"-()/&%$*#@…–—\n"
FIGURES = (
    "log words",
    "letters a word",
    "its deviation",
    "words a sentence",
    "its deviation",
    "long words",
    "short words",
    "distinct words",
    "words used once",
    "capital letters",
    "words in capitals",
    "capitalised words",
    "sentences begun in lower case",
    "a lower-case i",
    "digits",
    "other alphabets and signs",
    "contractions",
    "repeated marks",
    "Flesch reading ease",
    "automated readability index",
)
NAMES = (*(f"word {word}" for word in FUNCTION_WORDS), *(f"mark {mark!r}" for mark in MARKS), *FIGURES)

# A match starts at the first mark only: otherwise a long run of marks without a space after it takes quadratic time.
# Between Chinese and Japanese sentences there is no space.
_SENTENCE_END = re.compile(r"(?<![.!?…।؟۔])[.!?…।؟۔]+\s+|(?<![。！？])[。！？]+\s*|\n{2,}")
# Commas, full stops, semicolons, colons, question and exclamation marks and brackets of other scripts.
_AS_IN_LATIN = str.maketrans("，、،。।۔；؛：？؟！（）", ",,,...;;:??!()")
_VOWELS = re.compile(r"[aeiouy]+")
_REPEATED_MARKS = re.compile(r"([!?.])\1+")
_INDEX = {word: index for index, word in enumerate(FUNCTION_WORDS)}


def stylometric(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """The features of each text, shape (len(texts), len(NAMES)): rates per word or character, lengths and scores."""
    return np.array([_of_text(text) for text in texts], np.float32).reshape(len(texts), len(NAMES))


def _of_text(text: str) -> list[float]:
    words = bare_words(text)
    lowered = [word.lower() for word in words]
    sentences = [part for part in _SENTENCE_END.split(text) if part.strip()]
    text = text if text.isascii() else text.translate(_AS_IN_LATIN)
    return [*_function_words(lowered), *_marks(text), *_figures(text, words, lowered, sentences)]


def _function_words(lowered: Sequence[str]) -> list[float]:
    rates = [0.0] * len(FUNCTION_WORDS)
    for word in lowered:
        index = _INDEX.get(word)
        if index is not None:
            rates[index] += 1 / len(lowered)
    return rates


def _marks(text: str) -> list[float]:
    return [text.count(mark) / max(1, len(text)) for mark in MARKS]


def _figures(text: str, words: Sequence[str], lowered: Sequence[str], sentences: Sequence[str]) -> list[float]:
    n = max(1, len(words))
    lengths = [len(word) for word in words] or [0]
    in_sentence = [len(bare_words(sentence)) for sentence in sentences] or [0]
    counts = Counter(lowered)
    characters = max(1, len(text))
    letters = max(1, sum(map(str.isalpha, text)))
    syllables = sum(max(1, len(_VOWELS.findall(word))) for word in lowered)
    words_a_sentence = n / max(1, len(sentences))
    return [
        math.log1p(len(words)),
        *_mean_and_deviation(lengths),
        *_mean_and_deviation(in_sentence),
        sum(length > 6 for length in lengths) / n,
        sum(length < 4 for length in lengths) / n,
        len(counts) / math.sqrt(n),
        sum(count == 1 for count in counts.values()) / n,
        sum(map(str.isupper, text)) / letters,
        sum(word.isupper() and len(word) > 1 for word in words) / n,
        sum(word[0].isupper() for word in words) / n,
        sum(sentence.lstrip()[0].islower() for sentence in sentences) / max(1, len(sentences)),
        words.count("i") / n,
        sum(map(str.isdigit, text)) / characters,
        sum(not c.isascii() for c in text) / characters,
        sum("'" in word or "’" in word for word in words) / n,
        len(_REPEATED_MARKS.findall(text)) / n,
        206.835 - 1.015 * words_a_sentence - 84.6 * syllables / n,
        4.71 * sum(lengths) / n + 0.5 * words_a_sentence - 21.43,
    ]


def _mean_and_deviation(numbers: Sequence[int]) -> tuple[float, float]:
    """Mean and standard deviation, in plain Python, as numpy takes longer for a few numbers."""
    mean = sum(numbers) / len(numbers)
    return mean, math.sqrt(sum((number - mean) ** 2 for number in numbers) / len(numbers))
