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
from penname.pat.graph.user_topic import NO_TOPIC, Ints, UserTopicGraph, Vectors, ranked, unit

Level = Literal["topic", "nearest topics", "corpus"]
LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True)
class Found:
    """A document of the topic trajectory.

    document: its index in the graph.
    level: the backoff level that it was retrieved at.
    """

    document: int
    level: Level


class TopicIndex:
    """An index of a graph's documents, to retrieve those on a topic by users with similar preferences.

    vectors: the documents' normalized sentence embeddings, shape (documents, dimension).
    nearest: number of similar topics to back off to.
    """

    def __init__(self, graph: UserTopicGraph, vectors: Vectors, nearest: int) -> None:
        self._graph, self._vectors, self._nearest = graph, vectors, nearest
        users = len(graph.users)
        self._like_users = unit(_sums(vectors, graph.user, users))
        on_topic = graph.topic != NO_TOPIC
        self._of_topics = _sums(vectors[on_topic], graph.topic[on_topic], len(graph.topics))
        self._like_topics = unit(self._of_topics)
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
        without: int | None,
        k: int,
        *,
        allowed: Callable[[Document], bool] = lambda document: True,
        levels: Sequence[Level] = LEVELS,
    ) -> list[Found]:
        """At most k documents of other users, level by level, each level's best first.

        query: the prompt's sentence embedding.
        history: the user's documents, from which preferences are inferred.
        history_vectors: their sentence embeddings.
        topic: its index; None for a topic without documents.
        without: index of the user, whose documents are neither retrieved nor part of a topic's embedding or of the
            ratings' scale; None for a user outside the graph.
        k: most documents.
        allowed: whether a document may be retrieved.
        levels: the backoff levels, in order.
        """
        aligned = self._alignment(history, history_vectors, without)
        retrieved: list[Found] = []
        taken: set[int] = set()
        for level in levels:
            for documents in self._of_level(level, query, topic, without):
                others = documents[self._graph.user[documents] != (-1 if without is None else without)]
                scores = self._vectors[others] @ query + aligned[self._graph.user[others]]
                for document in map(others.item, ranked(scores)):
                    if len(retrieved) == k:
                        return retrieved
                    if document not in taken and allowed(self._graph.documents[document]):
                        taken.add(document)
                        retrieved.append(Found(document, level))
        return retrieved

    def _alignment(self, history: Sequence[Document], vectors: Vectors, without: int | None) -> npt.NDArray[np.float64]:
        """How similar each user's preferences are to those in `history`; 0 for all without history.

        It is the mean of the similarity of mean ratings and the cosine similarity of documents.
        """
        parts = []
        ratings = [document.rating for document in history if document.rating is not None]
        if ratings and (scale := self._scale(without)):
            distance = np.abs(self._ratings - np.mean(ratings)) / scale
            parts.append(1 - np.minimum(1, np.nan_to_num(distance, nan=1)))
        if history:
            parts.append(self._like_users @ unit(vectors.sum(axis=0)))
        return np.mean(parts, axis=0) if parts else np.zeros(len(self._graph.users))

    def _scale(self, without: int | None) -> float:
        """The range of the other users' ratings; 0 where there are none."""
        others = self._rated[self._rater != (-1 if without is None else without)]
        return float(np.ptp(others)) if len(others) else 0.0

    def _of_level(self, level: Level, query: Vectors, topic: int | None, without: int | None) -> Iterator[Ints]:
        if level == "corpus":
            yield np.arange(len(self._graph.documents))
        elif level == "nearest topics":
            for near in self._nearest_topics(query, topic, without):
                yield self._graph.documents_on(near)
        elif topic is not None:
            yield self._graph.documents_on(topic)

    def _nearest_topics(self, query: Vectors, topic: int | None, without: int | None) -> Sequence[int]:
        """The topics nearest to the given one, or to the query if it has no documents, by cosine of embeddings."""
        target = query
        changed, sums = self._topics_without(without)
        if topic is not None and self._documents_without(topic, without):
            target = sums[np.searchsorted(changed, topic)] if topic in changed else self._of_topics[topic]
        nearness = self._like_topics @ target
        nearness[changed] = unit(sums) @ target
        order = np.argsort(-nearness, kind="stable")
        return [int(near) for near in order[: self._nearest + 1] if near != topic][: self._nearest]

    def _topics_without(self, without: int | None) -> tuple[Ints, Vectors]:
        """The topics of a user, in order, and the sums of the embeddings of other users' documents on them."""
        documents = self._graph.documents_of(without) if without is not None else np.zeros(0, np.intp)
        documents = documents[self._graph.topic[documents] != NO_TOPIC]
        topics, group = np.unique(self._graph.topic[documents], return_inverse=True)
        sums = self._of_topics[topics] - _sums(self._vectors[documents], group, len(topics))
        alone = [not self._documents_without(topic, without) for topic in topics]
        sums[alone] = 0  # the rest is rounding error
        return topics, sums

    def _documents_without(self, topic: int, without: int | None) -> bool:
        """Whether the topic has documents of other users."""
        return bool(np.any(self._graph.user[self._graph.documents_on(topic)] != (-1 if without is None else without)))


def _sums(vectors: Vectors, group: Ints, groups: int) -> Vectors:
    """The sum of the vectors of each group."""
    members = csr_array((np.ones(len(group), np.float32), (group, np.arange(len(group)))), (groups, len(group)))
    return np.asarray(members @ vectors, np.float32)
