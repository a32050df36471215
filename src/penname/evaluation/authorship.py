"""Whose text it sounds like: a check by machine of whether one can hear who is who. Ours; neither paper measures it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penname.evaluation.significance import paired_t_test

LONGEST_NGRAM = 4
INVERSE_REGULARIZATION = 10.0

Record = dict[str, Any]


class AuthorClassifier:
    """Logistic regression on tf-idf of character n-grams, authors weighted alike however much they have written.

    Such n-grams within words tell authors apart well and need little text (Stamatatos, 2009).
    """

    def __init__(self, documents: Mapping[str, Sequence[str]]) -> None:
        """documents: of each author, two authors or more."""
        # scikit-learn takes a second to import.
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        labels = [author for author, texts in documents.items() for _ in texts]
        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, LONGEST_NGRAM), sublinear_tf=True)
        features = self._vectorizer.fit_transform([text for texts in documents.values() for text in texts])
        self._model = LogisticRegression(C=INVERSE_REGULARIZATION, class_weight="balanced", max_iter=500)
        self._model.fit(features, labels)

    def authors_of(self, texts: Sequence[str]) -> list[str]:
        """The most probable author of each text."""
        return [str(author) for author in self._model.predict(self._vectorizer.transform(texts))] if texts else []


@dataclass(frozen=True)
class Voice:
    """A prompt, what an author really wrote on it, and what methods wrote with the author's documents.

    exact: whether `written` was the answer to this very prompt, else it is the author's nearest document. sounds_like:
    whose text the classifier takes `written` for. texts: by method a record with `response`, `reasoning`,
    `sounds_like` (None for a malformed completion) and `rewards`, measured by each author's real text.
    """

    number: int
    author: str
    prompt: str
    written: str
    exact: bool
    sounds_like: str
    texts: Mapping[str, Record]


@dataclass(frozen=True)
class Heard:
    """How well a method's texts are told apart: `right` of `texts` sound like their author.

    own, others: mean reward by the author's real text and by the other two authors'. p: of their difference, two-tailed
    paired t-test over the texts, NaN for a single one.
    """

    right: int
    texts: int
    own: float
    others: float
    p: float


def heard(voices: Sequence[Voice], method: str) -> Heard:
    texts = [(voice.author, voice.texts[method]) for voice in voices]
    own = [text["rewards"][author] or 0.0 for author, text in texts]
    others = [
        sum(value or 0.0 for name, value in text["rewards"].items() if name != author) / (len(text["rewards"]) - 1)
        for author, text in texts
    ]
    return Heard(
        right=sum(text["sounds_like"] == author for author, text in texts),
        texts=len(texts),
        own=sum(own) / len(own),
        others=sum(others) / len(others),
        p=paired_t_test(others, own).p,
    )
