"""BM25's tokenizer: splits many texts into words at once and maps each distinct word to an id.

Words are identified by 63 bits of a hash, so that two different words collide about once in 10^19 pairs. Where there is
much text, loops are compiled by numba (see `penname.retrieval.compiled`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from penname.retrieval.compiled import compiled
from penname.words import all_spaced_words

TokensName = Literal["words", "whitespace"]
"""words: those of `penname.words.plain_words`; whitespace: `str.split()`."""

SMALLEST_TABLE = 2**17
"""Slots of the hash table of distinct words, of which half may be filled; small enough for a CPU's cache."""

_LETTERS = bytes(ord(chr(i).lower()) if i < 128 and chr(i).isalnum() else 32 for i in range(256))
_IS_SPACE = np.array([chr(i).isspace() for i in range(0x3001)])


@dataclass(frozen=True)
class TokenizedTexts:
    """Many texts as word ids.

    words: the ids of all words, text after text; ids count from 0 in order of first occurrence.
    ends: where each text ends in `words`.
    """

    words: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]


@dataclass(frozen=True)
class HashedTexts:
    """Many texts as hashes of their words.

    hashes: those of all words, text after text.
    ends: where each text ends in `hashes`.
    """

    hashes: npt.NDArray[np.uint64]
    ends: npt.NDArray[np.int64]


def tokenize(texts: Sequence[str], tokens: TokensName) -> TokenizedTexts:
    """Tokenize texts and map their words to ids."""
    return numbered(hash_words(texts, tokens))


def hash_words(texts: Sequence[str], tokens: TokensName) -> HashedTexts:
    """Tokenize texts and hash their words."""
    encoded = _letters(texts) if tokens == "words" else [text.encode(errors="surrogatepass") for text in texts]
    ends = np.cumsum([len(text) + 1 for text in encoded], dtype=np.int64)
    letters = np.frombuffer(bytearray(b" ").join((*encoded, b"")), np.uint8)
    del encoded  # it may take much memory
    _blank_wide_spaces(letters)
    return HashedTexts(*_hash(letters, ends))


def numbered(texts: HashedTexts) -> TokenizedTexts:
    """Map words to ids by their hashes."""
    size = SMALLEST_TABLE
    while len(numbers := _number(texts.hashes, size)) < len(texts.hashes):
        size *= 4
    return TokenizedTexts(numbers, texts.ends)


def _letters(texts: Sequence[str]) -> list[bytes]:
    """Texts in lower case and UTF-8, with spaces for everything but letters and digits."""
    spaced = all_spaced_words(text for text in texts if not text.isascii())
    return [
        text.encode().translate(_LETTERS) if text.isascii() else next(spaced).encode(errors="surrogatepass")
        for text in texts
    ]


@compiled
def _blank_wide_spaces(letters: Any) -> None:
    """Replace multi-byte white space by single-byte spaces, in place."""
    for i in range(len(letters) - 1):
        first, second = int(letters[i]), int(letters[i + 1])
        if 0xC2 <= first < 0xE0:
            if _IS_SPACE[(first & 0x1F) << 6 | second & 0x3F]:
                letters[i : i + 2] = 0x20
        elif 0xE0 <= first < 0xF0:
            code = (first & 0xF) << 12 | (second & 0x3F) << 6 | int(letters[i + 2]) & 0x3F
            if code < len(_IS_SPACE) and _IS_SPACE[code]:
                letters[i : i + 3] = 0x20


@compiled
def _hash(letters: Any, ends: Any) -> tuple[Any, Any]:
    """The FNV-1a hash of each word, and where each text's words end.

    letters: the texts in UTF-8, each ended by a space.
    ends: where each text ends in `letters`.
    """
    empty, factor = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
    hashes = np.empty(len(letters) // 2, np.uint64)
    word_ends = np.empty(len(ends), np.int64)
    count = start = 0
    for text in range(len(ends)):
        word = empty
        for i in range(start, ends[text]):
            letter = letters[i]
            if letter > 0x20 or not _IS_SPACE[letter]:
                word = (word ^ np.uint64(letter)) * factor
            elif word != empty:
                hashes[count] = word
                count += 1
                word = empty
        start = ends[text]
        word_ends[text] = count
    return hashes[:count], word_ends


@compiled
def _number(hashes: Any, size: int) -> Any:
    """The id of each hash, in order of first occurrence; shorter than `hashes` where a table of `size` is too small."""
    numbers = np.empty(len(hashes), np.int32)
    known, known_numbers = np.zeros(size, np.uint64), np.empty(size, np.int32)  # 0: an empty slot
    count = 0
    for i in range(len(hashes)):
        word = (hashes[i] ^ hashes[i] >> np.uint64(32)) | np.uint64(1)
        slot = np.int64(word >> np.uint64(1)) & (size - 1)
        while known[slot] != 0 and known[slot] != word:
            slot = (slot + 1) & (size - 1)
        if known[slot] == 0:
            known[slot], known_numbers[slot] = word, count
            count += 1
            if 2 * count > size:
                return numbers[:i]
        numbers[i] = known_numbers[slot]
    return numbers
