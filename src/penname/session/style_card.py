"""Style cards: measurable habits of a user's writing, in a few plain sentences.

This is ours; the paper's teacher is a larger model. A small one says the same about everyone, so what distinguishes a
user is counted here, and given to the teacher or used as the reasoning itself. A card depends on the user's documents
alone, never on the expected output, so it can be made for any user at any time.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

from penname.words import bare_words, split_words

UNUSUAL_FROM = 0.8
"""Distance of a habit from the mean, in standard deviations between users, from which on it is mentioned."""
WORDS, SUBJECTS = 5, 5
"""Largest numbers of favourite words and of subjects in a card."""
FEWEST_DOCUMENTS = 3
"""Fewest documents that contain a favourite word; all documents of a user who has fewer."""
PRIOR = 500.0
"""Weight, in words, of the population's frequencies (an informative Dirichlet prior, Monroe et al., 2008)."""
EDGE_SHARE, EDGE_TIMES = 0.3, 3.0
"""A first or last word is mentioned from this share of the documents on, and this multiple of its usual share."""
SUBJECT_LETTERS = 6
"""Longer words count as subjects, shorter ones as style."""

_SENTENCE = re.compile(r"[^.!?…。！？।؟۔\n]+[.!?…。！？।؟۔]*")


@dataclass(frozen=True)
class Habit:
    """A rate that is mentioned where it is unusual.

    count: computes the rate in a text.
    much: the phrase for a high rate.
    little: the phrase for a low rate; None if a low rate is not mentioned.
    """

    count: Callable[[str], float]
    much: str
    little: str | None = None


def _character_rate(marks: str) -> Callable[[str], float]:
    return lambda text: sum(map(text.count, marks)) / max(1, len(text))


def _word_rate(words: str) -> Callable[[str], float]:
    counted = frozenset(words.split())

    def rate(text: str) -> float:
        tokens = lower_words(text)
        return sum(word in counted for word in tokens) / max(1, len(tokens))

    return rate


HABITS = (
    Habit(_word_rate("i my me mine myself i'm i've i'd"), 'often says "I"', 'hardly ever says "I"'),
    Habit(_word_rate("we our us ours we're we've"), 'often says "we"', 'hardly ever says "we"'),
    Habit(_word_rate("you your yours you're"), "speaks to the reader"),
    Habit(_character_rate("!"), "uses exclamation marks"),
    Habit(_character_rate("?"), "asks questions"),
    Habit(_character_rate(";:"), "uses semicolons and colons"),
    Habit(_character_rate(","), "uses many commas", "uses few commas"),
    Habit(_character_rate("-–—"), "uses dashes"),
    Habit(_character_rate("()"), "uses brackets"),
    Habit(_character_rate("\"'“”‘’"), "uses quotation marks and contractions", "uses no contractions"),
    Habit(_character_rate("0123456789$%"), "gives figures", "gives few figures"),
)


@dataclass(frozen=True)
class PopulationStatistics:
    """Statistics of all users of the train split, with which a user is compared.

    means, deviations: mean and standard deviation of each habit's rate, over users.
    sentence_words: mean number of words in a sentence, over users.
    words: counts of all words.
    first, last: counts of documents' first and last words.
    documents: number of documents.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    sentence_words: float
    words: Counter[str]
    first: Counter[str]
    last: Counter[str]
    documents: int


def population_statistics(users: Iterable[Sequence[str]]) -> PopulationStatistics:
    """Compute the statistics with which a user is compared.

    users: the documents of each user of the train split.
    """
    rates, sentences, words = [], [], Counter[str]()
    first, last, document_count = Counter[str](), Counter[str](), 0
    for documents in users:
        if documents:
            rates.append(_rates(documents))
            sentences.append(_sentence_words(documents))
            words.update(word for text in documents for word in lower_words(text))
            first += _edge_words(documents, 0)
            last += _edge_words(documents, -1)
            document_count += len(documents)
    columns = list(zip(*rates, strict=True)) or [(0.0,)] * len(HABITS)
    return PopulationStatistics(
        tuple(fmean(column) for column in columns),
        tuple(pstdev(column) for column in columns),
        fmean(sentences) if sentences else 0.0,
        words,
        first,
        last,
        document_count,
    )


def style_card(documents: Sequence[str], population: PopulationStatistics) -> str:
    """How a user writes, in a few sentences; empty without documents.

    documents: the user's documents.
    population: see `population_statistics`.
    """
    if not documents:
        return ""
    lines = [_lengths(documents, population), _habits(documents, population), *_edges(documents, population)]
    favourites = [word for word, _ in favoured_words(documents, population.words)]
    style_words = [word for word in favourites if len(word) <= SUBJECT_LETTERS][:WORDS]
    subjects = [word for word in favourites if len(word) > SUBJECT_LETTERS][:SUBJECTS]
    lines += [f"Favourite words: {', '.join(style_words)}."] if style_words else []
    lines += [f"Subjects: {', '.join(subjects)}."] if subjects else []
    return " ".join(line for line in lines if line)


def _lengths(documents: Sequence[str], population: PopulationStatistics) -> str:
    words = median(len(split_words(text)) for text in documents)
    sentence_words = _sentence_words(documents)
    size = (
        "long"
        if sentence_words > 1.15 * population.sentence_words
        else "short"
        if sentence_words < 0.85 * population.sentence_words
        else "plain"
    )
    return f"Texts of about {round(words)} words, in {size} sentences of about {round(sentence_words)} words."


def _habits(documents: Sequence[str], population: PopulationStatistics) -> str:
    unusual = []
    for habit, rate, mean, deviation in zip(
        HABITS, _rates(documents), population.means, population.deviations, strict=True
    ):
        # If the whole population is the same, any difference is unusual.
        distance = (rate - mean) / deviation if deviation else (math.inf if rate > mean else 0.0)
        if distance > UNUSUAL_FROM:
            unusual.append((abs(distance), habit.much))
        elif distance < -UNUSUAL_FROM and habit.little is not None:
            unusual.append((abs(distance), habit.little))
    phrases = [phrase for _, phrase in sorted(unusual, reverse=True)[:4]]
    return f"The user {_enumerate(phrases)}." if phrases else ""


def _edges(documents: Sequence[str], population: PopulationStatistics) -> list[str]:
    """First and last words that many of the user's documents share but few of others: greetings and closings."""
    sentences = []
    for verb, counts, usual_counts in (
        ("begin", _edge_words(documents, 0), population.first),
        ("end", _edge_words(documents, -1), population.last),
    ):
        for word, times in counts.most_common(1):
            share, usual = times / len(documents), usual_counts[word] / max(1, population.documents)
            if times > 1 and share >= EDGE_SHARE and share >= EDGE_TIMES * usual:
                sentences.append(f'Many texts {verb} with "{word}".')
    return sentences


def _edge_words(documents: Sequence[str], index: int) -> Counter[str]:
    return Counter(words[index] for text in documents if (words := split_words(text)))


def favoured_words(documents: Sequence[str], usual: Counter[str]) -> list[tuple[str, float]]:
    """Words that documents use more often than usual, the most significant first, and by how many deviations.

    usual: counts of words, see `lower_words`, that the documents' are compared with.
    """
    counts = Counter(word for text in documents for word in lower_words(text))
    documents_with = Counter(word for text in documents for word in set(lower_words(text)))
    fewest = min(FEWEST_DOCUMENTS, len(documents))
    total, usual_total = counts.total(), max(1, usual.total())
    scored = []
    for word, times in counts.items():
        if documents_with[word] < fewest or len(word) < 2:
            continue
        share = (usual[word] + 0.5) / usual_total
        rate = (times + PRIOR * share) / (total + PRIOR)
        log_odds = math.log(rate / (1 - rate)) - math.log(share / (1 - share)) if share < 1 else 0.0
        # In standard deviations: a word used twice is not yet a habit.
        scored.append((log_odds / math.sqrt(1 / (times + PRIOR * share)), word))
    return [(word, score) for score, word in sorted(scored, key=lambda pair: (-pair[0], pair[1])) if score > 1.0]


def _rates(documents: Sequence[str]) -> list[float]:
    text = "\n".join(documents)
    return [habit.count(text) for habit in HABITS]


def _sentence_words(documents: Sequence[str]) -> float:
    sentences = (sentence for text in documents for sentence in _SENTENCE.findall(text) if sentence.strip())
    counts = [len(split_words(sentence)) for sentence in sentences]
    return fmean(counts) if counts else 0.0


def lower_words(text: str) -> list[str]:
    """The words of a text in lower case, without digits."""
    return [word.lower() for word in bare_words(text, digits=False)]


def _enumerate(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + f" and {parts[-1]}" if len(parts) > 1 else parts[0]
