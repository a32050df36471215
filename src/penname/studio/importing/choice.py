"""Whose texts are saved, and as which users, as the person has chosen so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import median
from typing import Literal

from penname.data.duplicates import without_copies
from penname.data.records import Document
from penname.errors import ArgumentError
from penname.reporting.histograms import counts_by_range
from penname.serve.store.part import checked_id
from penname.studio.importing.found import Author, Found

As = Literal["one", "each"]
"""Whether those who are chosen are one person, or a user each."""


@dataclass(frozen=True)
class Change:
    """What a person changes of a choice.

    ticked: places of authors who are ticked. shown: those whose boxes were there to be ticked.
    as_, name: see `Choice`; None where they stay.
    name_before: the name that was shown before one was typed; None for the one that there is.
    all: whether all or none are ticked, also those whose boxes were not there.
    """

    ticked: frozenset[int] = frozenset()
    shown: frozenset[int] = frozenset()
    as_: As | None = None
    name: str | None = None
    name_before: str | None = None
    all: Literal["all", "none"] | None = None


SAMPLES, LETTERS = 4, 400
"""How many texts are shown, and how many letters of each."""


LEAST_SHARE = 0.01
"""Of fewer texts it is not told that they are in another language."""


@dataclass
class Choice:
    """What is saved.

    chosen: places in `Found.authors`.
    name: of the user, where those who are chosen are one person.
    is_typed: whether the person has typed the name, which is the first author's before.
    """

    as_: As
    chosen: set[int] = field(default_factory=set)
    name: str = ""
    is_typed: bool = False

    def change(self, found: Found, change: Change) -> None:
        """Change it. Raises ArgumentError for authors who are not there, and a name that cannot be kept."""
        everybody = set(range(len(found.authors)))
        if not change.ticked | change.shown <= everybody:
            raise ArgumentError("author", f"found one who is not there, expected one of {len(everybody)}")
        chosen = everybody if change.all else self.chosen - change.shown | change.ticked
        before = self.name if change.name_before is None else change.name_before
        if change.name is not None and change.name != before:
            self.name = checked_id("user", change.name, "name") if change.name.strip() else ""
            self.is_typed = bool(self.name)
        self.chosen = set() if change.all == "none" else chosen
        self.as_ = change.as_ or self.as_
        if not self.is_typed:
            self.name = self.first_name(found)

    def is_outdated(self, change: Change) -> bool:
        """Whether a change would save what another page has changed meanwhile.

        Each tick is told at once, so other ticks than those of the choice are an older page's. So is a name that the
        person neither typed nor finds in the choice.
        """
        before, name = change.name_before, change.name
        has_other_name = change.as_ != "each" and name == before is not None and name != self.name
        return has_other_name or change.ticked & change.shown != self.chosen & change.shown

    def first_name(self, found: Found) -> str:
        """The name of the first of those who are chosen; empty without any."""
        return found.authors[min(self.chosen)].name if self.chosen else ""

    def authors(self, found: Found) -> list[Author]:
        """Those who are chosen."""
        return [author for place, author in enumerate(found.authors) if place in self.chosen]

    def profiles(self, found: Found) -> dict[str, list[Document]]:
        """The documents of each user that is saved; of one person's there are no near-duplicates by several names."""
        authors = self.authors(found)
        if self.as_ == "each":
            return {author.name: author.documents for author in authors}
        documents = list(chain.from_iterable(author.documents for author in authors))
        if len(authors) > 1:
            documents = [documents[place] for place in without_copies(document.text for document in documents)]
        return {self.name: documents}


def first_choice(found: Found) -> Choice:
    """What is chosen before anybody has chosen: the only author, or else all, but nobody where others wrote to one."""
    if len(found.authors) == 1:
        return Choice("one", {0}, found.authors[0].name)
    if found.by_conversation:
        return Choice("one")
    return Choice("each", set(range(len(found.authors))))


@dataclass(frozen=True)
class Summary:
    """What there is of some authors.

    first, last: days of the first and the last text with a date; empty without any.
    undated: number of texts without a date.
    languages: names of languages, and the share of texts in each.
    middle: median number of words of a text; shortest, longest: the least and the most.
    lengths: ranges of numbers of words, and how many texts have so many.
    """

    documents: int
    first: str
    last: str
    undated: int
    languages: list[tuple[str, float]]
    shortest: int
    middle: int
    longest: int
    lengths: list[tuple[str, int]]


def summary_of(authors: Sequence[Author]) -> Summary:
    """What there is of authors."""
    words = list(chain.from_iterable(author.words for author in authors))
    dates = [document.date for author in authors for document in author.documents if document.date]
    languages: Counter[str] = sum((author.languages for author in authors), Counter())
    shares = [(name, count / len(words)) for name, count in languages.most_common(4)]
    return Summary(
        documents=len(words),
        first=min(dates, default="")[:10],
        last=max(dates, default="")[:10],
        undated=len(words) - len(dates),
        languages=[(name, share) for name, share in shares if share >= LEAST_SHARE],
        shortest=min(words, default=0),
        middle=round(median(words)) if words else 0,
        longest=max(words, default=0),
        lengths=counts_by_range(words),
    )


@dataclass(frozen=True)
class Sample:
    """A text as it is shown. is_cut: whether there is more of it."""

    author: str
    document: Document
    text: str
    is_cut: bool


def samples_of(found: Found, choice: Choice) -> list[Sample]:
    """Some texts of those who are chosen, or else of all, by different authors as far as there are some."""
    authors = (choice.authors(found) or found.authors)[:SAMPLES]
    each = -(-SAMPLES // len(authors)) if authors else 0
    picked = [(author, document) for author in authors for document in _spread(author.documents, each)]
    return [
        Sample(author.name, document, document.text[:LETTERS], len(document.text) > LETTERS)
        for author, document in picked[:SAMPLES]
    ]


def _spread(documents: Sequence[Document], count: int) -> list[Document]:
    """Some of the documents, from all over."""
    step = max(1, len(documents) // count)
    return list(documents[step // 2 :: step][:count])
