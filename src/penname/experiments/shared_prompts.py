"""Chooses three authors with different styles, and prompts on subjects that all three have written about.

The choice depends on users' documents and prompts only, never on a model's texts. Neither paper has it; it is ours.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from penname.data.records import Document, Example
from penname.errors import UserError
from penname.pat.graph.stylometry import stylometric
from penname.words import plain_words

AUTHORS = 3
MAX_USERS = 30
"""Maximum number of users considered, those with the most documents."""
MIN_DOCUMENTS = 8
"""Minimum number of documents of a user who is considered."""
MAX_STYLE_DOCUMENTS = 40
"""Maximum number of documents that a user's style is measured on."""
MIN_STYLE_DISTANCE = 0.85
"""Minimum stylistic distance between two of the three, relative to that of the three most different users."""
MIN_TIME_DISTANCE = 0.25
"""Minimum distance between the median dates of two of the three, relative to the time span of all documents."""
MAX_INPUT_SHARE = 0.5
"""Words that occur in a larger fraction of the inputs are ignored when subjects are compared."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class User:
    """A user's documents, in the order of the data, and the first of the user's examples."""

    user_id: str
    documents: tuple[Document, ...]
    example: Example


@dataclass(frozen=True)
class Case:
    """A prompt for one of its three authors: an example of that author with its input replaced.

    number: index of the prompt.
    exact: whether `example.output` was written for this prompt; otherwise it is the author's most similar document,
        which is not in the example's profile.
    example: the example.
    """

    number: int
    exact: bool
    example: Example


def choose_cases(
    examples: Sequence[Example], prompts: int, fits: Callable[[Example], bool], trained_on: frozenset[str]
) -> list[Case]:
    """Choose three authors, and prompts for them; each prompt gives a case for each author.

    examples: examples of one task.
    prompts: the maximum number of prompts.
    fits: whether an example's input fits into the model's prompt.
    trained_on: texts that must not be shown as an author's real text, as the model was trained on them.

    Raises UserError where fewer than three users have enough documents.
    """
    users = _users(examples)
    candidates = [example for example in {e.input: e for e in reversed(examples)}.values() if fits(example)]
    if len(users) < AUTHORS or not candidates:
        raise UserError(
            f"three_authors: found {len(users)} users with {MIN_DOCUMENTS} documents, expected {AUTHORS} or more"
        )
    unseen = [[d for d in user.documents if d.text not in trained_on] for user in users]
    nearest_texts = _nearest_texts([e.input for e in candidates], [[d.text for d in documents] for documents in unseen])
    for i, example in enumerate(candidates):
        for number, user in enumerate(users):
            if example.user_id == user.user_id:
                nearest_texts[number][i] = 1.0, -1
    best = np.array([[similarity for similarity, _ in of_user] for of_user in nearest_texts])
    chosen = max(
        _distinct_triples(users), key=lambda triple: float(np.sort(best[list(triple)].min(0))[-prompts:].mean())
    )
    order = np.argsort(-best[list(chosen)].min(0), kind="stable")[:prompts]
    cases = []
    for number, i in enumerate(order):
        for user_number in chosen:
            _, nearest = nearest_texts[user_number][i]
            document = None if nearest < 0 else unseen[user_number][nearest]
            cases.append(_case(number, candidates[i], users[user_number], document))
    return cases


def _users(examples: Sequence[Example]) -> list[User]:
    documents: dict[str, dict[str, Document]] = {}
    first: dict[str, Example] = {}
    for example in examples:
        first.setdefault(example.user_id, example)
        documents.setdefault(example.user_id, {}).update({d.text: d for d in example.profile})
    users = [User(name, tuple(by_text.values()), first[name]) for name, by_text in documents.items()]
    return sorted((u for u in users if len(u.documents) >= MIN_DOCUMENTS), key=lambda u: -len(u.documents))[:MAX_USERS]


def _distinct_triples(users: Sequence[User]) -> list[tuple[int, ...]]:
    """All triples of users who differ enough in time and in style.

    A user's style is the mean of the documents' standardized stylometric features.
    """
    features = [stylometric([d.text for d in _evenly_spaced(user.documents, MAX_STYLE_DOCUMENTS)]) for user in users]
    all_features = np.concatenate(features)
    means = np.stack(
        [((of_user - all_features.mean(0)) / (all_features.std(0) + 1e-9)).mean(0) for of_user in features]
    )
    distances = np.linalg.norm(means[:, None] - means[None], axis=-1)
    triples = _triples_distinct_in_time(users)
    nearest = [min(distances[a, b] for a, b in itertools.combinations(triple, 2)) for triple in triples]
    return [triple for triple, near in zip(triples, nearest, strict=True) if near >= MIN_STYLE_DISTANCE * max(nearest)]


def _triples_distinct_in_time(users: Sequence[User]) -> list[tuple[int, ...]]:
    """All triples of users; if documents are dated and some triples differ enough in time, only these."""
    triples = list(itertools.combinations(range(len(users)), AUTHORS))
    years = [[int(d.date[:4]) for d in user.documents if d.date] for user in users]
    if not all(years):
        return triples
    medians = [float(np.median(of_user)) for of_user in years]
    gap = MIN_TIME_DISTANCE * (max(map(max, years)) - min(map(min, years)))
    distinct = [
        triple
        for triple in triples
        if min(abs(medians[a] - medians[b]) for a, b in itertools.combinations(triple, 2)) > gap
    ]
    return distinct or triples


def _evenly_spaced(documents: Sequence[Document], count: int) -> list[Document]:
    """At most `count` documents, spread evenly over the list."""
    step = max(1, len(documents) / count)
    return [documents[int(i * step)] for i in range(min(count, len(documents)))]


def _nearest_texts(inputs: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[tuple[float, int]]]:
    """For each user and input, the similarity of the user's most similar text (cosine of tf-idf) and its index.

    inputs: the inputs of examples.
    texts: the texts of each user.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = [plain_words(text) for text in inputs]
    counts = Counter(word for of_input in words for word in set(of_input))
    subjects = [
        " ".join(word for word in of_input if counts[word] <= MAX_INPUT_SHARE * len(inputs)) for of_input in words
    ]
    vectorizer = TfidfVectorizer(sublinear_tf=True, analyzer=_terms).fit(
        [text for of_user in texts for text in of_user]
    )
    queries = vectorizer.transform(subjects)
    nearest = []
    for of_user in texts:
        cosines: Matrix = (queries @ vectorizer.transform(of_user).T).toarray()
        nearest.append([(float(row.max()), int(row.argmax())) for row in cosines])
    return nearest


def _terms(text: str) -> list[str]:
    """The words of a text without single letters, which are terms only in Chinese and Japanese."""
    return [word for word in plain_words(text) if len(word) > 1 or not word.isascii()]


def _case(number: int, prompt_example: Example, user: User, nearest: Document | None) -> Case:
    written = prompt_example.output if nearest is None else nearest.text
    example = replace(
        user.example,
        id=f"{number}-{user.user_id}",
        input=prompt_example.input,
        query=prompt_example.query,
        output=written,
        profile=tuple(d for d in user.documents if d.text != written),
    )
    return Case(number, nearest is None, example)
