"""The style trajectory: users with a similar style, by style features that are propagated over the user-topic graph.

PaT embeds users by GraphSAGE (Hamilton et al., 2017); features, layers and loss are our reconstruction. A user's
embedding combines the mean feature of the user's documents with messages aggregated from the user's topics. The message
of a topic to a user leaves that user out, so that no embedding depends on itself through the graph, and the target of
an example never reaches its own embedding.
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
from penname.pat.graph.user_topic import NO_TOPIC, Ints, UserTopicGraph, Vectors, ranked, unit

TRIGRAM_BITS = 18
TRIGRAMS, SKETCH = 2**TRIGRAM_BITS, 1024
"""Number of buckets that character trigrams are hashed to, and of features that sum them up with random signs."""
SPACE = ord(" ")
MIXER = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio (Knuth's multiplicative hashing): the highest bits of a product are the hash."""

MOST_DEVIATIONS = 4.0
SHARES = {"trigrams": 1.0, "stylometric": 0.5, "sentence": 0.7}
"""Norms of the parts of a feature vector: the weight of each before training."""

AT_ONCE = 2**14
"""Documents in a batch of trigram counting."""
AUTHORS_AT_ONCE = 4096
"""Authors in a training batch, who are contrasted with each other."""


@dataclass(frozen=True)
class StyleFeatures:
    """Computes style features of texts, with statistics fitted on a corpus.

    weight: inverse document frequency of each hashed trigram.
    mean, deviation: of the stylometric features.
    encode: gives sentence embeddings, shape (texts, dimension); None for style alone.
    """

    weight: Vectors
    mean: Vectors
    deviation: Vectors
    encode: Callable[[Sequence[str]], Vectors] | None = None

    def of_texts(self, texts: Sequence[str]) -> Vectors:
        """Features of the texts, shape (texts, features); each part has a fixed norm."""
        parts = [texts[i : i + AT_ONCE] for i in range(0, max(1, len(texts)), AT_ONCE)]
        return np.concatenate([self._joined(part, _trigrams(part), stylometric(part)) for part in parts])

    def _joined(self, texts: Sequence[str], trigrams: csr_array, stylometry: Vectors) -> Vectors:
        if not texts:
            width = SKETCH + len(self.mean) + (0 if self.encode is None else self.encode(["a"]).shape[1])
            return np.zeros((0, width), np.float32)
        weighted = csr_array(
            (trigrams.data * self.weight[trigrams.indices], trigrams.indices, trigrams.indptr), trigrams.shape
        )
        parts = {
            "trigrams": (weighted @ _sketch()).toarray(),
            "stylometric": np.clip((stylometry - self.mean) / self.deviation, -MOST_DEVIATIONS, MOST_DEVIATIONS),
        }
        if self.encode is not None:
            parts["sentence"] = self.encode(texts)
        return np.concatenate([SHARES[name] * unit(part) for name, part in parts.items()], axis=1, dtype=np.float32)


def fit_features(
    texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors] | None = None
) -> tuple[StyleFeatures, Vectors]:
    """Fit features on `texts`; returns them with the features of these texts."""
    parts = [texts[i : i + AT_ONCE] for i in range(0, len(texts), AT_ONCE)]
    trigrams, stylometry = [_trigrams(part) for part in parts], [stylometric(part) for part in parts]
    with_trigram = np.sum([np.bincount(part.indices, minlength=TRIGRAMS) for part in trigrams], axis=0)
    every = np.concatenate(stylometry)
    features = StyleFeatures(
        (np.log((1 + len(texts)) / (1 + with_trigram)) + 1).astype(np.float32),
        every.mean(axis=0),
        every.std(axis=0) + 1e-6,
        encode,
    )
    computed = [features._joined(*part) for part in zip(parts, trigrams, stylometry, strict=True)]
    return features, np.concatenate(computed)


def _trigrams(texts: Sequence[str]) -> csr_array:
    """1 + log of the count of each hashed character trigram in each text.

    Words are padded with a space on each side, and trigrams do not cross words (as scikit-learn's `char_wb`, which
    takes ten times as long).
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
    """Embeds users: mean document feature + messages aggregated from their topics.

    width: number of features of a document.
    dimension: of an embedding.
    seed: of the initial weights.

    Messages have the learned weight `beside_own`, initially 0; for users without documents they are all there is.
    """

    def __init__(self, width: int, dimension: int, seed: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, dimension, bias=False)
        self.of_documents = nn.Linear(dimension, dimension, bias=False)
        self.of_users = nn.Linear(dimension, dimension)
        self.hear = SAGEConv((dimension, dimension), dimension, root_weight=False, bias=False)
        self.beside_own = nn.Parameter(torch.zeros(()))
        generator = torch.Generator().manual_seed(seed)
        for layer in (self.project, self.of_documents, self.of_users, self.hear.lin_l):
            nn.init.normal_(layer.weight, std=1 / math.sqrt(dimension), generator=generator)
        nn.init.zeros_(self.of_users.bias)

    @torch.no_grad()
    def begin_as(self, features: Tensor) -> None:
        """Initialize the projection so that cosines of embeddings approximate those of features like these (PCA)."""
        products = (features.T @ features).double().numpy()
        axes = np.linalg.eigh(products).eigenvectors[:, ::-1][:, : len(self.project.weight)]
        nn.init.zeros_(self.project.weight)
        self.project.weight[: axes.shape[1]] = torch.from_numpy(axes.T.astype(np.float32))

    def heard(self, documents: Tensor, users: Tensor) -> Tensor:
        """The messages of topics, shape (topics, dimension).

        documents: mean of the projected documents on each topic.
        users: mean of the users of each topic.
        """
        return torch.relu(self.of_documents(documents) + self.of_users(users))

    def embed(self, own: Tensor, heard: Tensor, hearer: Tensor) -> Tensor:
        """Normalized embeddings, shape (users, dimension).

        own: mean of each user's projected documents.
        heard: messages to users.
        hearer: index of the user of each message.
        """
        edges = torch.stack([torch.arange(len(heard)), hearer])
        weight = torch.where(own.any(dim=1, keepdim=True), self.beside_own, 1.0)
        return nn.functional.normalize(own + weight * self.hear((heard, own), edges), dim=1)


class _Pairs:
    """All (user, topic) pairs of a graph, sorted by user and then topic, with their counts.

    of_document: index of each document's pair; `NO_TOPIC` where it has no topic.
    documents: number of documents of each pair.
    documents_on, users_on: number of documents and users of each topic.
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

    def sums(self, projected: Tensor) -> _Sums:
        own = scatter(projected, self.document_user, dim_size=self.users, reduce="mean")
        of_pair = scatter(projected[self._on_topic], self._pair_index, dim_size=len(self.user))
        of_topic = scatter(of_pair, self.topic, dim_size=self.topics)
        return _Sums(own, of_pair, of_topic, scatter(own[self.user], self.topic, dim_size=self.topics))


@dataclass(frozen=True)
class _Sums:
    """Aggregates of projected documents.

    own: mean for each user.
    of_pair, of_topic: sum for each pair and each topic.
    of_users: sum of `own` over each topic's users.
    """

    own: Tensor
    of_pair: Tensor
    of_topic: Tensor
    of_users: Tensor


def _heard_in_pairs(model: StyleModel, pairs: _Pairs, sums: _Sums) -> Tensor:
    """The message of each pair's topic to its user, aggregated from all other users."""
    documents = _mean(sums.of_topic[pairs.topic] - sums.of_pair, pairs.documents_on[pairs.topic] - pairs.documents)
    users = _mean(sums.of_users[pairs.topic] - sums.own[pairs.user], pairs.users_on[pairs.topic] - 1)
    return model.heard(documents, users)


def _mean(sums: Tensor, counts: Tensor) -> Tensor:
    """Means; zero where the count is zero."""
    return torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], 0.0)


class Settings(Protocol):
    """The recipe's settings of training: see `penname.config.StyleSettings`."""

    dimension: int
    epochs: int
    learning_rate: float
    dropout: float
    without_history: float
    temperature: float


def train_style(
    features: Vectors,
    graph: UserTopicGraph,
    settings: Settings,
    seed: int,
    on_epoch: Callable[[], None] = lambda: None,
) -> StyleModel:
    """Train a style model without labels: full-batch GraphSAGE with a contrastive loss.

    features: of the graph's documents, shape (documents, features).
    graph: the user-topic graph.
    settings: see `penname.config.StyleSettings`.
    seed: of all random choices.
    on_epoch: called after each epoch.

    An author's documents are split at random into two parts, which are a positive pair; the parts of other authors are
    negatives (InfoNCE, van den Oord et al., 2018). Some of the first parts keep only their topics, like users without
    history. Authors of a single document send messages but give no pairs. An eighth of the authors is held out: the
    epoch with the best held-out mean reciprocal rank is kept, which may be the initialization.
    """
    model = StyleModel(features.shape[1], settings.dimension, seed)
    inputs, pairs = torch.from_numpy(features), _Pairs(graph)
    model.begin_as(inputs)
    generator = np.random.default_rng(seed)
    authors = generator.permutation(np.flatnonzero(np.bincount(graph.user, minlength=len(graph.users)) > 1))
    held_out, trained = np.split(authors, [len(authors) // 8])
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)

    def similarities(chosen: Ints, generator: np.random.Generator, *, training: bool) -> Tensor:
        """Cosines of the first parts of the chosen authors with all second parts."""
        # Dropout before the projection would copy all features.
        projected = nn.functional.dropout(model.project(inputs), settings.dropout, training)
        heard = _heard_in_pairs(model, pairs, pairs.sums(projected))
        documents, part = _split_in_two(graph, chosen, generator)
        own = scatter(projected[documents], part, dim_size=2 * len(chosen), reduce="mean")
        without_history = 2 * np.flatnonzero(generator.random(len(chosen)) < settings.without_history)
        own = own.index_fill(0, torch.from_numpy(without_history), 0.0)
        on_topic = pairs.of_document[documents] != NO_TOPIC
        edges = torch.unique(torch.stack([pairs.of_document[documents], part])[:, on_topic], dim=1)
        embedded = model.embed(own, heard[edges[0]], edges[1])
        return embedded[::2] @ embedded[1::2].T

    @torch.no_grad()
    def held_out_mrr() -> float:
        """Mean reciprocal rank of held-out authors' second parts, among those of training authors too."""
        chosen = np.concatenate([held_out, trained[:AUTHORS_AT_ONCE]])
        scores = similarities(chosen, np.random.default_rng(seed), training=False)[: len(held_out)]
        right = scores.diagonal()[:, None]
        return float((1 / (1 + (~(scores <= right)).sum(dim=1))).mean())  # NaN embeddings get the lowest rank

    best, highest = copy.deepcopy(model.state_dict()), held_out_mrr() if len(held_out) else 0.0
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # of dropout
        for _ in range(settings.epochs if len(held_out) else 0):
            parts = -(-len(trained) // AUTHORS_AT_ONCE)
            for chosen in np.array_split(generator.permutation(trained), parts):
                logits = similarities(chosen, generator, training=True) / settings.temperature
                same = torch.arange(len(chosen))
                loss = nn.functional.cross_entropy(logits, same) + nn.functional.cross_entropy(logits.T, same)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if (mrr := held_out_mrr()) > highest:
                best, highest = copy.deepcopy(model.state_dict()), mrr
            on_epoch()
    model.load_state_dict(best)
    return model.eval()


def _split_in_two(graph: UserTopicGraph, authors: Ints, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The authors' documents, and the part of each: 2i or 2i + 1 for author i.

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
class Asked:
    """A query for users with a similar style; the fields are the arguments of `StyleIndex.embed`."""

    own: Vectors | None
    topics: Sequence[int]
    without: int | None = None


class StyleIndex:
    """An index of the embeddings of a graph's users, to find those with a similar style.

    model: the trained style model.
    features: of the graph's documents, shape (documents, features).
    """

    def __init__(self, model: StyleModel, features: Vectors, graph: UserTopicGraph) -> None:
        self._model, self._graph, self._pairs = model, graph, _Pairs(graph)
        with torch.no_grad():
            self._sums = self._pairs.sums(model.project(torch.from_numpy(features)))
            self._heard = _heard_in_pairs(model, self._pairs, self._sums)
            self._embedded = model.embed(self._sums.own, self._heard, self._pairs.user)
        self._starts = torch.searchsorted(self._pairs.user, torch.arange(len(graph.users) + 1)).tolist()

    @property
    def embedded(self) -> Vectors:
        """Each user's normalized embedding, shape (users, dimension)."""
        return self._embedded.numpy()

    @torch.no_grad()
    def embed(self, own: Vectors | None, topics: Sequence[int], without: int | None = None) -> Vectors:
        """The embedding of a user who need not be in the graph, shape (dimension,).

        own: the mean feature of the user's documents, or the prompt's feature; None if there is neither.
        topics: indices of the topics the user writes on.
        without: index of a user to leave out of the topics' messages.
        """
        written = torch.zeros(self._embedded.shape[1]) if own is None else self._model.project(torch.from_numpy(own))
        on = torch.tensor(sorted(set(topics)), dtype=torch.long)
        heard = self._heard_without(on, without)
        return self._model.embed(written[None], heard, torch.zeros_like(on))[0].numpy()

    def alike(self, asked: Asked) -> Iterator[int]:
        """All users, those with the most similar style first.

        The user that the query leaves out is not among them and does not influence the others' embeddings.
        """
        return next(self.alike_all([asked]))

    @torch.no_grad()
    def alike_all(self, asked: Sequence[Asked]) -> Iterator[Iterator[int]]:
        """The result of `alike` for each query, in one pass over all embeddings."""
        vectors = torch.from_numpy(np.stack([self.embed(a.own, a.topics, a.without) for a in asked]))
        for a, vector, scores in zip(asked, vectors, vectors @ self._embedded.T, strict=True):
            if a.without is not None:
                affected, changed = self._embedded_without(a.without)
                scores[affected] = changed @ vector
            yield self._others(scores, a.without)

    @staticmethod
    def _others(scores: Tensor, without: int | None) -> Iterator[int]:
        return (user for user in ranked(scores.numpy()) if user != without)

    def _heard_without(self, topics: Tensor, without: int | None, also: Tensor | None = None) -> Tensor:
        """The messages of topics, leaving users out.

        topics: indices.
        without: a user to leave out of all topics.
        also: for each topic, a pair to leave out too.
        """
        documents, in_documents = self._sums.of_topic[topics], self._pairs.documents_on[topics]
        users, in_users = self._sums.of_users[topics], self._pairs.users_on[topics]
        if without is not None:
            users_topics = self._pairs.topic[self._starts[without] : self._starts[without + 1]]
            affected = torch.isin(topics, users_topics)
            pair = self._starts[without] + torch.searchsorted(users_topics, topics[affected])
            documents[affected] -= self._sums.of_pair[pair]
            in_documents[affected] -= self._pairs.documents[pair]
            users[affected] -= self._sums.own[without]
            in_users[affected] -= 1
        if also is not None:
            documents = documents - self._sums.of_pair[also]
            in_documents = in_documents - self._pairs.documents[also]
            users = users - self._sums.own[self._pairs.user[also]]
            in_users = in_users - 1
        return self._model.heard(_mean(documents, in_documents), _mean(users, in_users))

    def _embedded_without(self, without: int) -> tuple[Tensor, Tensor]:
        """The users who share a topic with user `without`, and their embeddings without that user's documents."""
        topics = self._pairs.topic[self._starts[without] : self._starts[without + 1]]
        documents = [self._graph.documents_on(topic) for topic in topics.tolist()]
        sharing = np.unique(self._graph.user[np.concatenate(documents)]) if documents else np.zeros(0, np.intp)
        users = torch.from_numpy(sharing[sharing != without])
        numbers = torch.tensor(
            [self._starts[user + 1] - self._starts[user] for user in users.tolist()], dtype=torch.long
        )
        hearer = torch.repeat_interleave(torch.arange(len(users)), numbers)
        pairs = torch.searchsorted(self._pairs.user, users)[hearer] + torch.arange(len(hearer))
        pairs -= (torch.cumsum(numbers, 0) - numbers)[hearer]
        heard = self._heard[pairs]
        changed = torch.isin(self._pairs.topic[pairs], topics)
        heard[changed] = self._heard_without(self._pairs.topic[pairs[changed]], without, pairs[changed])
        return users, self._model.embed(self._sums.own[users], heard, hearer)
