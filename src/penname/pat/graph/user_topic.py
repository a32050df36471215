"""The user-topic graph: users and topics are its nodes, and a document is an edge between its user and its topic.

A topic is an item (PGraphRAG: a product or a hotel), or for documents without one a cluster of those whose sentence
vectors lie together. That PaT's topics are items is known from digests only; clusters are our reconstruction.
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
"""So many of a ranking are sorted at first."""


@dataclass(frozen=True)
class UserTopicGraph:
    """users, topics: names; user, topic: of each document, as a place among the names.

    A document without a topic has `NO_TOPIC` and belongs to its user alone.
    """

    documents: Sequence[Document]
    users: Sequence[str]
    topics: Sequence[str]
    user: Ints
    topic: Ints

    @cached_property
    def place_of_user(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.users)}

    @cached_property
    def place_of_topic(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.topics)}

    def documents_of(self, user: int) -> Ints:
        """Places of the user's documents."""
        return self._by_user.members(user)

    def documents_on(self, topic: int) -> Ints:
        """Places of the documents on the topic."""
        return self._by_topic.members(topic)

    @cached_property
    def _by_user(self) -> _Groups:
        return _Groups(self.user, len(self.users))

    @cached_property
    def _by_topic(self) -> _Groups:
        return _Groups(self.topic, len(self.topics))


class _Groups:
    """Which places belong to each of so many groups, given the group of each."""

    def __init__(self, group: Ints, groups: int) -> None:
        self._order = np.argsort(group, kind="stable")
        self._starts = np.searchsorted(group[self._order], np.arange(groups + 1))

    def members(self, group: int) -> Ints:
        return self._order[self._starts[group] : self._starts[group + 1]]


def build_graph(documents: Sequence[Document], topics: Sequence[str | None] | None = None) -> UserTopicGraph:
    """The graph of `documents`; `topics` are theirs, the items where left out."""
    named = [d.item_id for d in documents] if topics is None else topics
    users = {name: place for place, name in enumerate(dict.fromkeys(d.user_id for d in documents))}
    known = {name: place for place, name in enumerate(dict.fromkeys(t for t in named if t is not None))}
    return UserTopicGraph(
        documents,
        list(users),
        list(known),
        np.array([users[d.user_id] for d in documents], np.intp),
        np.array([NO_TOPIC if t is None else known[t] for t in named], np.intp),
    )


@dataclass(frozen=True)
class Clusters:
    """Topics of documents without items. centers: shape (topics, dimension), of length 1."""

    centers: Vectors

    def topics_of(self, vectors: Vectors) -> list[str]:
        """The nearest topic's name for each sentence vector."""
        return [f"topic {place}" for place in (vectors @ self.centers.T).argmax(axis=1)]


def topics_of(documents: Sequence[Document], vectors: Vectors, clusters: Clusters | None) -> list[str | None]:
    """Each document's topic: its item, or where it has none the cluster that its sentence vector lies in."""
    if clusters is None:
        return [d.item_id for d in documents]
    nearest = clusters.topics_of(vectors)
    return [near if d.item_id is None else d.item_id for d, near in zip(documents, nearest, strict=True)]


def cluster(vectors: Vectors, count: int, seed: int) -> Clusters:
    """`count` topics of sentence vectors of length 1, by k-means; fewer where there are fewer vectors."""
    from sklearn.cluster import MiniBatchKMeans

    found = MiniBatchKMeans(min(count, len(vectors)), random_state=seed, n_init=3, batch_size=4096).fit(vectors)
    centers = found.cluster_centers_.astype(np.float32)
    return Clusters(unit(centers))


def unit(vectors: Vectors) -> Vectors:
    """The vectors at length 1; zero stays zero."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)


def ranked(scores: npt.NDArray[np.floating]) -> Iterator[int]:
    """Places from the highest score to the lowest, equal ones in order; the rest is sorted only if it is asked for."""
    first = scores >= np.partition(scores, -FIRST)[-FIRST] if len(scores) > FIRST else np.ones(len(scores), bool)
    for part in (first, ~first):
        places = np.flatnonzero(part)
        yield from places[np.argsort(-scores[places], kind="stable")].tolist()
