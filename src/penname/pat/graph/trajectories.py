"""Both trajectories of an example: documents of users with a similar style, and documents on its topic.

The target of an example cannot be in them: the documents of its user are excluded, and copies of the target by other
users are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from penname.data.duplicates import CopyDetector
from penname.data.layouts import query_of
from penname.data.records import Document, Example
from penname.pat.graph.style import StyleFeatures, StyleIndex, StyleModel, StyleQuery
from penname.pat.graph.topics import LEVELS, Level, TopicIndex
from penname.pat.graph.user_topic import Clusters, UserTopicGraph, Vectors, build_graph, topics_of

EXAMPLES_PER_BATCH = 32
"""Examples whose queries are compared with all users' embeddings in one pass."""


@dataclass(frozen=True)
class Trajectories:
    """The documents of both trajectories, best first.

    style: documents of users with a similar style.
    topic: documents on the topic.
    levels: the backoff level of each document of `topic`.
    """

    style: list[Document]
    topic: list[Document]
    levels: list[Level]


class Finder:
    """Finds the trajectories of examples in one graph.

    documents: the documents of all users of the examples' split.
    model: the trained style model.
    features: the fitted features that the model reads.
    document_features: the features of `documents`, shape (documents, features).
    encode: computes normalized sentence embeddings, shape (texts, dimension).
    nearest_topics: see `TopicIndex`.
    clusters: the topics of documents without items; None where all documents have one.
    shared_names: users whose id is a name that many people share, so that their documents are in no style trajectory.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        model: StyleModel,
        features: StyleFeatures,
        document_features: Vectors,
        encode: Callable[[Sequence[str]], Vectors],
        nearest_topics: int,
        clusters: Clusters | None = None,
        shared_names: Collection[str] = (),
    ) -> None:
        self._encode, self._features, self._clusters = encode, features, clusters
        self._vectors = encode([d.text for d in documents])
        self.graph: UserTopicGraph = build_graph(documents, topics_of(documents, self._vectors, clusters))
        self._style = StyleIndex(model, document_features, self.graph)
        self._topic = TopicIndex(self.graph, self._vectors, nearest_topics)
        self._shared_names = {self.graph.user_index[name] for name in shared_names}

    def find(self, example: Example, k: int, levels: Sequence[Level] = LEVELS) -> Trajectories:
        """The trajectories of an example.

        example: the example; its user need not be in the graph.
        k: the maximum number of documents in each trajectory.
        levels: the backoff levels of the topic trajectory, in order.
        """
        return next(self.find_all([example], k, levels))

    def find_all(self, examples: Sequence[Example], k: int, levels: Sequence[Level] = LEVELS) -> Iterator[Trajectories]:
        """The trajectories of each example; see `find`."""
        for start in range(0, len(examples), EXAMPLES_PER_BATCH):
            batch = [_without_copies(example) for example in examples[start : start + EXAMPLES_PER_BATCH]]
            queries = self._encode([query_of(example) for example in batch])
            topics = [self._topic_of(example, query) for example, query in zip(batch, queries, strict=True)]
            histories = [self._encode([d.text for d in e.profile]) if e.profile else queries[:0] for e in batch]
            style_queries = [
                self._style_query(*of_example) for of_example in zip(batch, topics, histories, strict=True)
            ]
            similar_users = self._style.rank_all(style_queries)
            for example, query, topic, history, users in zip(
                batch, queries, topics, histories, similar_users, strict=True
            ):
                yield self._find(example, query, topic, history, users, k, levels)

    def neighbours_of(self, example: Example) -> tuple[Document, ...]:
        """The documents of other users on the example's item, without copies of the target."""
        topic = None if example.item_id is None else self.graph.topic_index.get(example.item_id)
        written = [] if topic is None else [self.graph.documents[i] for i in self.graph.documents_on(topic)]
        copies = CopyDetector(example.output or "")
        return tuple(d for d in written if d.user_id != example.user_id and not copies.in_document(d))

    def _find(
        self,
        example: Example,
        query: Vectors,
        topic: int | None,
        history: Vectors,
        similar_users: Iterator[int],
        k: int,
        levels: Sequence[Level],
    ) -> Trajectories:
        copies = CopyDetector(example.output or "")

        def allowed(document: Document) -> bool:
            return not copies.in_document(document)

        excluded_user = self.graph.user_index.get(example.user_id)
        on_topic = self._topic.find(
            query, example.profile, history, topic, excluded_user, k, allowed=allowed, levels=levels
        )
        return Trajectories(
            self._style_documents(query, similar_users, k, allowed),
            [self.graph.documents[f.document] for f in on_topic],
            [f.level for f in on_topic],
        )

    def _topic_of(self, example: Example, query: Vectors) -> int | None:
        topic = example.item_id
        if topic is None and self._clusters is not None:
            topic = self._clusters.topics_of(query[None])[0]
        return None if topic is None else self.graph.topic_index.get(topic)

    def _style_query(self, example: Example, topic: int | None, history: Vectors) -> StyleQuery:
        names = topics_of(example.profile, history, self._clusters)
        indices = [topic, *(self.graph.topic_index.get(name or "") for name in names)]
        topics = [index for index in indices if index is not None]
        own = None
        if example.profile or not topics:
            texts = [d.text for d in example.profile] or [query_of(example)]
            own = self._features.of_texts(texts).mean(axis=0)
        return StyleQuery(own, topics, self.graph.user_index.get(example.user_id))

    def _style_documents(
        self, query: Vectors, similar_users: Iterator[int], k: int, allowed: Callable[[Document], bool]
    ) -> list[Document]:
        """For each of the k users with the most similar style, the document nearest to the prompt."""
        chosen: list[Document] = []
        for user in similar_users:
            if len(chosen) == k:
                break
            if user in self._shared_names:
                continue
            indices = [i for i in self.graph.documents_of(user) if allowed(self.graph.documents[i])]
            if indices:
                nearest = np.argmax(self._vectors[np.array(indices)] @ query)
                chosen.append(self.graph.documents[int(indices[nearest])])
        return chosen


def _without_copies(example: Example) -> Example:
    """The example without those documents of its user that contain a copy of the target, as real profiles have some."""
    copies = CopyDetector(example.output or "")
    return replace(example, profile=tuple(d for d in example.profile if not copies.in_document(d)))
