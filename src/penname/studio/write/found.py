"""The documents that were found for a prompt, with the words marked that they share with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import regex

from penname.data.records import Document
from penname.words import plain_words, split_words, word_ends

MOST_LETTERS = 4000
"""Letters of a document that are shown."""

FEWEST_DOCUMENTS = 5
"""With fewer, it is not known which words are common."""

MOST_SAMPLED = 200
"""Documents of which the words are counted."""

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


class Piece(NamedTuple):
    """Part of a text. shared: whether it is a word that the prompt has too."""

    text: str
    shared: bool


@dataclass(frozen=True)
class Found:
    """A document as it is shown.

    title: its title and date, or its first words.
    pieces: its text.
    shared: the words that it shares with the prompt, as the prompt has them.
    left_out: number of letters that are not shown.
    """

    title: str
    pieces: list[Piece]
    shared: list[str]
    left_out: int


def found_documents(documents: Sequence[Document], prompt: str, sample: Sequence[Document]) -> list[Found]:
    """Documents as they are shown for a prompt, most relevant first.

    sample: of all the user's documents. Words that most of these have tell nothing of what one is about, and are not
        marked; where the user has few documents, that is not known.
    """
    counts = Counter(word for document in sample for word in set(plain_words(document.text)))
    most = len(sample) / 2 if len(sample) >= FEWEST_DOCUMENTS else len(sample)
    words = [word for word in plain_words(prompt) if counts[word] <= most]
    return [_found(document, words) for document in documents]


def _found(document: Document, words: Sequence[str]) -> Found:
    text = document.text[:MOST_LETTERS]
    pieces = list(_pieces(text, frozenset(words)))
    marked = {word for piece in pieces if piece.shared for word in plain_words(piece.text)}
    shared = [word for word in dict.fromkeys(words) if word in marked]
    title = " · ".join(filter(None, [document.title, (document.date or "")[:10]])) or _beginning(text)
    return Found(title, pieces, shared, len(document.text) - len(text))


def _pieces(text: str, words: frozenset[str]) -> Iterator[Piece]:
    done = 0
    for begin, end in _runs(text):
        if not words.isdisjoint(plain_words(text[begin:end])):
            yield Piece(text[done:begin], shared=False)
            yield Piece(text[begin:end], shared=True)
            done = end
    yield Piece(text[done:], shared=False)


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """Where each word begins and ends, without the punctuation at it."""
    words = split_words(text)
    for word, end in zip(words, word_ends(text, words), strict=True):
        begin = end - len(word)
        for found in _WORD.finditer(word):
            yield begin + found.start(), begin + found.end()


def _beginning(text: str) -> str:
    words = text.split()
    return " ".join(words[:8])[:80] + (" …" if len(words) > 8 else "")
