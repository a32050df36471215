"""The style trajectory: which users write alike, told by style features that are propagated over the user-topic graph.

PaT embeds users by GraphSAGE (Hamilton et al., 2017); features, layers and loss are our reconstruction. A user's
embedding is what the user's documents look like, plus what one hears on the user's topics from all others: there each
user is left out, so that nobody's embedding hears itself, and what an example hears never holds its own target.
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
"""Character trigrams are hashed to so many places, and these summed up, with random signs, to so many features."""
SPACE = ord(" ")
MIXER = np.uint64(0x9E3779B97F4A7C15)
"""The golden ratio of 2^64 (Knuth's multiplicative hashing): the highest bits of a product tell numbers apart."""

MOST_DEVIATIONS = 4.0
SHARES = {"trigrams": 1.0, "stylometric": 0.5, "sentence": 0.7}
"""Lengths of the parts of a feature vector: how much each counts before training."""

AT_ONCE = 2**14
"""Documents whose trigrams are counted at once."""
AUTHORS_AT_ONCE = 4096
"""Authors who are compared with each other in a step of training."""


@dataclass(frozen=True)
class StyleFeatures:
    """What makes features of texts: fitted to some, fit for others.

    weight: of each hashed trigram (its inverse document frequency); mean, deviation: of the stylometric features.
    encode: gives sentence vectors of texts, shape (texts, dimension); None for style alone.
    """

    weight: Vectors
    mean: Vectors
    deviation: Vectors
    encode: Callable[[Sequence[str]], Vectors] | None = None

    def of_texts(self, texts: Sequence[str]) -> Vectors:
        """Features of the texts, shape (texts, features), each part of fixed length."""
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
    """What makes features, with the weights and scales of `texts`, and the features of these."""
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
    made = [features._joined(*part) for part in zip(parts, trigrams, stylometry, strict=True)]
    return features, np.concatenate(made)


def _trigrams(texts: Sequence[str]) -> csr_array:
    """1 + log of how often each hashed trigram of characters stands in each text.

    A word begins and ends with a space; trigrams reach from one word into no other (scikit-learn's `char_wb`, which
    takes ten times as long).
    """
    spaced = [f" {' '.join(text.split())} " for text in texts]
    characters = np.frombuffer("".join(spaced).encode("utf-32-le", errors="surrogatepass"), np.uint32).astype(np.uint64)
    rows = np.repeat(np.arange(len(texts)), [len(text) for text in spaced])
    inside = np.flatnonzero((characters[1:-1] != SPACE) & (rows[2:] == rows[:-2])) + 1
    codes = (characters[inside - 1] << np.uint64(42)) | (characters[inside] << np.uint64(21)) | characters[inside + 1]
    places = (codes * MIXER) >> np.uint64(64 - TRIGRAM_BITS)
    found, counts = np.unique(rows[inside] * TRIGRAMS + places.astype(np.int64), return_counts=True)
    starts = np.searchsorted(found, np.arange(len(texts) + 1) * TRIGRAMS)
    return csr_array(((1 + np.log(counts)).astype(np.float32), found % TRIGRAMS, starts), (len(texts), TRIGRAMS))


@cache
def _sketch() -> csr_array:
    """Sums hashed trigrams up, with random signs: dot products stay what they were, but for noise."""
    generator = np.random.default_rng(0)
    signs = generator.choice(np.array([-1, 1], np.float32), TRIGRAMS)
    return csr_array((signs, (np.arange(TRIGRAMS), generator.integers(0, SKETCH, TRIGRAMS))), (TRIGRAMS, SKETCH))


class StyleModel(nn.Module):
    """Embeds users by what they write and by what they hear on their topics.

    width: features of a document; dimension: of an embedding. What is heard counts `beside_own` beside what the user
    has written, at first nothing, and is all there is of one who has written nothing.
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
        """Begin with embeddings whose cosines are those of features such as these, as near as the dimension allows."""
        products = (features.T @ features).double().numpy()
        axes = np.linalg.eigh(products).eigenvectors[:, ::-1][:, : len(self.project.weight)]
        nn.init.zeros_(self.project.weight)
        self.project.weight[: axes.shape[1]] = torch.from_numpy(axes.T.astype(np.float32))

    def heard(self, documents: Tensor, users: Tensor) -> Tensor:
        """What topics tell, shape (topics, dimension), given means of the documents on them and of their users."""
        return torch.relu(self.of_documents(documents) + self.of_users(users))

    def embed(self, own: Tensor, heard: Tensor, hearer: Tensor) -> Tensor:
        """Embeddings of length 1. own: means of users' documents; heard: what the users at places `hearer` hear."""
        edges = torch.stack([torch.arange(len(heard)), hearer])
        weight = torch.where(own.any(dim=1, keepdim=True), self.beside_own, 1.0)
        return nn.functional.normalize(own + weight * self.hear((heard, own), edges), dim=1)


class _Pairs:
    """Each user with each of the user's topics, by user and then topic, and how many documents and users there are.

    of_document: the pair of each document, `NO_TOPIC` where it has no topic.
    """

    def __init__(self, graph: UserTopicGraph) -> None:
        self.users, self.topics = len(graph.users), len(graph.topics)
        self.document_user = torch.from_numpy(graph.user)
        topic = torch.from_numpy(graph.topic)
        self._on_topic = topic != NO_TOPIC
        keys = self.document_user * max(1, self.topics) + topic
        pairs, place = torch.unique(keys[self._on_topic], return_inverse=True)
        self.user, self.topic = pairs // max(1, self.topics), pairs % max(1, self.topics)
        self._place = place
        self.of_document = torch.full((len(topic),), NO_TOPIC)
        self.of_document[self._on_topic] = place
        self.documents = torch.bincount(place, minlength=len(pairs))
        self.documents_on = scatter(self.documents, self.topic, dim_size=self.topics)
        self.users_on = torch.bincount(self.topic, minlength=self.topics)

    def sums(self, projected: Tensor) -> _Sums:
        own = scatter(projected, self.document_user, dim_size=self.users, reduce="mean")
        of_pair = scatter(projected[self._on_topic], self._place, dim_size=len(self.user))
        of_topic = scatter(of_pair, self.topic, dim_size=self.topics)
        return _Sums(own, of_pair, of_topic, scatter(own[self.user], self.topic, dim_size=self.topics))


@dataclass(frozen=True)
class _Sums:
    """own: means of users' projected documents. of_pair, of_topic: sums of documents. of_users: of a topic's users."""

    own: Tensor
    of_pair: Tensor
    of_topic: Tensor
    of_users: Tensor


def _heard_in_pairs(model: StyleModel, pairs: _Pairs, sums: _Sums) -> Tensor:
    """For each pair what the user hears on the topic from all others."""
    documents = _mean(sums.of_topic[pairs.topic] - sums.of_pair, pairs.documents_on[pairs.topic] - pairs.documents)
    users = _mean(sums.of_users[pairs.topic] - sums.own[pairs.user], pairs.users_on[pairs.topic] - 1)
    return model.heard(documents, users)


def _mean(sums: Tensor, counts: Tensor) -> Tensor:
    """Means, zero where there is nothing."""
    return torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], 0.0)


class Settings(Protocol):
    """What training reads of a recipe: see `penname.config.StyleSettings`."""

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
    """A style model of a graph whose documents have these features, trained without labels: full-batch GraphSAGE.

    An author's documents are cut at random into two parts, which attract each other and repel those of other authors
    (InfoNCE, van den Oord et al., 2018). Some of the first parts keep their topics only, as users without history do.
    Authors of one document are heard, but train nothing. An eighth of the authors is kept aside: the epoch after which
    their parts find each other best is the one that counts, and that may be none.
    """
    model = StyleModel(features.shape[1], settings.dimension, seed)
    inputs, pairs = torch.from_numpy(features), _Pairs(graph)
    model.begin_as(inputs)
    generator = np.random.default_rng(seed)
    authors = generator.permutation(np.flatnonzero(np.bincount(graph.user, minlength=len(graph.users)) > 1))
    aside, trained = np.split(authors, [len(authors) // 8])
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate)

    def similarities(chosen: Ints, generator: np.random.Generator, *, training: bool) -> Tensor:
        """Cosines of all first parts of the chosen authors to all second parts."""
        # Dropping features, not what they are projected to, would take a copy of all of them.
        projected = nn.functional.dropout(model.project(inputs), settings.dropout, training)
        heard = _heard_in_pairs(model, pairs, pairs.sums(projected))
        documents, part = _cut_in_two(graph, chosen, generator)
        own = scatter(projected[documents], part, dim_size=2 * len(chosen), reduce="mean")
        silent = 2 * np.flatnonzero(generator.random(len(chosen)) < settings.without_history)
        own = own.index_fill(0, torch.from_numpy(silent), 0.0)
        on_topic = pairs.of_document[documents] != NO_TOPIC
        edges = torch.unique(torch.stack([pairs.of_document[documents], part])[:, on_topic], dim=1)
        embedded = model.embed(own, heard[edges[0]], edges[1])
        return embedded[::2] @ embedded[1::2].T

    @torch.no_grad()
    def found() -> float:
        """Mean reciprocal rank of the second parts of those kept aside, among those of others too."""
        chosen = np.concatenate([aside, trained[:AUTHORS_AT_ONCE]])
        scores = similarities(chosen, np.random.default_rng(seed), training=False)[: len(aside)]
        right = scores.diagonal()[:, None]
        return float((1 / (1 + (~(scores <= right)).sum(dim=1))).mean())  # of embeddings that are no numbers the worst

    best, highest = copy.deepcopy(model.state_dict()), found() if len(aside) else 0.0
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # of dropout
        for _ in range(settings.epochs if len(aside) else 0):
            parts = -(-len(trained) // AUTHORS_AT_ONCE)
            for chosen in np.array_split(generator.permutation(trained), parts):
                logits = similarities(chosen, generator, training=True) / settings.temperature
                same = torch.arange(len(chosen))
                loss = nn.functional.cross_entropy(logits, same) + nn.functional.cross_entropy(logits.T, same)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if (now := found()) > highest:
                best, highest = copy.deepcopy(model.state_dict()), now
            on_epoch()
    model.load_state_dict(best)
    return model.eval()


def _cut_in_two(graph: UserTopicGraph, authors: Ints, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The authors' documents, and for each the part it falls into: 2i or 2i + 1 for author i.

    Half of the first parts are a single document, as that of a user who has just begun.
    """
    documents, parts = [], []
    for place, author in enumerate(authors):
        own = generator.permutation(graph.documents_of(author))
        cut = 1 if generator.random() < 0.5 else generator.integers(1, max(2, len(own) // 2 + 1))
        documents.append(own)
        parts.append(2 * place + (np.arange(len(own)) >= cut))
    return torch.from_numpy(np.concatenate(documents)), torch.from_numpy(np.concatenate(parts))


@dataclass(frozen=True)
class Asked:
    """A user whose like are looked for, as `StyleIndex.embed` takes one."""

    own: Vectors | None
    topics: Sequence[int]
    without: int | None = None


class StyleIndex:
    """The embeddings of all users of a graph, to find those who write alike.

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
        """Each user's embedding, shape (users, dimension), of length 1."""
        return self._embedded.numpy()

    @torch.no_grad()
    def embed(self, own: Vectors | None, topics: Sequence[int], without: int | None = None) -> Vectors:
        """The embedding of a user who need not be in the graph, shape (dimension,).

        own: the mean of the features of what the user has written, or of the prompt alone; None for nothing known.
        topics: places of the topics the user writes on. without: place of a user who is not heard there.
        """
        written = torch.zeros(self._embedded.shape[1]) if own is None else self._model.project(torch.from_numpy(own))
        on = torch.tensor(sorted(set(topics)), dtype=torch.long)
        heard = self._heard_without(on, without)
        return self._model.embed(written[None], heard, torch.zeros_like(on))[0].numpy()

    def alike(self, asked: Asked) -> Iterator[int]:
        """All users, those first whose style is nearest to that of the user that is asked for.

        The user left out is not among them, nor does what that one has written count in the others' embeddings.
        """
        return next(self.alike_all([asked]))

    @torch.no_grad()
    def alike_all(self, asked: Sequence[Asked]) -> Iterator[Iterator[int]]:
        """For each what `alike` gives. All embeddings are read once for all that is asked."""
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
        """What is heard on the topics, less what user `without` says there, and less a pair a topic (`also`)."""
        documents, in_documents = self._sums.of_topic[topics], self._pairs.documents_on[topics]
        users, in_users = self._sums.of_users[topics], self._pairs.users_on[topics]
        if without is not None:
            theirs = self._pairs.topic[self._starts[without] : self._starts[without + 1]]
            there = torch.isin(topics, theirs)
            pair = self._starts[without] + torch.searchsorted(theirs, topics[there])
            documents[there] -= self._sums.of_pair[pair]
            in_documents[there] -= self._pairs.documents[pair]
            users[there] -= self._sums.own[without]
            in_users[there] -= 1
        if also is not None:
            documents = documents - self._sums.of_pair[also]
            in_documents = in_documents - self._pairs.documents[also]
            users = users - self._sums.own[self._pairs.user[also]]
            in_users = in_users - 1
        return self._model.heard(_mean(documents, in_documents), _mean(users, in_users))

    def _embedded_without(self, without: int) -> tuple[Tensor, Tensor]:
        """The users who share a topic with user `without`, and their embeddings as if that one had never written."""
        topics = self._pairs.topic[self._starts[without] : self._starts[without + 1]]
        documents = [self._graph.documents_on(topic) for topic in topics.tolist()]
        found = np.unique(self._graph.user[np.concatenate(documents)]) if documents else np.zeros(0, np.intp)
        users = torch.from_numpy(found[found != without])
        numbers = torch.tensor(
            [self._starts[user + 1] - self._starts[user] for user in users.tolist()], dtype=torch.long
        )
        hearer = torch.repeat_interleave(torch.arange(len(users)), numbers)
        theirs = torch.searchsorted(self._pairs.user, users)[hearer] + torch.arange(len(hearer))
        theirs -= (torch.cumsum(numbers, 0) - numbers)[hearer]
        heard = self._heard[theirs]
        changed = torch.isin(self._pairs.topic[theirs], topics)
        heard[changed] = self._heard_without(self._pairs.topic[theirs[changed]], without, theirs[changed])
        return users, self._model.embed(self._sums.own[users], heard, hearer)
