"""The topic trajectory: documents on the same topic by users with similar preferences, with semantic backoff.

That PaT backs off where exact matches are sparse is known; how preferences are compared, the order of the levels and
the scores are our reconstruction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from penname.data.records import Document
from penname.pat.graph.user_topic import NO_TOPIC, Indices, UserTopicGraph, Vectors, normalize, ranked

Level = Literal["topic", "nearest topics", "corpus"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True)
class TopicDocument:
    """A document of the topic trajectory.

    document: the document's index in the graph.
    level: the backoff level at which it was retrieved.
    """

    document: int
    level: Level


class TopicIndex:
    """An index of a graph's documents, to retrieve those on a topic by users with similar preferences.

    graph: the user-topic graph.
    vectors: the documents' normalized sentence embeddings, shape (documents, dimension).
    nearest: number of nearest topics to back off to.
    """

    def __init__(self, graph: UserTopicGraph, vectors: Vectors, nearest: int) -> None:
        self._graph, self._vectors, self._n_nearest = graph, vectors, nearest
        users = len(graph.users)
        self._user_embeddings = normalize(_sums(vectors, graph.user, users))
        on_topic = graph.topic != NO_TOPIC
        self._topic_sums = _sums(vectors[on_topic], graph.topic[on_topic], len(graph.topics))
        self._topic_embeddings = normalize(self._topic_sums)
        rated = np.array([np.nan if d.rating is None else d.rating for d in graph.documents], np.float64)
        known = ~np.isnan(rated)
        numbers = np.bincount(graph.user[known], minlength=users)
        self._ratings = np.bincount(graph.user[known], rated[known], users) / np.where(numbers, numbers, np.nan)
        self._rated, self._rater = rated[known], graph.user[known]

    def find(
        self,
        query: Vectors,
        history: Sequence[Document],
        history_vectors: Vectors,
        topic: int | None,
        excluded_user: int | None,
        k: int,
        *,
        allowed: Callable[[Document], bool] = lambda document: True,
        levels: Sequence[Level] = LEVELS,
    ) -> list[TopicDocument]:
        """At most k documents of other users, level by level, with the best of each level first.

        query: the prompt's sentence embedding, shape (dimension,).
        history: the user's documents, from which preferences are inferred.
        history_vectors: their sentence embeddings, shape (documents, dimension).
        topic: the index of the prompt's topic; None for a topic without documents.
        excluded_user: the index of the user, whose documents are neither retrieved nor part of a topic's embedding or
            of the rating scale; None for a user outside the graph.
        k: the maximum number of documents.
        allowed: whether a document may be retrieved.
        levels: the backoff levels, in order.
        """
        similarity = self._preference_similarity(history, history_vectors, excluded_user)
        retrieved: list[TopicDocument] = []
        seen: set[int] = set()
        for level in levels:
            for documents in self._candidates_of_level(level, query, topic, excluded_user):
                others = documents[self._graph.user[documents] != (-1 if excluded_user is None else excluded_user)]
                scores = self._vectors[others] @ query + similarity[self._graph.user[others]]
                for document in map(others.item, ranked(scores)):
                    if len(retrieved) == k:
                        return retrieved
                    if document not in seen and allowed(self._graph.documents[document]):
                        seen.add(document)
                        retrieved.append(TopicDocument(document, level))
        return retrieved

    def _preference_similarity(
        self, history: Sequence[Document], vectors: Vectors, excluded_user: int | None
    ) -> npt.NDArray[np.float64]:
        """How similar each user's preferences are to those in `history`; 0 for every user if `history` is empty.

        The similarity is the mean of the similarity of mean ratings and the cosine similarity of documents.
        """
        parts = []
        ratings = [document.rating for document in history if document.rating is not None]
        if ratings and (scale := self._scale(excluded_user)):
            distance = np.abs(self._ratings - np.mean(ratings)) / scale
            parts.append(1 - np.minimum(1, np.nan_to_num(distance, nan=1)))
        if history:
            parts.append(self._user_embeddings @ normalize(vectors.sum(axis=0)))
        return np.mean(parts, axis=0) if parts else np.zeros(len(self._graph.users))

    def _scale(self, excluded_user: int | None) -> float:
        """The range of the other users' ratings; 0 if there are none."""
        others = self._rated[self._rater != (-1 if excluded_user is None else excluded_user)]
        return float(np.ptp(others)) if len(others) else 0.0

    def _candidates_of_level(
        self, level: Level, query: Vectors, topic: int | None, excluded_user: int | None
    ) -> Iterator[Indices]:
        if level == "corpus":
            yield np.arange(len(self._graph.documents))
        elif level == "nearest topics":
            for near in self._nearest_topics(query, topic, excluded_user):
                yield self._graph.documents_on(near)
        elif topic is not None:
            yield self._graph.documents_on(topic)

    def _nearest_topics(self, query: Vectors, topic: int | None, excluded_user: int | None) -> Sequence[int]:
        """The topics nearest by cosine of embeddings to the given topic, or to the query if that has no documents."""
        target = query
        changed, sums = self._topics_without(excluded_user)
        if topic is not None and self._documents_without(topic, excluded_user):
            target = sums[np.searchsorted(changed, topic)] if topic in changed else self._topic_sums[topic]
        similarities = self._topic_embeddings @ target
        similarities[changed] = normalize(sums) @ target
        order = np.argsort(-similarities, kind="stable")
        return [int(near) for near in order[: self._n_nearest + 1] if near != topic][: self._n_nearest]

    def _topics_without(self, excluded_user: int | None) -> tuple[Indices, Vectors]:
        """The topics of a user, in order, and the sums of the embeddings of other users' documents on them."""
        documents = self._graph.documents_of(excluded_user) if excluded_user is not None else np.zeros(0, np.intp)
        documents = documents[self._graph.topic[documents] != NO_TOPIC]
        topics, group = np.unique(self._graph.topic[documents], return_inverse=True)
        sums = self._topic_sums[topics] - _sums(self._vectors[documents], group, len(topics))
        alone = [not self._documents_without(topic, excluded_user) for topic in topics]
        sums[alone] = 0  # the rest is rounding error
        return topics, sums

    def _documents_without(self, topic: int, excluded_user: int | None) -> bool:
        """Whether the topic has documents of other users."""
        return bool(
            np.any(
                self._graph.user[self._graph.documents_on(topic)] != (-1 if excluded_user is None else excluded_user)
            )
        )


def _sums(vectors: Vectors, group: Indices, groups: int) -> Vectors:
    """The sum of the vectors of each group."""
    members = csr_array((np.ones(len(group), np.float32), (group, np.arange(len(group)))), (groups, len(group)))
    return np.asarray(members @ vectors, np.float32)
