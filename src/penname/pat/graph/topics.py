"""The topic trajectory: what users of like preferences wrote on the same topic, with semantic backoff.

That PaT backs off where exact matches are sparse is known; what aligns preferences, the order of the levels and the
scores are our reconstruction.
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
    """A document of the topic trajectory: its place in the graph, and the level it was found at."""

    document: int
    level: Level


class TopicIndex:
    """The documents of a graph, to find those on a topic by users who prefer what a user prefers.

    vectors: the documents' sentence vectors of length 1, shape (documents, dimension). nearest: so many topics are
    looked at where too little was written on the topic itself.
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
        """At most k documents of others, those on the topic first, each level's best first.

        query: the prompt's sentence vector; history: what the user has written, with its sentence vectors, from which
        the user's preferences are told. topic: its place, None where nobody wrote on it. without: the user's place,
        whose documents are neither found nor part of a topic's vector or of the ratings' scale. allowed: documents of
        which this is false are passed over.
        """
        aligned = self._alignment(history, history_vectors, without)
        found: list[Found] = []
        taken: set[int] = set()
        for level in levels:
            for documents in self._of_level(level, query, topic, without):
                others = documents[self._graph.user[documents] != (-1 if without is None else without)]
                scores = self._vectors[others] @ query + aligned[self._graph.user[others]]
                for place in map(others.item, ranked(scores)):
                    if len(found) == k:
                        return found
                    if place not in taken and allowed(self._graph.documents[place]):
                        taken.add(place)
                        found.append(Found(place, level))
        return found

    def _alignment(self, history: Sequence[Document], vectors: Vectors, without: int | None) -> npt.NDArray[np.float64]:
        """How far each user's preferences are the user's, 0 for all where nothing is known of them.

        The mean of how near the users' mean ratings are and of the cosine of what they have written.
        """
        parts = []
        ratings = [document.rating for document in history if document.rating is not None]
        if ratings and (scale := self._scale(without)):
            apart = np.abs(self._ratings - np.mean(ratings)) / scale
            parts.append(1 - np.minimum(1, np.nan_to_num(apart, nan=1)))
        if history:
            parts.append(self._like_users @ unit(vectors.sum(axis=0)))
        return np.mean(parts, axis=0) if parts else np.zeros(len(self._graph.users))

    def _scale(self, without: int | None) -> float:
        """How far apart the others' ratings are, 0 where there are none."""
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
        """Topics by the cosine of what was written on them to what was written on the topic, else to the query."""
        target = query
        changed, theirs = self._topics_without(without)
        if topic is not None and self._documents_without(topic, without):
            target = theirs[np.searchsorted(changed, topic)] if topic in changed else self._of_topics[topic]
        nearness = self._like_topics @ target
        nearness[changed] = unit(theirs) @ target
        order = np.argsort(-nearness, kind="stable")
        return [int(near) for near in order[: self._nearest + 1] if near != topic][: self._nearest]

    def _topics_without(self, without: int | None) -> tuple[Ints, Vectors]:
        """The topics of a user, in order, and sums of the vectors that others wrote on them."""
        own = self._graph.documents_of(without) if without is not None else np.zeros(0, np.intp)
        own = own[self._graph.topic[own] != NO_TOPIC]
        topics, place = np.unique(self._graph.topic[own], return_inverse=True)
        sums = self._of_topics[topics] - _sums(self._vectors[own], place, len(topics))
        alone = [not self._documents_without(topic, without) for topic in topics]
        sums[alone] = 0  # what is left is rounding
        return topics, sums

    def _documents_without(self, topic: int, without: int | None) -> bool:
        """Whether anybody else wrote on the topic."""
        return bool(np.any(self._graph.user[self._graph.documents_on(topic)] != (-1 if without is None else without)))


def _sums(vectors: Vectors, group: Ints, groups: int) -> Vectors:
    """For each group the sum of its vectors."""
    members = csr_array((np.ones(len(group), np.float32), (group, np.arange(len(group)))), (groups, len(group)))
    return np.asarray(members @ vectors, np.float32)
