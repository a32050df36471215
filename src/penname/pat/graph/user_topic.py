"""The user-topic graph: users and topics are nodes, and each document is an edge between its user and its topic.

A topic is an item (in PGraphRAG, a product or a hotel); the topic of a document without an item is a cluster of
sentence embeddings. That PaT's topics are items is known from digests only; clusters are our reconstruction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from penname.data.records import Document

Indices = npt.NDArray[np.intp]
Vectors = npt.NDArray[np.float32]

NO_TOPIC = -1
"""The topic index of a document without a topic."""

SORTED_FIRST = 256
"""Length of the part of a ranking that is sorted first."""


@dataclass(frozen=True)
class UserTopicGraph:
    """The graph as arrays.

    documents: the edges.
    users, topics: the names of the nodes.
    user, topic: for each document, the index of its user in `users` and of its topic in `topics`; `NO_TOPIC` for a
        document without a topic.
    """

    documents: Sequence[Document]
    users: Sequence[str]
    topics: Sequence[str]
    user: Indices
    topic: Indices

    @cached_property
    def user_index(self) -> dict[str, int]:
        """The index of each user, by name."""
        return {name: index for index, name in enumerate(self.users)}

    @cached_property
    def topic_index(self) -> dict[str, int]:
        """The index of each topic, by name."""
        return {name: index for index, name in enumerate(self.topics)}

    def documents_of(self, user: int) -> Indices:
        """The indices of the user's documents."""
        return self._by_user.members(user)

    def documents_on(self, topic: int) -> Indices:
        """The indices of the documents on the topic."""
        return self._by_topic.members(topic)

    @cached_property
    def _by_user(self) -> _Groups:
        return _Groups(self.user, len(self.users))

    @cached_property
    def _by_topic(self) -> _Groups:
        return _Groups(self.topic, len(self.topics))


class _Groups:
    """The members of each group.

    group: the group of each member, shape (members,).
    groups: number of groups.
    """

    def __init__(self, group: Indices, groups: int) -> None:
        self._order = np.argsort(group, kind="stable")
        self._starts = np.searchsorted(group[self._order], np.arange(groups + 1))

    def members(self, group: int) -> Indices:
        """The indices of the group's members, in order."""
        return self._order[self._starts[group] : self._starts[group + 1]]


def build_graph(documents: Sequence[Document], topics: Sequence[str | None] | None = None) -> UserTopicGraph:
    """The graph of documents.

    documents: all users' documents.
    topics: the topic of each document, None where it has none; by default the document's item.
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

    centers: cluster centers normalized to length 1, shape (topics, dimension).
    """

    centers: Vectors

    def topics_of(self, vectors: Vectors) -> list[str]:
        """The name of the nearest topic for each sentence embedding; `vectors` has shape (documents, dimension)."""
        return [f"topic {index}" for index in (vectors @ self.centers.T).argmax(axis=1)]


def topics_of(documents: Sequence[Document], vectors: Vectors, clusters: Clusters | None) -> list[str | None]:
    """Each document's topic: its item, or else the cluster of its sentence embedding.

    documents: the documents.
    vectors: their sentence embeddings, shape (documents, dimension).
    clusters: the clusters for documents without an item; None where these have no topic.
    """
    if clusters is None:
        return [d.item_id for d in documents]
    nearest = clusters.topics_of(vectors)
    return [near if d.item_id is None else d.item_id for d, near in zip(documents, nearest, strict=True)]


def cluster(vectors: Vectors, count: int, seed: int) -> Clusters:
    """Cluster sentence embeddings into topics by k-means. The clusters are our reconstruction.

    vectors: normalized sentence embeddings, shape (documents, dimension).
    count: number of clusters; there are fewer where there are fewer embeddings.
    seed: seed of the k-means initialization.
    """
    from sklearn.cluster import MiniBatchKMeans

    kmeans = MiniBatchKMeans(min(count, len(vectors)), random_state=seed, n_init=3, batch_size=4096).fit(vectors)
    centers = kmeans.cluster_centers_.astype(np.float32)
    return Clusters(normalize(centers))


def normalize(vectors: Vectors) -> Vectors:
    """The vectors normalized to length 1 along the last axis; zero vectors stay zero."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)


def ranked(scores: npt.NDArray[np.floating]) -> Iterator[int]:
    """Indices by descending score, ties in order; those after the first `SORTED_FIRST` are sorted only when needed."""
    first = (
        scores >= np.partition(scores, -SORTED_FIRST)[-SORTED_FIRST]
        if len(scores) > SORTED_FIRST
        else np.ones(len(scores), bool)
    )
    for part in (first, ~first):
        indices = np.flatnonzero(part)
        yield from indices[np.argsort(-scores[indices], kind="stable")].tolist()
