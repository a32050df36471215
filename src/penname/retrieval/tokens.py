"""Words of many texts at once, each word as a number: equal words have equal numbers.

Words are told apart by 63 bits of a hash, so that two different ones are taken for the same about once in 10^19 pairs.
Where there is much text, loops are compiled by numba (see `penname.retrieval.compiled`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from penname.retrieval.compiled import compiled

TokensName = Literal["words", "whitespace"]
"""words: lower-cased runs of letters and digits, as `penname.data.duplicates.words_of`; whitespace: `str.split()`."""

SMALLEST_TABLE = 2**17
"""Of distinct words: room for half as many, and small enough for a processor's cache."""

_NO_WORD = re.compile(r"[\W_]+")
_LETTERS = bytes(ord(chr(i).lower()) if i < 128 and chr(i).isalnum() else 32 for i in range(256))
_IS_SPACE = np.array([chr(i).isspace() for i in range(0x3001)])


@dataclass(frozen=True)
class Tokens:
    """words: the numbers of all words, text after text, from 0 up; ends: where each text's words end."""

    words: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]


def cut(texts: Sequence[str], tokens: TokensName) -> Tokens:
    """The words of each of the texts, in order, numbered as they come."""
    if tokens == "words":
        encoded = [_letters(text) for text in texts]
    else:
        encoded = [text.encode(errors="surrogatepass") for text in texts]
    ends = np.cumsum([len(text) + 1 for text in encoded], dtype=np.int64)
    letters = np.frombuffer(bytearray(b" ").join((*encoded, b"")), np.uint8)
    del encoded  # there may be much of it
    _blank_wide_spaces(letters)
    hashes, ends = _hash(letters, ends)
    size = SMALLEST_TABLE
    while len(numbers := _number(hashes, size)) < len(hashes):
        size *= 4
    return Tokens(numbers, ends)


def _letters(text: str) -> bytes:
    """UTF-8 of lower-cased letters and digits, and spaces."""
    if text.isascii():
        return text.encode().translate(_LETTERS)
    return _NO_WORD.sub(" ", text.lower()).encode(errors="surrogatepass")


@compiled
def _blank_wide_spaces(letters: Any) -> None:
    """Put spaces of one byte for those of more, in place."""
    for place in range(len(letters) - 1):
        first, second = int(letters[place]), int(letters[place + 1])
        if 0xC2 <= first < 0xE0:
            if _IS_SPACE[(first & 0x1F) << 6 | second & 0x3F]:
                letters[place : place + 2] = 0x20
        elif 0xE0 <= first < 0xF0:
            code = (first & 0xF) << 12 | (second & 0x3F) << 6 | int(letters[place + 2]) & 0x3F
            if code < len(_IS_SPACE) and _IS_SPACE[code]:
                letters[place : place + 3] = 0x20


@compiled
def _hash(letters: Any, ends: Any) -> tuple[Any, Any]:
    """FNV-1a of each word of the texts, which are in UTF-8 and end with a space each; and where a text's words end."""
    nothing, factor = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
    hashes = np.empty(len(letters) // 2, np.uint64)
    word_ends = np.empty(len(ends), np.int64)
    count = start = 0
    for text in range(len(ends)):
        found = nothing
        for place in range(start, ends[text]):
            letter = letters[place]
            if letter > 0x20 or not _IS_SPACE[letter]:
                found = (found ^ np.uint64(letter)) * factor
            elif found != nothing:
                hashes[count] = found
                count += 1
                found = nothing
        start = ends[text]
        word_ends[text] = count
    return hashes[:count], word_ends


@compiled
def _number(hashes: Any, size: int) -> Any:
    """The distinct hashes as numbers from 0 up, as they come; a part of them where a table of `size` is too small."""
    numbers = np.empty(len(hashes), np.int32)
    known, known_numbers = np.zeros(size, np.uint64), np.empty(size, np.int32)  # 0: nothing there yet
    count = 0
    for place in range(len(hashes)):
        found = (hashes[place] ^ hashes[place] >> np.uint64(32)) | np.uint64(1)
        slot = np.int64(found >> np.uint64(1)) & (size - 1)
        while known[slot] != 0 and known[slot] != found:
            slot = (slot + 1) & (size - 1)
        if known[slot] == 0:
            known[slot], known_numbers[slot] = found, count
            count += 1
            if 2 * count > size:
                return numbers[:place]
        numbers[place] = known_numbers[slot]
    return numbers
