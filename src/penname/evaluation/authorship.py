"""Authorship classification: whose style do generated texts have? Ours; neither paper measures it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penname.evaluation.significance import paired_t_test

LONGEST_NGRAM = 4
INVERSE_REGULARIZATION = 10.0

Record = dict[str, Any]


class AuthorClassifier:
    """Logistic regression on tf-idf of character n-grams, with equal weight for all authors.

    Character n-grams within words distinguish authors well and need little text (Stamatatos, 2009).
    """

    def __init__(self, documents: Mapping[str, Sequence[str]]) -> None:
        """documents: texts by author, of at least two authors."""
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
    """A prompt, an author's real text for it, and what methods wrote with the author's documents.

    number: index of the prompt.
    written: the author's real text.
    exact: whether `written` answers this very prompt; otherwise it is the author's most similar document.
    sounds_like: the author that the classifier predicts for `written`.
    texts: by method, a record with `response`, `reasoning`, `sounds_like` (None for a malformed completion) and
        `rewards`, each author's real text being the reference once.
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
    """How well a method's texts match their authors.

    right: texts that the classifier attributes to their author.
    texts: number of texts.
    own: mean reward with the author's real text as reference.
    others: mean reward with the other two authors' real texts as references.
    p: of their difference, two-tailed paired t-test over the texts; NaN for a single text.
    """

    right: int
    texts: int
    own: float
    others: float
    p: float


def heard(voices: Sequence[Voice], method: str) -> Heard:
    """How well the texts of `method` match their authors."""
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
