"""Both trajectories of an example: documents of users with a similar style, and documents on its topic.

The target of an example cannot be in them: its user's documents are left out of the graph, and copies of the target by
other users are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from penname.data.duplicates import Original
from penname.data.layouts import query_of
from penname.data.records import Document, Example
from penname.pat.graph.style import Asked, StyleFeatures, StyleIndex, StyleModel
from penname.pat.graph.topics import LEVELS, Level, TopicIndex
from penname.pat.graph.user_topic import Clusters, UserTopicGraph, Vectors, build_graph, topics_of

TOGETHER = 32
"""Examples that are compared to all users' embeddings in one pass."""


@dataclass(frozen=True)
class Trajectories:
    """The documents of both trajectories, best first.

    levels: the backoff level of each document of `topic`.
    """

    style: list[Document]
    topic: list[Document]
    levels: list[Level]


class Finder:
    """Finds the trajectories of examples in one graph.

    documents: all users' documents of the examples' split.
    model: the trained style model.
    features: fitted features.
    made: the documents' features, shape (documents, features).
    encode: gives normalized sentence embeddings.
    nearest_topics: see `TopicIndex`.
    clusters: the topics of documents without items; None where all have one.
    shared_names: users whose id is a name shared by many people, so that their documents have no one's style.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        model: StyleModel,
        features: StyleFeatures,
        made: Vectors,
        encode: Callable[[Sequence[str]], Vectors],
        nearest_topics: int,
        clusters: Clusters | None = None,
        shared_names: Collection[str] = (),
    ) -> None:
        self._encode, self._features, self._clusters = encode, features, clusters
        self._vectors = encode([d.text for d in documents])
        self.graph: UserTopicGraph = build_graph(documents, topics_of(documents, self._vectors, clusters))
        self._style = StyleIndex(model, made, self.graph)
        self._topic = TopicIndex(self.graph, self._vectors, nearest_topics)
        self._nobodys = {self.graph.place_of_user[name] for name in shared_names}

    def find(self, example: Example, k: int, levels: Sequence[Level] = LEVELS) -> Trajectories:
        """The trajectories of an example, at most k documents each; the topic's has these backoff levels only."""
        return next(self.find_all([example], k, levels))

    def find_all(self, examples: Sequence[Example], k: int, levels: Sequence[Level] = LEVELS) -> Iterator[Trajectories]:
        """The trajectories of each example, see `find`."""
        for start in range(0, len(examples), TOGETHER):
            batch = [_without_copies(example) for example in examples[start : start + TOGETHER]]
            queries = self._encode([query_of(example) for example in batch])
            topics = [self._topic_of(example, query) for example, query in zip(batch, queries, strict=True)]
            histories = [self._encode([d.text for d in e.profile]) if e.profile else queries[:0] for e in batch]
            asked = [self._asked(*of_example) for of_example in zip(batch, topics, histories, strict=True)]
            alike = self._style.alike_all(asked)
            for example, query, topic, history, users in zip(batch, queries, topics, histories, alike, strict=True):
                yield self._find(example, query, topic, history, users, k, levels)

    def on_item(self, example: Example) -> tuple[Document, ...]:
        """Other users' documents on the example's item, without copies of the target."""
        topic = None if example.item_id is None else self.graph.place_of_topic.get(example.item_id)
        written = [] if topic is None else [self.graph.documents[i] for i in self.graph.documents_on(topic)]
        original = Original(example.output or "")
        return tuple(d for d in written if d.user_id != example.user_id and not original.held_by(d))

    def _find(
        self,
        example: Example,
        query: Vectors,
        topic: int | None,
        history: Vectors,
        alike: Iterator[int],
        k: int,
        levels: Sequence[Level],
    ) -> Trajectories:
        original = Original(example.output or "")

        def allowed(document: Document) -> bool:
            return not original.held_by(document)

        without = self.graph.place_of_user.get(example.user_id)
        on_topic = self._topic.find(query, example.profile, history, topic, without, k, allowed=allowed, levels=levels)
        return Trajectories(
            self._style_documents(query, alike, k, allowed),
            [self.graph.documents[f.document] for f in on_topic],
            [f.level for f in on_topic],
        )

    def _topic_of(self, example: Example, query: Vectors) -> int | None:
        topic = example.item_id
        if topic is None and self._clusters is not None:
            topic = self._clusters.topics_of(query[None])[0]
        return None if topic is None else self.graph.place_of_topic.get(topic)

    def _asked(self, example: Example, topic: int | None, history: Vectors) -> Asked:
        names = topics_of(example.profile, history, self._clusters)
        indices = [topic, *(self.graph.place_of_topic.get(name or "") for name in names)]
        topics = [index for index in indices if index is not None]
        own = None
        if example.profile or not topics:
            texts = [d.text for d in example.profile] or [query_of(example)]
            own = self._features.of_texts(texts).mean(axis=0)
        return Asked(own, topics, self.graph.place_of_user.get(example.user_id))

    def _style_documents(
        self, query: Vectors, alike: Iterator[int], k: int, allowed: Callable[[Document], bool]
    ) -> list[Document]:
        """For each of the users with the most similar style, the document nearest to the prompt."""
        chosen: list[Document] = []
        for user in alike:
            if len(chosen) == k:
                break
            if user in self._nobodys:
                continue
            indices = [i for i in self.graph.documents_of(user) if allowed(self.graph.documents[i])]
            if indices:
                nearest = np.argmax(self._vectors[np.array(indices)] @ query)
                chosen.append(self.graph.documents[int(indices[nearest])])
        return chosen


def _without_copies(example: Example) -> Example:
    """The example without its user's documents that hold a copy of the target: real profiles repeat themselves."""
    original = Original(example.output or "")
    return replace(example, profile=tuple(d for d in example.profile if not original.held_by(d)))
