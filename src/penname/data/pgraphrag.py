"""The PGraphRAG benchmark (Au et al., 2025, arXiv 2501.02157): reviews of users and items.

A record is a user with a profile of reviews. The first review is the target, the others are the user's history. The
neighbours of an example are the reviews of the target's item by other users of the same split (section B of the paper:
each split has its own graph).

| task | input | output | query |
|---|---|---|---|
| `long` | title | text | title |
| `short` | text | title | text |
| `rating` | title and text | rating | title and text |

Reviews that hold a copy of the target's text are left out of the example's history and neighbours, and where the title
is the output also reviews with the same title. Ids that are names shared by many people ("A verified traveler") are
noted; which ids these are is our guess, see `is_shared_name`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from penname.data.duplicates import Original
from penname.data.records import (
    Document,
    Example,
    LayoutName,
    Place,
    list_of_records,
    optional_number,
    optional_text,
    required_text,
)
from penname.data.report import Report
from penname.data.rows import read_rows
from penname.errors import DataError

TaskName = Literal["long", "short", "rating"]
SharedNames = Literal["keep", "cap", "drop"]

LAYOUTS: Mapping[TaskName, LayoutName] = {
    "long": "pgraphrag_long",
    "short": "pgraphrag_short",
    "rating": "pgraphrag_rating",
}
ITEM_FIELDS = ("pid", "productAsin")
CARVED = {"train": 0.7, "val": 0.1, "test": 0.2}
"""Shares of users when a development split is divided into three splits."""

SHARED_NAME = "name that many share"
CAP = 4
"""Documents of a shared name's history that `cap` keeps."""

_GENERIC = re.compile(
    r"(an? )?(verified |anonymous |amazon |kindle |google )?"
    r"(anonymous|customer|traveler|traveller|user|guest|reviewer|buyer|shopper|unknown)",
    re.IGNORECASE,
)
_GIVEN_NAME = re.compile(r"[A-Za-z]+( [A-Za-z]\.?)?")


@dataclass(frozen=True)
class Review:
    """A review in the file: an edge of the user-item graph."""

    document: Document
    place: Place


@dataclass(frozen=True)
class User:
    """A user's reviews, the target first."""

    id: str
    place: Place
    reviews: tuple[Review, ...]


def is_shared_name(user_id: str, documents: int) -> bool:
    """Whether an id is likely a display name shared by many people.

    That is a word such as "Anonymous", or a given name ("Mark", "David P") with more than `CAP` documents.
    """
    return bool(_GENERIC.fullmatch(user_id)) or (documents > CAP and bool(_GIVEN_NAME.fullmatch(user_id)))


def carved_split(user_id: str) -> str:
    """The split of a user when a development split is divided: assigned by hash, so always the same."""
    share = int(hashlib.sha256(user_id.encode()).hexdigest()[:8], 16) / 0x100000000
    return "train" if share < CARVED["train"] else "val" if share < CARVED["train"] + CARVED["val"] else "test"


def read_examples(
    files: Sequence[Path],
    dataset: str,
    task: TaskName,
    report: Report,
    *,
    shared_names: SharedNames = "keep",
    carved: str | None = None,
) -> Iterator[Example]:
    """The examples of one split; the whole split is held in memory, since it is one graph.

    files: the split's files.
    dataset: its name, part of the examples' task.
    task: what is input and what output.
    shared_names: how users whose id is a name shared by many are treated. `cap` keeps the first reviews of their
        history, `drop` leaves their examples out (their reviews stay as neighbours of others).
    carved: `train`, `val` or `test`: read only the users that dividing the files assigns to this split.
    """
    users = _read_users(files, report, carved)
    by_item: defaultdict[str | None, list[Review]] = defaultdict(list)
    for user in users:
        for review in user.reviews:
            by_item[review.document.item_id].append(review)
    for user in users:
        example = _example(user, by_item, dataset, task, report, shared_names)
        if example is not None:
            report.kept += 1
            yield example


def read_documents(files: Sequence[Path], report: Report, *, carved: str | None = None) -> Iterator[Document]:
    """All reviews of one split that have a text, targets included: the documents of its graph."""
    for user in _read_users(files, report, carved):
        yield from (review.document for review in user.reviews if review.document.text.strip())


def _read_users(files: Sequence[Path], report: Report, carved: str | None) -> list[User]:
    users: dict[str, User] = {}
    of_other_splits = 0
    for path in files:
        for line, record in read_rows(path, report):
            if carved is not None and "id" in record and carved_split(str(record["id"])) != carved:
                of_other_splits += 1
                continue
            place = Place(path, line)
            try:
                user = _user(record, place, report)
                if user.id in users:
                    raise place.error("id", f"{user.id!r} again", "a unique id", "repeated id")
                users[user.id] = user
            except DataError as error:
                report.bad(error)
    report.rows -= of_other_splits
    return list(users.values())


def _user(record: dict[str, Any], place: Place, report: Report) -> User:
    user_id = required_text(record, "id", place)
    items = list_of_records(record.get("profile"), "profile", place)
    if not items:
        raise place.error("profile", "no review", "the target review first")
    reviews = [_review(item, user_id, i, place.inside(f"profile[{i}]")) for i, item in enumerate(items)]
    counts = Counter(review.document.item_id for review in reviews)
    for item, count in counts.items():
        if count > 1:
            found = f"{count} reviews of item {item!r}"
            report.note(place.error("profile", found, "one", "more than one review of an item by a user, kept apart"))
    return User(user_id, place, tuple(reviews))


def _review(item: Any, user_id: str, number: int, place: Place) -> Review:
    if not isinstance(item, dict):
        raise place.error("", type(item).__name__, "a review")
    inside = place.inside(".")
    item_field = next((name for name in ITEM_FIELDS if name in item), ITEM_FIELDS[0])
    for name in ("title", "text"):
        if name not in item:
            raise inside.error(name, "nothing", "text")
    document = Document(
        user_id=user_id,
        text=optional_text(item, "text", inside) or "",
        # A review cannot be identified by its item: a user may review an item twice.
        id=f"{user_id}-{number}",
        title=optional_text(item, "title", inside) or "",
        item_id=required_text(item, item_field, inside),
        rating=optional_number(item, "rating", inside),
    )
    return Review(document, inside)


def _example(
    user: User,
    by_item: dict[str | None, list[Review]],
    dataset: str,
    task: TaskName,
    report: Report,
    shared_names: SharedNames,
) -> Example | None:
    target, *history = user.reviews
    document, place = target.document, target.place
    if is_shared_name(user.id, len(user.reviews)):
        shared = user.place.error("id", f"{user.id!r}", "one person's id", SHARED_NAME)
        if shared_names == "drop":
            report.skip(shared)
            return None
        report.note(shared)
        history = history[:CAP] if shared_names == "cap" else history
    title, text = document.title or "", document.text
    for name, value in (("title", title), ("text", text)):
        if not value.strip():
            report.skip(place.error(name, "no text", "the target's text", f"target with an empty {name}"))
            return None
    if task == "rating" and document.rating is None:
        report.skip(place.error("rating", "nothing", "the target's rating", "target without a rating"))
        return None
    originals = [Original(text), *([Original(title)] if task == "short" else [])]
    others = [review for review in by_item[document.item_id] if review.document.user_id != user.id]
    prompt, output, query = _task(task, title, text, document.rating, dataset)
    return Example(
        id=user.id,
        user_id=user.id,
        task=f"{dataset}_{task}",
        input=prompt,
        output=output,
        profile=_without_target(history, originals, report),
        item_id=document.item_id,
        neighbours=_without_target(others, originals, report),
        query=query,
        layout=LAYOUTS[task],
    )


def _without_target(reviews: Sequence[Review], originals: Sequence[Original], report: Report) -> tuple[Document, ...]:
    """The documents that have a text and hold no copy of the target's text, nor of a title that is the output."""
    kept = []
    for review in reviews:
        document = review.document
        if not document.text.strip():
            report.note(review.place.error("text", "no text", "a text", "document without text, left out"))
        elif any(original.held_by(document) for original in originals):
            report.note(review.place.error("text", "a copy of a target", "another text", "copy of a target, left out"))
        else:
            kept.append(document)
    return tuple(kept)


def _task(task: TaskName, title: str, text: str, rating: float | None, dataset: str) -> tuple[str, str, str]:
    """Input, output and query, worded as in the benchmark's prompts (its Appendix A)."""
    language = "in Portuguese " if dataset == "b2w" else ""
    whole = f"Review title: '{title}', Review text: '{text}'"
    if task == "long":
        start = f"Generate a review {language}for the following product from this user given the review title"
        return f"{start}, without any explanation: Review title: '{title}'", text, title
    if task == "short":
        start = f"Generate a title {language}for the following product review from this user"
        return f"{start} without any explanation: Review text: '{text}'", title, text
    start = (
        "Generate an integer rating from 1-5 for the following product from this user given the review title and text"
    )
    return f"{start}, without any explanation: {whole}", f"{rating:g}", f"{title} {text}"
