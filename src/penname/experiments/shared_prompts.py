"""Which three authors and which prompts: users who write unlike each other, and what all three have written on.

Chosen from what users wrote and were asked, never by what a model writes. Ours.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from penname.data.records import Document, Example
from penname.errors import UserError
from penname.pat.graph.stylometry import stylometric

AUTHORS = 3
USERS = 30
"""Users, at most, of whom the three are chosen: those with the most documents."""
FEWEST_DOCUMENTS = 8
STYLE_DOCUMENTS = 40
"""Documents of a user, at most, that tell how the user writes."""
APART = 0.85
"""The nearest two of the three are at least so far apart, in style, as of the three who are farthest apart."""
APART_IN_TIME = 0.25
"""Of the time that all documents span, so much lies between the middles of any two of the three's."""
OF_MANY = 0.5
"""A word that more of the inputs have says nothing of what one is about."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class User:
    """A user's documents, latest as the data has them, and one of the examples."""

    user_id: str
    documents: tuple[Document, ...]
    example: Example


@dataclass(frozen=True)
class Case:
    """An input to be written for one of its three authors: an example of that user's with another input.

    `example.output` is what the author really wrote: the answer to this very input where `exact`, else the nearest of
    the author's documents, which is not in the example's profile.
    """

    number: int
    exact: bool
    example: Example


def choose_cases(
    examples: Sequence[Example], prompts: int, fits: Callable[[Example], bool], trained_on: frozenset[str]
) -> list[Case]:
    """So many prompts, or as many as there are, each for the same three authors.

    examples: of one task. fits: whether an input leaves room in the model's prompt. trained_on: texts that are not
    shown as what an author really wrote. Raises UserError where fewer than three users have enough documents.
    """
    users = _users(examples)
    asked = [example for example in {e.input: e for e in reversed(examples)}.values() if fits(example)]
    if len(users) < AUTHORS or not asked:
        raise UserError(
            f"three_authors: found {len(users)} users with {FEWEST_DOCUMENTS} documents, expected {AUTHORS} or more"
        )
    found = [[d for d in user.documents if d.text not in trained_on] for user in users]
    nearness = _nearness([e.input for e in asked], [[d.text for d in own] for own in found])
    for place, example in enumerate(asked):
        for number, user in enumerate(users):
            if example.user_id == user.user_id:
                nearness[number][place] = 1.0, -1
    best = np.array([[near for near, _ in own] for own in nearness])
    chosen = max(_far_apart(users), key=lambda three: float(np.sort(best[list(three)].min(0))[-prompts:].mean()))
    order = np.argsort(-best[list(chosen)].min(0), kind="stable")[:prompts]
    cases = []
    for number, place in enumerate(order):
        for user_number in chosen:
            _, nearest = nearness[user_number][place]
            document = None if nearest < 0 else found[user_number][nearest]
            cases.append(_case(number, asked[place], users[user_number], document))
    return cases


def _users(examples: Sequence[Example]) -> list[User]:
    documents: dict[str, dict[str, Document]] = {}
    first: dict[str, Example] = {}
    for example in examples:
        first.setdefault(example.user_id, example)
        documents.setdefault(example.user_id, {}).update({d.text: d for d in example.profile})
    users = [User(name, tuple(own.values()), first[name]) for name, own in documents.items()]
    return sorted((u for u in users if len(u.documents) >= FEWEST_DOCUMENTS), key=lambda u: -len(u.documents))[:USERS]


def _far_apart(users: Sequence[User]) -> list[tuple[int, ...]]:
    """All threes of users who are far apart, in time and in style: the mean of standardized stylometric features."""
    features = [stylometric([d.text for d in _spread(user.documents, STYLE_DOCUMENTS)]) for user in users]
    every = np.concatenate(features)
    means = np.stack([((own - every.mean(0)) / (every.std(0) + 1e-9)).mean(0) for own in features])
    distances = np.linalg.norm(means[:, None] - means[None], axis=-1)
    threes = _far_apart_in_time(users)
    nearest = [min(distances[a, b] for a, b in itertools.combinations(three, 2)) for three in threes]
    return [three for three, near in zip(threes, nearest, strict=True) if near >= APART * max(nearest)]


def _far_apart_in_time(users: Sequence[User]) -> list[tuple[int, ...]]:
    """All threes; where documents have dates that tell some users' times apart, those of different times only."""
    threes = list(itertools.combinations(range(len(users)), AUTHORS))
    years = [[int(d.date[:4]) for d in user.documents if d.date] for user in users]
    if not all(years):
        return threes
    middle = [float(np.median(own)) for own in years]
    gap = APART_IN_TIME * (max(map(max, years)) - min(map(min, years)))
    apart = [t for t in threes if min(abs(middle[a] - middle[b]) for a, b in itertools.combinations(t, 2)) > gap]
    return apart or threes


def _spread(documents: Sequence[Document], most: int) -> list[Document]:
    """Documents of all of a user's time."""
    step = max(1, len(documents) / most)
    return [documents[int(place * step)] for place in range(min(most, len(documents)))]


def _nearness(inputs: Sequence[str], texts: Sequence[Sequence[str]]) -> list[list[tuple[float, int]]]:
    """Of each user for each input how near the nearest text is (cosine of tf-idf), and its place."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = [re.findall(r"\w+", text.lower()) for text in inputs]
    counts = Counter(word for own in words for word in set(own))
    told = [" ".join(word for word in own if counts[word] <= OF_MANY * len(inputs)) for own in words]
    vectorizer = TfidfVectorizer(sublinear_tf=True).fit([text for own in texts for text in own])
    asked = vectorizer.transform(told)
    found = []
    for own in texts:
        cosines: Matrix = (asked @ vectorizer.transform(own).T).toarray()
        found.append([(float(row.max()), int(row.argmax())) for row in cosines])
    return found


def _case(number: int, asked: Example, user: User, nearest: Document | None) -> Case:
    written = asked.output if nearest is None else nearest.text
    example = replace(
        user.example,
        id=f"{number}-{user.user_id}",
        input=asked.input,
        query=asked.query,
        output=written,
        profile=tuple(d for d in user.documents if d.text != written),
    )
    return Case(number, nearest is None, example)
