"""Authorship attribution: in whose style are generated texts? This evaluation is ours; neither paper has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penname.evaluation.significance import paired_t_test

MAX_NGRAM = 4
INVERSE_REGULARIZATION = 10.0


class AuthorClassifier:
    """A logistic regression on the tf-idf of character n-grams, with equal weight for all authors.

    Character n-grams within words distinguish authors well and need little text (Stamatatos, 2009).

    documents: the texts of each author, of at least two authors.
    """

    def __init__(self, documents: Mapping[str, Sequence[str]]) -> None:
        # Importing scikit-learn takes a second.
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        labels = [author for author, texts in documents.items() for _ in texts]
        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, MAX_NGRAM), sublinear_tf=True)
        features = self._vectorizer.fit_transform([text for texts in documents.values() for text in texts])
        self._model = LogisticRegression(C=INVERSE_REGULARIZATION, class_weight="balanced", max_iter=500)
        self._model.fit(features, labels)

    def authors_of(self, texts: Sequence[str]) -> list[str]:
        """The most probable author of each text."""
        return [str(author) for author in self._model.predict(self._vectorizer.transform(texts))] if texts else []


@dataclass(frozen=True)
class AttributionCase:
    """A prompt, an author's real text for it, and the texts that methods wrote with the author's documents.

    number: index of the prompt.
    written: the author's real text.
    exact: whether `written` answers this very prompt; otherwise it is the author's most similar document.
    sounds_like: the author that the classifier predicts for `written`.
    texts: by method, a record with `response`, `reasoning`, `sounds_like` (None for a malformed completion) and
        `rewards`: by author, the reward with that author's real text as the reference.
    """

    number: int
    author: str
    prompt: str
    written: str
    exact: bool
    sounds_like: str
    texts: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Attribution:
    """How well a method's texts match their authors.

    correct: number of texts that the classifier attributes to their author.
    texts: number of texts.
    author_reward: mean reward with the author's real text as the reference.
    other_reward: mean reward with the other authors' real texts as references.
    p: p-value of the difference of the two, by a two-tailed paired t-test over the texts; NaN for a single text.
    """

    correct: int
    texts: int
    author_reward: float
    other_reward: float
    p: float


def attribution(cases: Sequence[AttributionCase], method: str) -> Attribution:
    """How well the texts of `method` match their authors."""
    texts = [(case.author, case.texts[method]) for case in cases]
    author_rewards = [text["rewards"][author] or 0.0 for author, text in texts]
    other_rewards = [
        sum(value or 0.0 for name, value in text["rewards"].items() if name != author) / (len(text["rewards"]) - 1)
        for author, text in texts
    ]
    return Attribution(
        correct=sum(text["sounds_like"] == author for author, text in texts),
        texts=len(texts),
        author_reward=sum(author_rewards) / len(author_rewards),
        other_reward=sum(other_rewards) / len(other_rewards),
        p=paired_t_test(other_rewards, author_rewards).p,
    )
