"""A personalized reward: how much more similar a text is to the user's documents than to those of other users.

The reward is ours; neither paper has it. A text is represented by its character n-grams, weighted by tf-idf, which
distinguish authors well and need little text (Stamatatos, 2009). Its cosine to the mean of the user's documents is
compared with its cosines to the means of some users of the train split, and a logistic regression, fitted on that split
alone, maps the standardized difference to a probability.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penname.rewards.overlap import word_sequences
from penname.text_caches import text_cache
from penname.words import split_words

NGRAMS = (2, 4)
"""Minimum and maximum length of an n-gram in characters; n-grams do not cross word boundaries."""
FEATURES = 2**14
"""Number of columns that n-grams are hashed to."""
COMPARED_USERS = 64
"""Number of train-split users that a text is compared with."""
MAX_DOCUMENTS = 30
"""Maximum number of a user's documents that are used, a sample that the seed fixes."""
MIN_DOCUMENTS = 4
"""Train-split users with fewer documents are not used for fitting."""
NEGATIVES = 3
"""For fitting, each text is also paired with this many other users."""
MIN_WORDS = 20
"""Shorter texts get proportionally less reward: they say little about their author."""
COPIED_WORDS = 8
"""A sequence of this many words that also occurs in one of the user's documents counts as copied."""
REWARD_WITHOUT_DOCUMENTS = 0.5
"""The reward for zero-history users."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AuthorshipModel:
    """The fitted model of the reward.

    idf: inverse document frequencies, shape (FEATURES,).
    others: unit vectors of the mean documents of train-split users, shape (users, FEATURES).
    slope, intercept: coefficients of the logistic regression.
    """

    idf: Floats
    others: Floats
    slope: float
    intercept: float

    def rewards(self, pairs: Sequence[tuple[tuple[str, ...], str]]) -> list[float]:
        """The probability that each response was written by its user, in 0..1, reduced for copies and short texts.

        A text that repeats the user's documents would be the most similar to them. So the probability is multiplied by
        the share of the text's eight-word sequences that are not copied from the documents, and by the text's length
        over `MIN_WORDS` where it is shorter than that.

        pairs: a user's documents and a response; without documents the reward is `REWARD_WITHOUT_DOCUMENTS`.
        """
        rewards = [0.0 if documents else REWARD_WITHOUT_DOCUMENTS for documents, _ in pairs]
        indices_by_user: dict[tuple[str, ...], list[int]] = {}
        for index, (documents, response) in enumerate(pairs):
            if documents and split_words(response):
                indices_by_user.setdefault(documents, []).append(index)
        for documents, indices in indices_by_user.items():
            responses = [pairs[index][1] for index in indices]
            for index, response, probability in zip(
                indices, responses, self._probabilities(documents, responses), strict=True
            ):
                length_factor = min(1.0, len(split_words(response)) / MIN_WORDS)
                rewards[index] = probability * length_factor * (1 - copied_share(documents, response))
        return rewards

    def _probabilities(self, documents: Sequence[str], texts: Sequence[str]) -> list[float]:
        """The probability that the author of the documents wrote each text."""
        margins = _margins(_vectors(texts, self.idf), _mean(_vectors(documents, self.idf)), self.others)
        return [float(p) for p in 1 / (1 + np.exp(-(self.slope * margins + self.intercept)))]

    def save(self, path: Path) -> None:
        """Write the model as a NumPy archive."""
        coefficients = np.array([self.slope, self.intercept])
        np.savez_compressed(path, idf=self.idf, others=self.others.astype(np.float16), figures=coefficients)

    @classmethod
    def load(cls, path: Path) -> AuthorshipModel:
        """Read a model that `save` wrote."""
        with np.load(path) as archive:
            slope, intercept = archive["figures"].tolist()
            return cls(archive["idf"], archive["others"].astype(np.float32), slope, intercept)


def fit_authorship(documents: Mapping[str, Sequence[str]], seed: int) -> AuthorshipModel:
    """Fit the model on the documents of train-split users, and on no others.

    Each user is represented by the first half of the user's documents; each document of the second half is paired with
    its own author and with `NEGATIVES` other users.

    documents: the texts of each train-split user's documents.
    seed: of the samples of documents and users.

    Raises ValueError where fewer than two users have `MIN_DOCUMENTS`.
    """
    from sklearn.linear_model import LogisticRegression  # importing it takes a second

    users = {user: sample_documents(texts, user, seed) for user, texts in documents.items()}
    users = {user: texts for user, texts in users.items() if len(texts) >= MIN_DOCUMENTS}
    if len(users) < 2:
        raise ValueError(f"found {len(users)} users with {MIN_DOCUMENTS} documents or more, expected two")
    counts = _counts([text for texts in users.values() for text in texts])
    texts_with = np.bincount(counts.indices, minlength=FEATURES)
    idf = (np.log((1 + counts.shape[0]) / (1 + texts_with)) + 1).astype(np.float32)
    vectors = {user: _vectors(texts, idf) for user, texts in users.items()}
    means = {user: _mean(rows[: rows.shape[0] // 2]) for user, rows in vectors.items()}
    rng = random.Random(f"{seed}-authorship")
    others = np.stack([means[user] for user in rng.sample(sorted(means), min(COMPARED_USERS, len(means)))])
    margins: list[float] = []
    labels: list[int] = []
    for user, rows in vectors.items():
        negatives = rng.sample([name for name in sorted(means) if name != user], min(NEGATIVES, len(means) - 1))
        for name in (user, *negatives):
            user_margins = _margins(rows[rows.shape[0] // 2 :], means[name], others)
            margins += user_margins.tolist()
            labels += [int(name == user)] * len(user_margins)
    model = LogisticRegression(class_weight="balanced").fit(np.array(margins)[:, None], labels)
    return AuthorshipModel(idf, others, float(model.coef_[0, 0]), float(model.intercept_[0]))


def sample_documents(documents: Sequence[str], user: str, seed: int) -> list[str]:
    """A sample of at most `MAX_DOCUMENTS` distinct documents of a user, in random order; user and seed fix both."""
    distinct = list(dict.fromkeys(documents))
    return random.Random(f"{seed}-{user}").sample(distinct, min(MAX_DOCUMENTS, len(distinct)))


def copied_share(documents: tuple[str, ...], text: str) -> float:
    """The share, in 0..1, of the text's sequences of `COPIED_WORDS` words that occur in one of the documents."""
    sequences = word_sequences(text, COPIED_WORDS)
    copied = sum(sequence in _sequences_of(documents) for sequence in sequences)
    return copied / len(sequences) if sequences else 0.0


@text_cache(maxsize=256)
def _sequences_of(documents: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(sequence for document in documents for sequence in word_sequences(document, COPIED_WORDS))


def _counts(texts: Sequence[str]) -> Any:
    """One plus the logarithm of each n-gram's count in each text, sparse, shape (texts, FEATURES)."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        n_features=FEATURES, analyzer="char_wb", ngram_range=NGRAMS, alternate_sign=False, norm=None
    )
    counts = vectorizer.transform(texts)
    counts.data = 1 + np.log(counts.data)
    return counts


def _vectors(texts: Sequence[str], idf: Floats) -> Any:
    """Unit tf-idf vectors of the texts, sparse, shape (texts, FEATURES); zeros for a text without any n-gram."""
    from sklearn.preprocessing import normalize

    return normalize(_counts(texts).multiply(idf).tocsr())


def _mean(vectors: Any) -> Floats:
    """The mean of the vectors, scaled to length 1, shape (FEATURES,)."""
    mean = np.asarray(vectors.mean(axis=0), np.float32).ravel()
    length = float(np.linalg.norm(mean))
    return mean / length if length else mean


def _margins(vectors: Any, user: Floats, others: Floats) -> npt.NDArray[np.float64]:
    """Each text's cosine to the user, standardized by the mean and deviation of its cosines to the others."""
    to_user, to_others = vectors @ user, vectors @ others.T
    deviation = to_others.std(axis=1)
    margins: npt.NDArray[np.float64] = (to_user - to_others.mean(axis=1)) / np.maximum(deviation, 1e-6)
    return margins
