"""Words of many texts at once, each word as a 64-bit number: equal words have equal numbers.

A word of up to eight bytes is its own number, and longer ones are hashed, so that two different words are taken for the
same one about once in 10^19 pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

TokensName = Literal["words", "whitespace"]
"""words: lower-cased runs of letters and digits, as `penname.data.duplicates.words_of`; whitespace: `str.split()`."""

PIECE = 2**19
"""Bytes cut at once: their words, and what is made of them on the way, stay in the processor's cache."""

# Spaces of more than one byte in UTF-8, each as the number that its bytes make, and a number that is none.
_WIDE = np.array(
    [*sorted(int.from_bytes(chr(i).encode()) for i in range(0x80, 0x3001) if chr(i).isspace()), 2**31 - 1], np.int32
)
_NO_WORD = re.compile(r"[\W_]+")
_LETTERS = bytes(ord(chr(i).lower()) if i < 128 and chr(i).isalnum() else 32 for i in range(256))
# Bytes after a word's end are set to 255, which UTF-8 never has.
_PADDING = np.array([2**64 - 2 ** (8 * i) for i in range(9)], np.uint64)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Tokens:
    """words: the numbers of all words, text after text; counts: how many words each text has."""

    words: npt.NDArray[np.int64]
    counts: npt.NDArray[np.intp]


def cut(texts: Sequence[str], tokens: TokensName) -> list[Tokens]:
    """The words of each of the texts, in order: those of some texts, then of the next ones, at least once."""
    if tokens == "words":
        encoded = [_letters(text) for text in texts]
    else:
        encoded = [text.encode(errors="surrogatepass") for text in texts]
    return [_cut_piece(piece) for piece in _pieces(encoded)]


def _letters(text: str) -> bytes:
    """UTF-8 of lower-cased letters and digits, and spaces."""
    if text.isascii():
        return text.encode().translate(_LETTERS)
    return _NO_WORD.sub(" ", text.lower()).encode(errors="surrogatepass")


def _pieces(texts: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """The texts, `PIECE` bytes or a little more at a time; one piece where there are none."""
    start = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= PIECE:
            yield texts[start : place + 1]
            start, size = place + 1, 0
    if start < len(texts) or not texts:
        yield texts[start:]


def _cut_piece(texts: Sequence[bytes]) -> Tokens:
    buffer = b" ".join((b"", *texts, b" " * 8))
    letters = np.frombuffer(buffer, np.uint8)
    spaces = (letters == 32) | (letters - np.uint8(9) < 5) | (letters - np.uint8(28) < 4)
    _add_wide_spaces(letters, spaces)
    edges = np.flatnonzero(spaces[1:] != spaces[:-1]) + 1
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    eights = np.ndarray((len(buffer) - 7,), "<u8", buffer, strides=(1,))
    words = eights[starts] | np.take(_PADDING, lengths, mode="clip")
    done, longer = 8, np.flatnonzero(lengths > 8)
    while len(longer):
        following = eights[starts[longer] + done] | np.take(_PADDING, lengths[longer] - done, mode="clip")
        words[longer] = (words[longer] * _FACTOR) ^ (following + (words[longer] >> np.uint64(29)))
        done += 8
        longer = longer[lengths[longer] > done]
    ends = np.cumsum([len(text) + 1 for text in texts])
    return Tokens(words.view(np.int64), np.diff(np.searchsorted(starts, ends), prepend=0))


def _add_wide_spaces(letters: npt.NDArray[np.uint8], spaces: npt.NDArray[np.bool_]) -> None:
    """Mark spaces of more than one byte of UTF-8 in `spaces`."""
    leads = np.flatnonzero(letters >= 0xC2)
    first, second, third = (letters[leads + i].astype(np.int32) for i in range(3))
    two = first << 8 | second
    for length, numbers in ((2, two), (3, two << 8 | third)):
        found = leads[_WIDE[np.searchsorted(_WIDE, numbers)] == numbers]
        for place in range(length):
            spaces[found + place] = True
