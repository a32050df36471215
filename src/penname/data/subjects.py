"""Extracts a passage's subject as two or three terms, such as a person might name, from counts over a corpus.

A subject term is a noun that occurs in bursts: a passage that names the treasury once is likely to name it again, which
is true of content words and not of those that make a style (Church and Gale, 1995). Nouns are recognized by their
neighbours: they precede a full stop, a preposition or a verb, and do not follow "to", a pronoun or an auxiliary. A term
must be used by several authors, so that none identifies its author. All of it is ours.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

MIN_TERMS, MAX_TERMS = 2, 3
"""Number of terms of a subject."""
MAX_SHARED_WORDS = 3
"""Maximum length of a sequence of words that a subject may share with its passage."""
MIN_NOUN_SHARE, MAX_VERB_SHARE = 0.3, 0.3
"""Shares of a term's uses that look like a noun's, and of the uses of a phrase's first word that look like a verb's."""
MIN_USES_PER_PASSAGE = 1.1
"""Minimum of the average number of uses of a term in the passages that have it."""
MIN_AUTHORS, MIN_PASSAGES = 5, 10
"""Minimum number of authors and of passages that use a term; for a phrase of two words see `MIN_PHRASE_AUTHORS`."""
MIN_PHRASE_AUTHORS, MIN_PHRASE_LIFT = 3, 20.0
"""Lift: how much more often than by chance the words of a phrase are adjacent."""

BEFORE_VERBS = frozenset("to i we you they he she it who not will shall would should may can could must".split())
NOT_BEFORE_NOUNS = BEFORE_VERBS | frozenset("which that has have had be been is are was were".split())
AFTER_NOUNS = frozenset(
    "of in and or is are was were has have had for to on by with from at as that which who will shall would should may "
    "can could must be been under upon between against over through into not but if than when where so".split()
)
_NO_SUBJECT = frozenset(
    "the and that this these those there here they them him her his she you your our ours its their it's we're i'm "
    "itself himself themselves ourselves myself who whom whose what which when where why how some any all both each "
    "such same other others another more most much many few less least only very too also again ever never always now "
    "then thus however therefore together away ahead out off down back because although though while until since "
    "about above below after before during among within without between under upon against over through into from "
    "with than but for nor not yet one two three four five six seven eight nine ten first second third half hundred "
    "thousand million millions billion billions trillion percent cent cents dollar dollars tons miles acres amount "
    "amounts number numbers total sum rate rates average increase increases decrease level levels units lot lots day "
    "days week weeks month months year years decade decades century centuries hour hours moment time times today "
    "tonight tomorrow ago era period end side line case cases kind part way ways thing things people man men matter "
    "fact name use order means need needs someone something nothing everything laughter applause january february "
    "march april may june july august september october november december going tried stood got talk reported covered "
    "dropped combined stronger harder bigger agree born satisfied remaining paid expended ought interested proud "
    "willing appropriated amounted ready occupied ill old shot eligible adopted imported united general says said "
    "dealing enough types groups idea ideas lack chance let's great good better best new deep own several "
    "whole serious fellow".split()
)
NO_SUBJECT = _NO_SUBJECT | NOT_BEFORE_NOUNS | AFTER_NOUNS
WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*|[^\sA-Za-z]")


@dataclass(frozen=True)
class Subjects:
    """The subject terms of a corpus, words or phrases of two words in lower case.

    weights: each term's inverse document frequency.
    spelling: each term's most frequent spelling.
    """

    weights: dict[str, float]
    spelling: dict[str, str]

    def of(self, text: str) -> list[str]:
        """The terms of `text` with the highest tf-idf, best first; none where it has no subject."""
        words = [word.lower() for word in WORD.findall(text)]
        counts: Counter[str] = Counter()
        position = 0
        while position < len(words):
            phrase = " ".join(words[position : position + 2])
            term = phrase if phrase in self.weights else words[position]
            counts[term] += term in self.weights
            position += 2 if term == phrase else 1
        ranked = sorted(+counts, key=lambda term: (-counts[term] * self.weights[term], term))
        chosen: list[str] = []
        for term in ranked:
            if len(chosen) < MAX_TERMS and not any(_share_a_word(term, other) for other in chosen):
                chosen.append(term)
        for terms in (chosen, chosen[:MIN_TERMS]):
            for order in itertools.permutations(terms):
                if longest_shared_sequence(listed(order), text) <= MAX_SHARED_WORDS:
                    return [self.spelling[term] for term in order]
        return []


def listed(terms: Sequence[str]) -> str:
    """The terms joined as in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(terms[:-1]), terms[-1]] if len(terms) > 1 else terms)


def find_subjects(passages: Sequence[tuple[str, str]]) -> Subjects:
    """The subject terms of a corpus.

    passages: (author, text) pairs.
    """
    texts = [(author, WORD.findall(text)) for author, text in passages]
    words = _count_words(texts)
    terms = {word for word in words.uses if _is_subject(word, words)}
    pairs = _count_pairs(texts, words, terms)
    total = sum(words.uses.values())
    for pair, uses in pairs.uses.items():
        first, second = pair.split()
        by_chance = words.uses[first] * words.uses[second] / total
        if len(pairs.authors[pair]) >= MIN_PHRASE_AUTHORS and uses >= MIN_PHRASE_LIFT * by_chance:
            terms.add(pair)
    passages_with = words.passages | pairs.passages
    spellings = words.spellings | pairs.spellings
    return Subjects(
        {term: math.log(len(passages) / passages_with[term]) for term in sorted(terms)},
        {term: spellings[term].most_common(1)[0][0] for term in terms},
    )


@dataclass(frozen=True)
class _Counts:
    """Counts by term: uses, passages, uses as noun and verb, authors, and spellings within sentences."""

    uses: Counter[str] = field(default_factory=Counter)
    passages: Counter[str] = field(default_factory=Counter)
    as_noun: Counter[str] = field(default_factory=Counter)
    as_verb: Counter[str] = field(default_factory=Counter)
    authors: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    spellings: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def _count_words(texts: Sequence[tuple[str, list[str]]]) -> _Counts:
    counts = _Counts()
    for author, tokens in texts:
        words = [".", *(word.lower() for word in tokens), "."]
        counts.uses.update(words)
        for before, word, spelled, after in zip(words, words[1:], tokens, words[2:], strict=False):
            if before in BEFORE_VERBS:
                counts.as_verb[word] += 1
            if before not in NOT_BEFORE_NOUNS and (after in AFTER_NOUNS or not after[0].isalpha()):
                counts.as_noun[word] += 1
            if before[0].isalpha():
                counts.spellings[word][spelled] += 1
        for word in set(words):
            counts.passages[word] += 1
            counts.authors[word].add(author)
    return counts


def _is_subject(word: str, counts: _Counts) -> bool:
    return (
        len(word) > 2
        and word not in NO_SUBJECT
        and not word.endswith("ed")  # a participle
        and len(counts.authors[word]) >= MIN_AUTHORS
        and counts.passages[word] >= MIN_PASSAGES
        and counts.as_noun[word] >= MIN_NOUN_SHARE * counts.uses[word]
        and counts.uses[word] >= MIN_USES_PER_PASSAGE * counts.passages[word]
        and bool(counts.spellings[word])
    )


def _count_pairs(texts: Sequence[tuple[str, list[str]]], words: _Counts, terms: set[str]) -> _Counts:
    """Counts of word pairs that may be phrases: a term after a word that may modify it."""
    counts = _Counts()
    for author, tokens in texts:
        lower = [word.lower() for word in tokens]
        pairs = {}
        for position, (first, second) in enumerate(itertools.pairwise(lower)):
            if second in terms and _may_describe(first, words):
                pairs[pair := f"{first} {second}"] = position
                counts.uses[pair] += 1
        for pair, position in pairs.items():
            counts.passages[pair] += 1
            counts.authors[pair].add(author)
            counts.spellings[pair][" ".join(tokens[position : position + 2])] += 1
    return counts


def _may_describe(word: str, words: _Counts) -> bool:
    return (
        len(word) > 2
        and word[0].isalpha()
        and word not in NO_SUBJECT
        and words.as_verb[word] < MAX_VERB_SHARE * words.uses[word]
    )


def longest_shared_sequence(a: str, b: str) -> int:
    """The length of the longest sequence of words that both texts share, ignoring case and punctuation."""
    a_words, b_words = ([word.lower() for word in WORD.findall(text) if word[0].isalpha()] for text in (a, b))
    longest = 0
    for i in range(len(a_words)):
        for j in range(len(b_words)):
            length = 0
            while (
                i + length < len(a_words) and j + length < len(b_words) and a_words[i + length] == b_words[j + length]
            ):
                length += 1
            longest = max(longest, length)
    return longest


def _share_a_word(term: str, other: str) -> bool:
    """Whether two terms share a word, apart from a plural s, as "job" and "jobs" do."""
    return any(a.removesuffix("s") == b.removesuffix("s") for a in term.split() for b in other.split())
