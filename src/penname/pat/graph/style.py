"""The style trajectory: users with a similar style, by style features that are propagated over the user-topic graph.

PaT embeds users by GraphSAGE (Hamilton et al., 2017); features, layers and loss are our reconstruction. A user's
embedding combines the mean feature of the user's documents with messages aggregated from the user's topics. The message
of a topic to a user excludes that user, so that no embedding depends on itself through the graph, and the target of an
example never reaches its own embedding.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn
from torch_geometric.nn import SAGEConv
from torch_geometric.utils import scatter

from penname.pat.graph.stylometry import stylometric
from penname.pat.graph.user_topic import NO_TOPIC, Indices, UserTopicGraph, Vectors, normalize, ranked

TRIGRAM_BITS = 18
TRIGRAMS, SKETCH = 2**TRIGRAM_BITS, 1024
"""Number of buckets that character trigrams are hashed to, and of features that sum them up with random signs."""
SPACE = ord(" ")
MIXER = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio (Knuth's multiplicative hashing): the highest bits of a product are the hash."""

MAX_DEVIATIONS = 4.0
PART_NORMS = {"trigrams": 1.0, "stylometric": 0.5, "sentence": 0.7}
"""Norm of each part of a feature vector: its weight before training."""

TEXTS_PER_BATCH = 2**14
"""Documents whose trigrams are counted together."""
AUTHORS_PER_BATCH = 4096
"""Authors in a training batch, who are contrasted with each other."""


@dataclass(frozen=True)
class StyleFeatures:
    """Computes style features of texts, with statistics fitted on a corpus.

    weight: inverse document frequency of each hashed trigram, shape (TRIGRAMS,).
    mean, deviation: mean and standard deviation of each stylometric feature.
    encode: computes sentence embeddings, shape (texts, dimension); None for features of style alone.
    """

    weight: Vectors
    mean: Vectors
    deviation: Vectors
    encode: Callable[[Sequence[str]], Vectors] | None = None

    def of_texts(self, texts: Sequence[str]) -> Vectors:
        """The features of the texts, shape (texts, features); each part has the norm given by `PART_NORMS`."""
        parts = [texts[i : i + TEXTS_PER_BATCH] for i in range(0, max(1, len(texts)), TEXTS_PER_BATCH)]
        return np.concatenate([self._concatenate(part, _trigrams(part), stylometric(part)) for part in parts])

    def _concatenate(self, texts: Sequence[str], trigrams: csr_array, stylometry: Vectors) -> Vectors:
        if not texts:
            width = SKETCH + len(self.mean) + (0 if self.encode is None else self.encode(["a"]).shape[1])
            return np.zeros((0, width), np.float32)
        weighted = csr_array(
            (trigrams.data * self.weight[trigrams.indices], trigrams.indices, trigrams.indptr), trigrams.shape
        )
        parts = {
            "trigrams": (weighted @ _sketch()).toarray(),
            "stylometric": np.clip((stylometry - self.mean) / self.deviation, -MAX_DEVIATIONS, MAX_DEVIATIONS),
        }
        if self.encode is not None:
            parts["sentence"] = self.encode(texts)
        return np.concatenate(
            [PART_NORMS[name] * normalize(part) for name, part in parts.items()], axis=1, dtype=np.float32
        )


def fit_features(
    texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors] | None = None
) -> tuple[StyleFeatures, Vectors]:
    """Fit the features on a corpus; returns them with the features of its texts, shape (texts, features).

    texts: the corpus.
    encode: see `StyleFeatures`.
    """
    parts = [texts[i : i + TEXTS_PER_BATCH] for i in range(0, len(texts), TEXTS_PER_BATCH)]
    trigrams, stylometry = [_trigrams(part) for part in parts], [stylometric(part) for part in parts]
    with_trigram = np.sum([np.bincount(part.indices, minlength=TRIGRAMS) for part in trigrams], axis=0)
    all_stylometry = np.concatenate(stylometry)
    features = StyleFeatures(
        (np.log((1 + len(texts)) / (1 + with_trigram)) + 1).astype(np.float32),
        all_stylometry.mean(axis=0),
        all_stylometry.std(axis=0) + 1e-6,
        encode,
    )
    computed = [features._concatenate(*part) for part in zip(parts, trigrams, stylometry, strict=True)]
    return features, np.concatenate(computed)


def _trigrams(texts: Sequence[str]) -> csr_array:
    """1 + log of the count of each hashed character trigram in each text.

    Words are padded with a space on each side, and trigrams do not cross words. This is scikit-learn's `char_wb`, which
    takes ten times as long.
    """
    spaced = [f" {' '.join(text.split())} " for text in texts]
    characters = np.frombuffer("".join(spaced).encode("utf-32-le", errors="surrogatepass"), np.uint32).astype(np.uint64)
    rows = np.repeat(np.arange(len(texts)), [len(text) for text in spaced])
    inside = np.flatnonzero((characters[1:-1] != SPACE) & (rows[2:] == rows[:-2])) + 1
    codes = (characters[inside - 1] << np.uint64(42)) | (characters[inside] << np.uint64(21)) | characters[inside + 1]
    buckets = (codes * MIXER) >> np.uint64(64 - TRIGRAM_BITS)
    keys, counts = np.unique(rows[inside] * TRIGRAMS + buckets.astype(np.int64), return_counts=True)
    starts = np.searchsorted(keys, np.arange(len(texts) + 1) * TRIGRAMS)
    return csr_array(((1 + np.log(counts)).astype(np.float32), keys % TRIGRAMS, starts), (len(texts), TRIGRAMS))


@cache
def _sketch() -> csr_array:
    """A count sketch of hashed trigrams: sums with random signs, which preserve dot products up to noise."""
    generator = np.random.default_rng(0)
    signs = generator.choice(np.array([-1, 1], np.float32), TRIGRAMS)
    return csr_array((signs, (np.arange(TRIGRAMS), generator.integers(0, SKETCH, TRIGRAMS))), (TRIGRAMS, SKETCH))


class StyleModel(nn.Module):
    """Embeds users: the mean of the features of their documents + messages aggregated from their topics.

    width: number of features of a document.
    dimension: size of an embedding.
    seed: seed of the initial weights.

    The messages have a learned weight, `message_weight`, which starts at 0. Users without documents are embedded by the
    messages alone.
    """

    def __init__(self, width: int, dimension: int, seed: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, dimension, bias=False)
        self.of_documents = nn.Linear(dimension, dimension, bias=False)
        self.of_users = nn.Linear(dimension, dimension)
        self.aggregate = SAGEConv((dimension, dimension), dimension, root_weight=False, bias=False)
        self.message_weight = nn.Parameter(torch.zeros(()))
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.project, self.of_documents, self.of_users, self.aggregate.lin_l):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(dimension), generator=generator)
        nn.init.zeros_(self.of_users.bias)

    @torch.no_grad()
    def init_projection(self, features: Tensor) -> None:
        """Initialize the projection by PCA, so that cosines of embeddings approximate cosines of features.

        features: features of documents, shape (documents, features).
        """
        products = (features.T @ features).double().numpy()
        axes = np.linalg.eigh(products).eigenvectors[:, ::-1][:, : len(self.project.weight)]
        nn.init.zeros_(self.project.weight)
        self.project.weight[: axes.shape[1]] = torch.from_numpy(axes.T.astype(np.float32))

    def messages(self, documents: Tensor, users: Tensor) -> Tensor:
        """The messages of topics, shape (topics, dimension).

        documents: mean of the projected documents on each topic, shape (topics, dimension).
        users: mean over the users of each topic of their projected documents' means, shape (topics, dimension).
        """
        return torch.relu(self.of_documents(documents) + self.of_users(users))

    def embed(self, user_mean: Tensor, messages: Tensor, receiver: Tensor) -> Tensor:
        """Normalized embeddings of users, shape (users, dimension).

        user_mean: mean of each user's projected documents, shape (users, dimension); zero for a user without documents.
        messages: all messages to these users, shape (messages, dimension).
        receiver: index of the user who receives each message, shape (messages,).
        """
        edges = torch.stack([torch.arange(len(messages)), receiver])
        weight = torch.where(user_mean.any(dim=1, keepdim=True), self.message_weight, 1.0)
        return nn.functional.normalize(user_mean + weight * self.aggregate((messages, user_mean), edges), dim=1)


class _UserTopicPairs:
    """All (user, topic) pairs of a graph, sorted by user and then topic, with their counts.

    of_document: index of each document's pair; `NO_TOPIC` for a document without a topic.
    documents: number of documents of each pair.
    documents_on, users_on: number of documents and of users of each topic.
    """

    def __init__(self, graph: UserTopicGraph) -> None:
        self.users, self.topics = len(graph.users), len(graph.topics)
        self.document_user = torch.from_numpy(graph.user)
        topic = torch.from_numpy(graph.topic)
        self._on_topic = topic != NO_TOPIC
        keys = self.document_user * max(1, self.topics) + topic
        pairs, pair_index = torch.unique(keys[self._on_topic], return_inverse=True)
        self.user, self.topic = pairs // max(1, self.topics), pairs % max(1, self.topics)
        self._pair_index = pair_index
        self.of_document = torch.full((len(topic),), NO_TOPIC)
        self.of_document[self._on_topic] = pair_index
        self.documents = torch.bincount(pair_index, minlength=len(pairs))
        self.documents_on = scatter(self.documents, self.topic, dim_size=self.topics)
        self.users_on = torch.bincount(self.topic, minlength=self.topics)

    def aggregates(self, projected: Tensor) -> _Aggregates:
        """The aggregates of projected documents, shape (documents, dimension)."""
        user_mean = scatter(projected, self.document_user, dim_size=self.users, reduce="mean")
        pair_sums = scatter(projected[self._on_topic], self._pair_index, dim_size=len(self.user))
        topic_sums = scatter(pair_sums, self.topic, dim_size=self.topics)
        return _Aggregates(
            user_mean, pair_sums, topic_sums, scatter(user_mean[self.user], self.topic, dim_size=self.topics)
        )


@dataclass(frozen=True)
class _Aggregates:
    """Aggregates of projected documents.

    user_mean: mean for each user.
    pair_sums, topic_sums: sum for each pair and for each topic.
    of_users: sum of `user_mean` over the users of each topic.
    """

    user_mean: Tensor
    pair_sums: Tensor
    topic_sums: Tensor
    of_users: Tensor


def _pair_messages(model: StyleModel, pairs: _UserTopicPairs, aggregates: _Aggregates) -> Tensor:
    """The message of each pair's topic to its user, aggregated from all other users."""
    documents = _mean(
        aggregates.topic_sums[pairs.topic] - aggregates.pair_sums, pairs.documents_on[pairs.topic] - pairs.documents
    )
    users = _mean(aggregates.of_users[pairs.topic] - aggregates.user_mean[pairs.user], pairs.users_on[pairs.topic] - 1)
    return model.messages(documents, users)


def _mean(sums: Tensor, counts: Tensor) -> Tensor:
    """Means; zero where the count is zero."""
    return torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], 0.0)


class StyleTrainingSettings(Protocol):
    """The settings that training a style model reads: see `penname.config.StyleSettings`."""

    dimension: int
    epochs: int
    learning_rate: float
    dropout: float
    without_history: float
    temperature: float


def train_style(
    features: Vectors,
    graph: UserTopicGraph,
    settings: StyleTrainingSettings,
    seed: int,
    on_epoch: Callable[[], None] = lambda: None,
) -> StyleModel:
    """Train a style model without labels: full-batch GraphSAGE with a contrastive loss.

    features: features of the graph's documents, shape (documents, features).
    graph: the user-topic graph of the training split.
    settings: see `penname.config.StyleSettings`.
    seed: seed of all random choices.
    on_epoch: called after each epoch.

    An author's documents are split at random into two parts, which are a positive pair; the parts of other authors are
    negatives (InfoNCE, van den Oord et al., 2018). Some of the first parts keep only their topics, like users without
    history. Authors of a single document send messages but give no pairs. An eighth of the authors is held out: the
    epoch with the best held-out mean reciprocal rank is kept, which may be the initialization.
    """
    model = StyleModel(features.shape[1], settings.dimension, seed)
    inputs, pairs = torch.from_numpy(features), _UserTopicPairs(graph)
    model.init_projection(inputs)
    generator = np.random.default_rng(seed)
    authors = generator.permutation(np.flatnonzero(np.bincount(graph.user, minlength=len(graph.users)) > 1))
    held_out, trained = np.split(authors, [len(authors) // 8])
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)

    def similarities(chosen: Indices, generator: np.random.Generator, *, training: bool) -> Tensor:
        """Cosines of the chosen authors' first parts with all of their second parts."""
        # Dropout before the projection would copy all features.
        projected = nn.functional.dropout(model.project(inputs), settings.dropout, training)
        messages = _pair_messages(model, pairs, pairs.aggregates(projected))
        documents, part = _split_in_two(graph, chosen, generator)
        user_mean = scatter(projected[documents], part, dim_size=2 * len(chosen), reduce="mean")
        without_history = 2 * np.flatnonzero(generator.random(len(chosen)) < settings.without_history)
        user_mean = user_mean.index_fill(0, torch.from_numpy(without_history), 0.0)
        on_topic = pairs.of_document[documents] != NO_TOPIC
        edges = torch.unique(torch.stack([pairs.of_document[documents], part])[:, on_topic], dim=1)
        embeddings = model.embed(user_mean, messages[edges[0]], edges[1])
        return embeddings[::2] @ embeddings[1::2].T

    @torch.no_grad()
    def held_out_mrr() -> float:
        """Mean reciprocal rank of held-out authors' second parts, among those of training authors too."""
        chosen = np.concatenate([held_out, trained[:AUTHORS_PER_BATCH]])
        scores = similarities(chosen, np.random.default_rng(seed), training=False)[: len(held_out)]
        right = scores.diagonal()[:, None]
        return float((1 / (1 + (~(scores <= right)).sum(dim=1))).mean())  # a NaN embedding gets the lowest rank

    best, best_mrr = copy.deepcopy(model.state_dict()), held_out_mrr() if len(held_out) else 0.0
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # for dropout
        for _ in range(settings.epochs if len(held_out) else 0):
            parts = -(-len(trained) // AUTHORS_PER_BATCH)
            for chosen in np.array_split(generator.permutation(trained), parts):
                logits = similarities(chosen, generator, training=True) / settings.temperature
                same = torch.arange(len(chosen))
                loss = nn.functional.cross_entropy(logits, same) + nn.functional.cross_entropy(logits.T, same)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if (mrr := held_out_mrr()) > best_mrr:
                best, best_mrr = copy.deepcopy(model.state_dict()), mrr
            on_epoch()
    model.load_state_dict(best)
    return model.eval()


def _split_in_two(graph: UserTopicGraph, authors: Indices, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The indices of the authors' documents, and the part that each is in: 2i or 2i + 1 for author i.

    Half of the first parts are a single document, like the history of a new user.
    """
    documents, parts = [], []
    for i, author in enumerate(authors):
        shuffled = generator.permutation(graph.documents_of(author))
        first_part = 1 if generator.random() < 0.5 else generator.integers(1, max(2, len(shuffled) // 2 + 1))
        documents.append(shuffled)
        parts.append(2 * i + (np.arange(len(shuffled)) >= first_part))
    return torch.from_numpy(np.concatenate(documents)), torch.from_numpy(np.concatenate(parts))


@dataclass(frozen=True)
class StyleQuery:
    """A query for users with a similar style; its fields are the arguments of `StyleIndex.embed`."""

    feature: Vectors | None
    topics: Sequence[int]
    excluded_user: int | None = None


class StyleIndex:
    """An index of the embeddings of a graph's users, to find those with a similar style.

    model: the trained style model.
    features: features of the graph's documents, shape (documents, features).
    graph: the user-topic graph.
    """

    def __init__(self, model: StyleModel, features: Vectors, graph: UserTopicGraph) -> None:
        self._model, self._graph, self._pairs = model, graph, _UserTopicPairs(graph)
        with torch.no_grad():
            self._aggregates = self._pairs.aggregates(model.project(torch.from_numpy(features)))
            self._messages = _pair_messages(model, self._pairs, self._aggregates)
            self._embeddings = model.embed(self._aggregates.user_mean, self._messages, self._pairs.user)
        self._starts = torch.searchsorted(self._pairs.user, torch.arange(len(graph.users) + 1)).tolist()

    @property
    def embeddings(self) -> Vectors:
        """The normalized embedding of each user, shape (users, dimension)."""
        return self._embeddings.numpy()

    @torch.no_grad()
    def embed(self, feature: Vectors | None, topics: Sequence[int], excluded_user: int | None = None) -> Vectors:
        """The embedding of a user who need not be in the graph, shape (dimension,).

        feature: the mean feature of the user's documents, or the prompt's feature, shape (features,); None if there is
            neither.
        topics: indices of the topics that the user writes on.
        excluded_user: index of a user whose documents the topics' messages exclude.
        """
        dimension = self._embeddings.shape[1]
        projected = torch.zeros(dimension) if feature is None else self._model.project(torch.from_numpy(feature))
        written_on = torch.tensor(sorted(set(topics)), dtype=torch.long)
        messages = self._messages_without(written_on, excluded_user)
        return self._model.embed(projected[None], messages, torch.zeros_like(written_on))[0].numpy()

    def rank(self, query: StyleQuery) -> Iterator[int]:
        """The indices of all users, those with the most similar style first.

        The user that the query excludes is not among them and does not influence the others' embeddings.
        """
        return next(self.rank_all([query]))

    @torch.no_grad()
    def rank_all(self, queries: Sequence[StyleQuery]) -> Iterator[Iterator[int]]:
        """The result of `rank` for each query, in one pass over all embeddings."""
        vectors = torch.from_numpy(np.stack([self.embed(q.feature, q.topics, q.excluded_user) for q in queries]))
        for query, vector, scores in zip(queries, vectors, vectors @ self._embeddings.T, strict=True):
            if query.excluded_user is not None:
                affected, changed = self._embeddings_without(query.excluded_user)
                scores[affected] = changed @ vector
            yield self._ranking_without(scores, query.excluded_user)

    @staticmethod
    def _ranking_without(scores: Tensor, excluded_user: int | None) -> Iterator[int]:
        return (user for user in ranked(scores.numpy()) if user != excluded_user)

    def _messages_without(
        self, topics: Tensor, excluded_user: int | None, excluded_pairs: Tensor | None = None
    ) -> Tensor:
        """The messages of topics, aggregated without some of their users.

        topics: indices of topics.
        excluded_user: a user excluded from all topics.
        excluded_pairs: for each topic, the index of a pair that is excluded too.
        """
        documents, in_documents = self._aggregates.topic_sums[topics], self._pairs.documents_on[topics]
        users, in_users = self._aggregates.of_users[topics], self._pairs.users_on[topics]
        if excluded_user is not None:
            users_topics = self._pairs.topic[self._starts[excluded_user] : self._starts[excluded_user + 1]]
            affected = torch.isin(topics, users_topics)
            pair = self._starts[excluded_user] + torch.searchsorted(users_topics, topics[affected])
            documents[affected] -= self._aggregates.pair_sums[pair]
            in_documents[affected] -= self._pairs.documents[pair]
            users[affected] -= self._aggregates.user_mean[excluded_user]
            in_users[affected] -= 1
        if excluded_pairs is not None:
            documents = documents - self._aggregates.pair_sums[excluded_pairs]
            in_documents = in_documents - self._pairs.documents[excluded_pairs]
            users = users - self._aggregates.user_mean[self._pairs.user[excluded_pairs]]
            in_users = in_users - 1
        return self._model.messages(_mean(documents, in_documents), _mean(users, in_users))

    def _embeddings_without(self, excluded_user: int) -> tuple[Tensor, Tensor]:
        """The users who share a topic with the excluded user, and their embeddings without that user's documents."""
        topics = self._pairs.topic[self._starts[excluded_user] : self._starts[excluded_user + 1]]
        documents = [self._graph.documents_on(topic) for topic in topics.tolist()]
        sharing = np.unique(self._graph.user[np.concatenate(documents)]) if documents else np.zeros(0, np.intp)
        users = torch.from_numpy(sharing[sharing != excluded_user])
        numbers = torch.tensor(
            [self._starts[user + 1] - self._starts[user] for user in users.tolist()], dtype=torch.long
        )
        receiver = torch.repeat_interleave(torch.arange(len(users)), numbers)
        pairs = torch.searchsorted(self._pairs.user, users)[receiver] + torch.arange(len(receiver))
        pairs -= (torch.cumsum(numbers, 0) - numbers)[receiver]
        messages = self._messages[pairs]
        changed = torch.isin(self._pairs.topic[pairs], topics)
        messages[changed] = self._messages_without(self._pairs.topic[pairs[changed]], excluded_user, pairs[changed])
        return users, self._model.embed(self._aggregates.user_mean[users], messages, receiver)
