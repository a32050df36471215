"""Retrieves the k documents of a profile that go into the prompt (REST-PG section 4.1, LongLaMP's retrievers).

Profiles are ranked in blocks. A block has a bounded amount of text, so that examples can be streamed from disk.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from penname.data.duplicates import CopyDetector
from penname.data.layouts import query_of, searched_text
from penname.data.records import Document, Example, LayoutName
from penname.encoders import Pooling
from penname.errors import UserError
from penname.extensions import Extension, load_callable
from penname.retrieval import bm25
from penname.retrieval.dense import DenseRanking
from penname.retrieval.known_words import KnownWords
from penname.retrieval.tokens import TokensName

DENSE = ("dense", "contriever")
RETRIEVERS = ("bm25", "dense", "contriever", "recency", "random")
DocumentsName = Literal["own", "neighbours", "both"]
"""Whose documents are retrieved: the user's own, other users' on the item, or k of each (PGraphRAG, section 4)."""

BLOCK_CHARACTERS, BLOCK_DOCUMENTS = 2**23, 2**17
"""A block ends with the example that reaches either limit; text that examples share counts once."""

Rankings = list[npt.NDArray[np.intp]]
"""For each search, the indices of its documents, most relevant first."""


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


class OnProgress(Protocol):
    """Is told how far a retriever is."""

    def __call__(self, note: str, /) -> None:
        """Report progress in words."""
        ...


class Retriever(Protocol):
    """Ranks the documents of many searches at once."""

    def __call__(self, searches: Sequence[Search], on_progress: OnProgress) -> Rankings:
        """For each search, the indices of its documents, most relevant first; `on_progress` is called in between."""
        ...


def make_retriever(
    name: str,
    encoder: str | None,
    seed: int,
    tokens: TokensName = "words",
    known: KnownWords | None = None,
    *,
    cached: bool = True,
) -> Retriever:
    """The retriever called `name`: one of `RETRIEVERS`, or an extension, called as `retriever(query, documents)`.

    encoder: the encoder of `dense` and `contriever`, a folder or hub id; None is the bundled one.
    seed: of the retriever `random`.
    tokens: how BM25 tokenizes texts.
    known: the words of the one profile that is to be searched, which BM25 keeps there; None where it keeps none.
    cached: whether what is computed of texts is kept on disk.

    `contriever` compares mean-pooled embeddings by dot product (Izacard et al., 2022), `dense` compares by cosine. An
    extension returns document indices, most relevant first; documents it omits are never retrieved. Raises UserError
    for an extension that does not exist or is not such a function.
    """
    if isinstance(name, Extension):
        rank = load_callable(name, "retriever", "query", "documents")
        return lambda searches, on_progress: [
            _checked(name, rank(s.query, s.documents), len(s.documents)) for s in searches
        ]
    if name == "bm25" and known is not None:
        return lambda searches, on_progress: [bm25.rank_known(s.query, s.texts, tokens, known) for s in searches]
    if name == "bm25":
        rank_all = bm25.rank_cached if cached else bm25.rank
        return lambda searches, on_progress: rank_all([s.query for s in searches], [s.texts for s in searches], tokens)
    if name == "recency":
        return lambda searches, on_progress: [rank_by_date(search.documents) for search in searches]
    if name == "random":
        return lambda searches, on_progress: [rank_randomly(s.query, len(s.documents), seed) for s in searches]
    contriever = name == "contriever"
    pooling: Pooling = "mean" if contriever else "model default"
    dense = DenseRanking(encoder, pooling=pooling, normalize=not contriever, cached=cached)
    return lambda searches, on_progress: dense.rank(
        [s.query for s in searches], [s.texts for s in searches], on_progress
    )


def _checked(name: str, order: Iterable[int], documents: int) -> npt.NDArray[np.intp]:
    """The indices that an extension returned, each of which must be valid and occur once."""
    if not isinstance(order, Iterable):
        raise UserError(f"retriever {name}: found {type(order).__name__}, expected indices of the documents")
    indices = np.asarray(list(order))
    well_formed = indices.ndim == 1 and (indices.dtype.kind in "iu" or not indices.size)
    if not well_formed or len(set(indices.tolist())) < len(indices) or ((indices < 0) | (indices >= documents)).any():
        expected = f"indices from 0 to {documents - 1}, each at most once"
        raise UserError(f"retriever {name}: found {indices.tolist()!r:.80}, expected {expected}")
    return indices.astype(np.intp)


def retrieve(example: Example, retriever: Retriever, k: int, documents: DocumentsName = "own") -> list[Document]:
    """The k documents retrieved for `example`, most relevant first; arguments as for `retrieve_all`."""
    return next(retrieve_all([example], retriever, k, documents))[1]


def retrieve_all(
    examples: Iterable[Example],
    retriever: Retriever,
    k: int,
    documents: DocumentsName = "own",
    on_progress: OnProgress = lambda note: None,
) -> Iterator[tuple[Example, list[Document]]]:
    """Each example, in order, with the k documents retrieved for it, most relevant first.

    k: number of documents for each example; with `both` up to 2k.
    documents: whose documents are candidates.
    on_progress: called with the retriever's progress, in words.

    A document that contains a copy of the expected output is never retrieved: real profiles contain duplicates, and
    the target must not appear in its own context. Raises UserError where an encoder cannot be loaded or its cache
    cannot be written.
    """
    for block in blocks(examples, documents if k else None):
        rankings = iter(retriever([search for _, searches in block for search in searches], on_progress))
        for example, searches in block:
            copies = CopyDetector(example.output or "")
            yield example, [document for search in searches for document in _best(search, next(rankings), k, copies)]
        del block  # free it before the next block is built


def _best(search: Search, ranking: npt.NDArray[np.intp], k: int, copies: CopyDetector) -> list[Document]:
    best: list[Document] = []
    for i in ranking:
        if len(best) == k:
            break
        if not copies.in_document(search.documents[i]):
            best.append(search.documents[i])
    return best


def blocks(
    examples: Iterable[Example], documents: DocumentsName | None
) -> Iterator[list[tuple[Example, list[Search]]]]:
    """The examples with their searches, in blocks of bounded size.

    documents: whose documents are candidates; None for no retrieval.

    The text of a document that several examples share is built once in a block: `id(document)` identifies it, since
    the block keeps it alive.
    """
    block: list[tuple[Example, list[Search]]] = []
    texts_by_layout: dict[LayoutName, dict[int, str]] = {}
    characters = count = 0
    for example in examples:
        candidate_lists = [example.profile] if documents in ("own", "both") else []
        candidate_lists += [example.neighbours] if documents in ("neighbours", "both") else []
        texts = texts_by_layout.setdefault(example.layout, {})
        for candidates in candidate_lists:
            for document in candidates:
                if id(document) not in texts:
                    texts[id(document)] = searched_text(example, document)
                    characters += len(document.text)
        query = query_of(example)
        searches = [Search(query, docs, [texts[id(document)] for document in docs]) for docs in candidate_lists]
        block.append((example, searches))
        count += sum(map(len, candidate_lists))
        if characters >= BLOCK_CHARACTERS or count >= BLOCK_DOCUMENTS:
            yield block
            block, texts_by_layout, characters, count = [], {}, 0, 0
    if block:
        yield block


def rank_by_date(documents: Sequence[Document]) -> npt.NDArray[np.intp]:
    """Indices of the documents by date, latest first; undated ones come last, in the reverse of the profile's order."""
    return np.array(sorted(range(len(documents)), key=lambda i: (documents[i].date or "", i), reverse=True), np.intp)


def rank_randomly(query: str, count: int, seed: int) -> npt.NDArray[np.intp]:
    """A random permutation of `count` indices that depends on the seed and the query alone."""
    order = list(range(count))
    random.Random(hashlib.sha256(f"{seed}\n{query}".encode()).digest()).shuffle(order)
    return np.array(order, np.intp)
