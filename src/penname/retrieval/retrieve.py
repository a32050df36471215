"""Choosing the k documents of a profile that go into the prompt (REST-PG section 4.1, LongLaMP's retrievers).

Profiles are ranked a block at a time. A block holds a bounded amount of text, so that examples can be streamed from
disk.
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
"""Whose documents: the user's own, other users' on the item, or k of each, the user's first (PGraphRAG section 4)."""

BLOCK_CHARACTERS, BLOCK_DOCUMENTS = 2**23, 2**17
"""A block ends with the example that reaches either limit; text shared between examples counts once."""

Orders = list[npt.NDArray[np.intp]]


@dataclass(frozen=True)
class Search:
    """One ranking task.

    query: what documents are searched for.
    documents: the candidates.
    texts: what a retriever reads of each candidate.
    """

    query: str
    documents: Sequence[Document]
    texts: Sequence[str]


class Tell(Protocol):
    def __call__(self, note: str, /) -> None:
        """Report progress in words."""
        ...


class Retriever(Protocol):
    def __call__(self, searches: Sequence[Search], tell: Tell) -> Orders:
        """For each search, the indices of its documents, most relevant first."""
        ...


def make_retriever(name: str, encoder: str | None, seed: int, tokens: TokensName = "words") -> Retriever:
    """The retriever called `name`: one of `RETRIEVERS`, or an extension, called as `retriever(query, documents)`.

    encoder: the encoder of `dense` and `contriever`, a folder or hub id; None is the bundled one.
    seed: for `random`.
    tokens: how BM25 tokenizes.

    `contriever` compares mean-pooled embeddings by dot product (Izacard et al., 2022), `dense` compares by cosine. An
    extension returns document indices, most relevant first; documents it omits are never retrieved. Raises UserError
    for an extension that does not exist or is not such a function.
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
    """The indices that an extension returned, each of which must be valid and occur once."""
    indices = np.asarray(list(order))
    well_formed = indices.ndim == 1 and (indices.dtype.kind in "iu" or not indices.size)
    if not well_formed or len(set(indices.tolist())) < len(indices) or ((indices < 0) | (indices >= documents)).any():
        expected = f"indices from 0 to {documents - 1}, each at most once"
        raise UserError(f"retriever {name}: found {indices.tolist()!r:.80}, expected {expected}")
    return indices.astype(np.intp)


def retrieve(example: Example, retriever: Retriever, k: int, documents: DocumentsName = "own") -> list[Document]:
    """The k documents retrieved for `example`, best first."""
    return next(retrieve_all([example], retriever, k, documents))[1]


def retrieve_all(
    examples: Iterable[Example],
    retriever: Retriever,
    k: int,
    documents: DocumentsName = "own",
    tell: Tell = lambda note: None,
) -> Iterator[tuple[Example, list[Document]]]:
    """Each example, in order, with the k documents retrieved for it, best first.

    k: documents an example; `both` gives up to 2k.
    documents: whose documents are candidates.
    tell: called with the retriever's progress, in words.

    A document that contains a copy of the expected output is never retrieved: real profiles repeat themselves, and the
    target must not appear in its own context. Raises UserError where an encoder cannot be loaded or its cache cannot
    be written.
    """
    for block in blocks(examples, documents if k else None):
        orders = iter(retriever([search for _, searches in block for search in searches], tell))
        for example, searches in block:
            original = Original(example.output or "")
            yield example, [document for search in searches for document in _best(search, next(orders), k, original)]
        del block  # free it before the next block is built


def _best(search: Search, order: npt.NDArray[np.intp], k: int, original: Original) -> list[Document]:
    best: list[Document] = []
    for i in order:
        if len(best) == k:
            break
        if not original.held_by(search.documents[i]):
            best.append(search.documents[i])
    return best


def blocks(
    examples: Iterable[Example], documents: DocumentsName | None
) -> Iterator[list[tuple[Example, list[Search]]]]:
    """The examples with their searches, in blocks of bounded size.

    documents: whose documents are candidates; None for no retrieval.

    The text of a document that several examples share is built once a block: `id(document)` identifies it, since the
    block keeps it alive.
    """
    block: list[tuple[Example, list[Search]]] = []
    texts_by_layout: dict[LayoutName, dict[int, str]] = {}
    characters = candidates = 0
    for example in examples:
        sides = [example.profile] if documents in ("own", "both") else []
        sides += [example.neighbours] if documents in ("neighbours", "both") else []
        texts = texts_by_layout.setdefault(example.layout, {})
        for side in sides:
            for document in side:
                if id(document) not in texts:
                    texts[id(document)] = searched_text(example, document)
                    characters += len(document.text)
        searches = [Search(query_of(example), side, [texts[id(document)] for document in side]) for side in sides]
        block.append((example, searches))
        candidates += sum(map(len, sides))
        if characters >= BLOCK_CHARACTERS or candidates >= BLOCK_DOCUMENTS:
            yield block
            block, texts_by_layout, characters, candidates = [], {}, 0, 0
    if block:
        yield block


def recency(documents: Sequence[Document]) -> npt.NDArray[np.intp]:
    """Indices, latest first by date; undated documents keep the profile's order, taken as oldest to latest."""
    return np.array(sorted(range(len(documents)), key=lambda i: (documents[i].date or "", i), reverse=True), np.intp)


def shuffled(query: str, count: int, seed: int) -> npt.NDArray[np.intp]:
    """A random permutation of `count` indices that depends on the seed and the query alone."""
    order = list(range(count))
    random.Random(hashlib.sha256(f"{seed}\n{query}".encode()).digest()).shuffle(order)
    return np.array(order, np.intp)
