"""A reward that sees the user: how much more a text is like the user's documents than like those of others.

Ours; neither paper has it. A text is its character n-grams, weighted by tf-idf, which tell authors apart well and need
little text (Stamatatos, 2009). Its similarity to the mean of the user's documents is set against its similarities to
the means of some users of the train split, and a logistic regression, fitted on that split alone, turns how far it
stands out into a probability.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penname.rewards.overlap import word_sequences

NGRAMS = (2, 4)
"""Characters of an n-gram, within words and their edges."""
FEATURES = 2**14
"""N-grams are hashed to so many columns."""
OTHERS = 64
"""Users of the train split that a text is compared with."""
MOST_DOCUMENTS = 30
"""Of a user so many documents are looked at, drawn by a seed."""
FEWEST_DOCUMENTS = 4
"""A user of the train split with fewer does not take part in fitting."""
WRONG_USERS = 3
"""In fitting, each text is also held against the documents of so many other users."""
FEWEST_WORDS = 20
"""A shorter text gets proportionally less: little can be told from it."""
COPIED_WORDS = 8
"""A sequence of so many words that stands in one of the user's documents too is taken for copied."""
UNKNOWN = 0.5
"""The reward where nothing is known of the user."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AuthorshipModel:
    """What is fitted on the train split.

    idf: (FEATURES,), inverse document frequencies.
    others: (users, FEATURES), unit vectors, the mean documents of users of the train split.
    slope, intercept: of the logistic regression.
    """

    idf: Floats
    others: Floats
    slope: float
    intercept: float

    def rewards(self, asked: Sequence[tuple[tuple[str, ...], str]]) -> list[float]:
        """How probable it is that each response is its user's, in 0..1, less for what is copied or very short.

        A text that repeats the user's documents would be the most like them, so the share of its eight-word sequences
        that stand in one of these counts as nothing, and so does what a text is short of `FEWEST_WORDS`.

        asked: the user's own documents and a response; without documents the reward is `UNKNOWN`.
        """
        found = [0.0 if documents else UNKNOWN for documents, _ in asked]
        of_user: dict[tuple[str, ...], list[int]] = {}
        for index, (documents, response) in enumerate(asked):
            if documents and response.split():
                of_user.setdefault(documents, []).append(index)
        for documents, indices in of_user.items():
            responses = [asked[index][1] for index in indices]
            for index, response, probability in zip(
                indices, responses, self._probabilities(documents, responses), strict=True
            ):
                long_enough = min(1.0, len(response.split()) / FEWEST_WORDS)
                found[index] = probability * long_enough * (1 - copied_share(documents, response))
        return found

    def _probabilities(self, documents: Sequence[str], texts: Sequence[str]) -> list[float]:
        """How probable it is that the author of the documents wrote each text."""
        margins = _margins(_vectors(texts, self.idf), _mean(_vectors(documents, self.idf)), self.others)
        return [float(p) for p in 1 / (1 + np.exp(-(self.slope * margins + self.intercept)))]

    def save(self, path: Path) -> None:
        """Write the model as a NumPy archive."""
        figures = np.array([self.slope, self.intercept])
        np.savez_compressed(path, idf=self.idf, others=self.others.astype(np.float16), figures=figures)

    @classmethod
    def load(cls, path: Path) -> AuthorshipModel:
        """Read what `save` wrote."""
        with np.load(path) as held:
            slope, intercept = held["figures"].tolist()
            return cls(held["idf"], held["others"].astype(np.float32), slope, intercept)


def fit_authorship(documents: Mapping[str, Sequence[str]], seed: int) -> AuthorshipModel:
    """Fit the model on users' documents; those of the train split, and no other.

    A user's first half stands for the user, and each text of the second half is asked about with its own user and with
    `WRONG_USERS` others.

    documents: by user. Raises ValueError where fewer than two users have `FEWEST_DOCUMENTS`.
    """
    from sklearn.linear_model import LogisticRegression  # takes a second to import

    users = {user: chosen_documents(own, user, seed) for user, own in documents.items()}
    users = {user: own for user, own in users.items() if len(own) >= FEWEST_DOCUMENTS}
    if len(users) < 2:
        raise ValueError(f"found {len(users)} users with {FEWEST_DOCUMENTS} documents or more, expected two")
    counts = _counts([text for own in users.values() for text in own])
    holding = np.bincount(counts.indices, minlength=FEATURES)
    idf = (np.log((1 + counts.shape[0]) / (1 + holding)) + 1).astype(np.float32)
    vectors = {user: _vectors(own, idf) for user, own in users.items()}
    means = {user: _mean(own[: own.shape[0] // 2]) for user, own in vectors.items()}
    drawn = random.Random(f"{seed}-authorship")
    others = np.stack([means[user] for user in drawn.sample(sorted(means), min(OTHERS, len(means)))])
    margins: list[float] = []
    labels: list[int] = []
    for user, own in vectors.items():
        wrong = drawn.sample([name for name in sorted(means) if name != user], min(WRONG_USERS, len(means) - 1))
        for name in (user, *wrong):
            found = _margins(own[own.shape[0] // 2 :], means[name], others)
            margins += found.tolist()
            labels += [int(name == user)] * len(found)
    model = LogisticRegression(class_weight="balanced").fit(np.array(margins)[:, None], labels)
    return AuthorshipModel(idf, others, float(model.coef_[0, 0]), float(model.intercept_[0]))


def chosen_documents(documents: Sequence[str], user: str, seed: int) -> list[str]:
    """The documents of a user that are looked at: `MOST_DOCUMENTS` different ones, in an order drawn by the seed."""
    different = list(dict.fromkeys(documents))
    return random.Random(f"{seed}-{user}").sample(different, min(MOST_DOCUMENTS, len(different)))


def copied_share(documents: tuple[str, ...], text: str) -> float:
    """The share, in 0..1, of the text's sequences of `COPIED_WORDS` words that stand in one of the documents."""
    found = word_sequences(text, COPIED_WORDS)
    return sum(sequence in _sequences_of(documents) for sequence in found) / len(found) if found else 0.0


@lru_cache(maxsize=256)
def _sequences_of(documents: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(sequence for document in documents for sequence in word_sequences(document, COPIED_WORDS))


def _counts(texts: Sequence[str]) -> Any:
    """Sparse (texts, FEATURES): one plus the logarithm of how often each n-gram stands in a text."""
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(
        n_features=FEATURES, analyzer="char_wb", ngram_range=NGRAMS, alternate_sign=False, norm=None
    )
    counts = vectorizer.transform(texts)
    counts.data = 1 + np.log(counts.data)
    return counts


def _vectors(texts: Sequence[str], idf: Floats) -> Any:
    """Sparse (texts, FEATURES): tf-idf, each row a unit vector; a text without any n-gram is all zeros."""
    from sklearn.preprocessing import normalize

    return normalize(_counts(texts).multiply(idf).tocsr())


def _mean(vectors: Any) -> Floats:
    """The unit vector (FEATURES,) in the direction of the mean of rows."""
    mean = np.asarray(vectors.mean(axis=0), np.float32).ravel()
    length = float(np.linalg.norm(mean))
    return mean / length if length else mean


def _margins(vectors: Any, user: Floats, others: Floats) -> npt.NDArray[np.float64]:
    """How far each text is more like the user than like the others, in standard deviations among these."""
    own, to_others = vectors @ user, vectors @ others.T
    deviation = to_others.std(axis=1)
    margins: npt.NDArray[np.float64] = (own - to_others.mean(axis=1)) / np.maximum(deviation, 1e-6)
    return margins
