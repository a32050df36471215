"""Choosing the k documents of a profile that go into the prompt (REST-PG section 4.1, LongLaMP's retrievers).

All of a benchmark's profiles are ranked in one call, a block of them at a time: as many as fit into a bounded part of
memory, so that examples may be read from disk as they are wanted.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from penname.data.duplicates import Original
from penname.data.layouts import query_of, searched_text
from penname.data.records import Document, Example, LayoutName
from penname.errors import UserError
from penname.extensions import Extension, load_callable
from penname.retrieval import bm25
from penname.retrieval.dense import DenseRanking
from penname.retrieval.tokens import TokensName

RETRIEVERS = ("bm25", "dense", "contriever", "recency", "random")
DocumentsName = Literal["own", "neighbours", "both"]
"""Whose documents: the user's, other users' on the item, or k of each, the user's first (PGraphRAG section 4)."""

BLOCK_CHARACTERS, BLOCK_DOCUMENTS = 2**23, 2**17
"""A block ends with the example that brings it to so much text or so many documents; shared text counts once."""

Orders = list[npt.NDArray[np.intp]]


@dataclass(frozen=True)
class Search:
    """documents: what is ranked for `query`; texts: what a retriever reads of each."""

    query: str
    documents: Sequence[Document]
    texts: Sequence[str]


class Tell(Protocol):
    def __call__(self, note: str, /) -> None:
        """Say how far a retriever is."""
        ...


class Retriever(Protocol):
    def __call__(self, searches: Sequence[Search], tell: Tell) -> Orders:
        """For each search the places of all its documents, most relevant first."""
        ...


def make_retriever(name: str, encoder: str | None, seed: int, tokens: TokensName = "words") -> Retriever:
    """The retriever called `name`: one of `RETRIEVERS`, or an extension, called as `retriever(query, documents)`.

    `encoder` is a folder or hub id for `dense` and `contriever`, None the bundled one; `tokens` are BM25's.
    `contriever` compares mean-pooled vectors by dot product (Izacard et al., 2022), `dense` by cosine. An extension
    gives the indices of its documents, most relevant first; those that it leaves out are never shown. Raises UserError
    for an extension that is not there or is no such function.
    """
    if isinstance(name, Extension):
        order = load_callable(name, "retriever", "query", "documents")
        return lambda searches, tell: [_checked(name, order(s.query, s.documents), len(s.documents)) for s in searches]
    if name == "bm25":
        return lambda searches, tell: bm25.rank_and_keep(
            [s.query for s in searches], [s.texts for s in searches], tokens
        )
    if name == "recency":
        return lambda searches, tell: [recency(search.documents) for search in searches]
    if name == "random":
        return lambda searches, tell: [shuffled(s.query, len(s.documents), seed) for s in searches]
    contriever = name == "contriever"
    dense = DenseRanking(encoder, pooling="mean" if contriever else "model default", normalize=not contriever)
    return lambda searches, tell: dense.rank([s.query for s in searches], [s.texts for s in searches], tell)


def _checked(name: str, order: Iterable[int], documents: int) -> npt.NDArray[np.intp]:
    """An extension's order, which must be of its documents' indices, each once."""
    found = np.asarray(list(order))
    whole = found.ndim == 1 and (found.dtype.kind in "iu" or not found.size)
    if not whole or len(set(found.tolist())) < len(found) or ((found < 0) | (found >= documents)).any():
        expected = f"indices from 0 to {documents - 1}, each at most once"
        raise UserError(f"retriever {name}: found {found.tolist()!r:.80}, expected {expected}")
    return found.astype(np.intp)


def retrieve(example: Example, retriever: Retriever, k: int, documents: DocumentsName = "own") -> list[Document]:
    """The k documents for `example`, best first."""
    return next(retrieve_all([example], retriever, k, documents))[1]


def retrieve_all(
    examples: Iterable[Example],
    retriever: Retriever,
    k: int,
    documents: DocumentsName = "own",
    tell: Tell = lambda note: None,
) -> Iterator[tuple[Example, list[Document]]]:
    """Each example, in order, with its k documents, best first; of `both` sides 2k.

    A document that is a copy of the expected output is never retrieved: profiles of real data repeat themselves, and
    the target must not stand in its own context. Raises UserError where an encoder cannot be had or the cache of
    vectors cannot be written.
    """
    for block in blocks(examples, documents if k else None):
        orders = iter(retriever([search for _, searches in block for search in searches], tell))
        for example, searches in block:
            original = Original(example.output or "")
            yield example, [document for search in searches for document in _best(search, next(orders), k, original)]
        del block  # before the next one is made


def _best(search: Search, order: npt.NDArray[np.intp], k: int, original: Original) -> list[Document]:
    best: list[Document] = []
    for place in order:
        if len(best) == k:
            break
        if not original.held_by(search.documents[place]):
            best.append(search.documents[place])
    return best


def blocks(
    examples: Iterable[Example], documents: DocumentsName | None
) -> Iterator[list[tuple[Example, list[Search]]]]:
    """The examples with their searches, some at a time; `documents` is None for no document at all.

    A document that several examples hold is put into a text once: it is known by its id, as the block keeps it.
    """
    block: list[tuple[Example, list[Search]]] = []
    kept: dict[LayoutName, dict[int, str]] = {}
    characters = places = 0
    for example in examples:
        sides = [example.profile] if documents in ("own", "both") else []
        sides += [example.neighbours] if documents in ("neighbours", "both") else []
        texts = kept.setdefault(example.layout, {})
        for side in sides:
            for document in side:
                if id(document) not in texts:
                    texts[id(document)] = searched_text(example, document)
                    characters += len(document.text)
        searches = [Search(query_of(example), side, [texts[id(document)] for document in side]) for side in sides]
        block.append((example, searches))
        places += sum(map(len, sides))
        if characters >= BLOCK_CHARACTERS or places >= BLOCK_DOCUMENTS:
            yield block
            block, kept, characters, places = [], {}, 0, 0
    if block:
        yield block


def recency(documents: Sequence[Document]) -> npt.NDArray[np.intp]:
    """Latest first by date; documents without a date keep the profile's order, taken as oldest to latest."""
    return np.array(sorted(range(len(documents)), key=lambda i: (documents[i].date or "", i), reverse=True), np.intp)


def shuffled(query: str, count: int, seed: int) -> npt.NDArray[np.intp]:
    """A random order that depends on the seed and the query alone."""
    order = list(range(count))
    random.Random(hashlib.sha256(f"{seed}\n{query}".encode()).digest()).shuffle(order)
    return np.array(order, np.intp)
