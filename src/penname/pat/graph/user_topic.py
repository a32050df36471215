"""The user-topic graph: users and topics are nodes, and each document is an edge between its user and its topic.

A topic is an item (in PGraphRAG, a product or a hotel); documents without an item have a cluster of sentence embeddings
as their topic. That PaT's topics are items is known from digests only; clusters are our reconstruction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from penname.data.records import Document

Ints = npt.NDArray[np.intp]
Vectors = npt.NDArray[np.float32]

NO_TOPIC = -1

FIRST = 256
"""Length of the part of a ranking that is sorted first."""


@dataclass(frozen=True)
class UserTopicGraph:
    """The graph as arrays.

    users, topics: names of the nodes.
    user, topic: of each document, an index into `users` and `topics`; `NO_TOPIC` for a document without a topic.
    """

    documents: Sequence[Document]
    users: Sequence[str]
    topics: Sequence[str]
    user: Ints
    topic: Ints

    @cached_property
    def place_of_user(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.users)}

    @cached_property
    def place_of_topic(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.topics)}

    def documents_of(self, user: int) -> Ints:
        """Indices of the user's documents."""
        return self._by_user.members(user)

    def documents_on(self, topic: int) -> Ints:
        """Indices of the documents on the topic."""
        return self._by_topic.members(topic)

    @cached_property
    def _by_user(self) -> _Groups:
        return _Groups(self.user, len(self.users))

    @cached_property
    def _by_topic(self) -> _Groups:
        return _Groups(self.topic, len(self.topics))


class _Groups:
    """The members of each group, given the group of each index."""

    def __init__(self, group: Ints, groups: int) -> None:
        self._order = np.argsort(group, kind="stable")
        self._starts = np.searchsorted(group[self._order], np.arange(groups + 1))

    def members(self, group: int) -> Ints:
        return self._order[self._starts[group] : self._starts[group + 1]]


def build_graph(documents: Sequence[Document], topics: Sequence[str | None] | None = None) -> UserTopicGraph:
    """The graph of `documents`.

    topics: of each document; by default its item.
    """
    named = [d.item_id for d in documents] if topics is None else topics
    users = {name: index for index, name in enumerate(dict.fromkeys(d.user_id for d in documents))}
    known = {name: index for index, name in enumerate(dict.fromkeys(t for t in named if t is not None))}
    return UserTopicGraph(
        documents,
        list(users),
        list(known),
        np.array([users[d.user_id] for d in documents], np.intp),
        np.array([NO_TOPIC if t is None else known[t] for t in named], np.intp),
    )


@dataclass(frozen=True)
class Clusters:
    """The topics of documents without items.

    centers: unit vectors, shape (topics, dimension).
    """

    centers: Vectors

    def topics_of(self, vectors: Vectors) -> list[str]:
        """The name of the nearest topic for each sentence embedding."""
        return [f"topic {index}" for index in (vectors @ self.centers.T).argmax(axis=1)]


def topics_of(documents: Sequence[Document], vectors: Vectors, clusters: Clusters | None) -> list[str | None]:
    """Each document's topic: its item, or else the cluster of its sentence embedding."""
    if clusters is None:
        return [d.item_id for d in documents]
    nearest = clusters.topics_of(vectors)
    return [near if d.item_id is None else d.item_id for d, near in zip(documents, nearest, strict=True)]


def cluster(vectors: Vectors, count: int, seed: int) -> Clusters:
    """`count` topics from normalized sentence embeddings, by k-means; fewer where there are fewer embeddings."""
    from sklearn.cluster import MiniBatchKMeans

    kmeans = MiniBatchKMeans(min(count, len(vectors)), random_state=seed, n_init=3, batch_size=4096).fit(vectors)
    centers = kmeans.cluster_centers_.astype(np.float32)
    return Clusters(unit(centers))


def unit(vectors: Vectors) -> Vectors:
    """The vectors normalized to length 1; zero stays zero."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)


def ranked(scores: npt.NDArray[np.floating]) -> Iterator[int]:
    """Indices by descending score, ties in order; those after the first `FIRST` are sorted only when needed."""
    first = scores >= np.partition(scores, -FIRST)[-FIRST] if len(scores) > FIRST else np.ones(len(scores), bool)
    for part in (first, ~first):
        indices = np.flatnonzero(part)
        yield from indices[np.argsort(-scores[indices], kind="stable")].tolist()
