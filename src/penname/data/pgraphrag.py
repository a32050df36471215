"""The PGraphRAG benchmark (Au et al., 2025, arXiv 2501.02157): reviews of users and items.

A record is a user with a list of reviews. The first review is the target, the others are the user's profile. The
neighbours of an example are the reviews of the target's item by other users of the same split (section B of the paper:
each split has its own graph).

| task | input | output | query |
|---|---|---|---|
| `long` | title | text | title |
| `short` | text | title | text |
| `rating` | title and text | rating | title and text |

Reviews that contain a copy of the target's text are skipped in the example's profile and neighbours, and so are reviews
with the same title where the title is the output. Ids that are names shared by many people ("A verified traveler") are
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

from penname.data.duplicates import CopyDetector
from penname.data.load_report import LoadReport
from penname.data.records import (
    Document,
    Example,
    LayoutName,
    Location,
    list_of_records,
    optional_number,
    optional_text,
    required_text,
)
from penname.data.rows import read_rows
from penname.errors import DataError

TaskName = Literal["long", "short", "rating"]
SharedNames = Literal["keep", "cap", "drop"]

LAYOUT_BY_TASK: Mapping[TaskName, LayoutName] = {
    "long": "pgraphrag_long",
    "short": "pgraphrag_short",
    "rating": "pgraphrag_rating",
}
ITEM_FIELDS = ("pid", "productAsin")
SPLIT_SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
"""Shares of the users when a development split is divided into three splits."""

SHARED_NAME = "name shared by many people"
CAP = 4
"""Number of documents of a shared name's profile that `cap` keeps."""

_GENERIC = re.compile(
    r"(an? )?(verified |anonymous |amazon |kindle |google )?"
    r"(anonymous|customer|traveler|traveller|user|guest|reviewer|buyer|shopper|unknown)",
    re.IGNORECASE,
)
_GIVEN_NAME = re.compile(r"[A-Za-z]+( [A-Za-z]\.?)?")


@dataclass(frozen=True)
class Review:
    """A review in the file, which is an edge of the user-item graph."""

    document: Document
    location: Location


@dataclass(frozen=True)
class UserReviews:
    """A user's reviews, the target first."""

    id: str
    location: Location
    reviews: tuple[Review, ...]


def is_shared_name(user_id: str, documents: int) -> bool:
    """Whether an id is likely a display name shared by many people; the criterion is ours.

    Such a name is a word such as "Anonymous", or a given name ("Mark", "David P") with more than `CAP` documents.

    documents: number of the user's documents.
    """
    return bool(_GENERIC.fullmatch(user_id)) or (documents > CAP and bool(_GIVEN_NAME.fullmatch(user_id)))


def split_of_user(user_id: str) -> str:
    """The split of a user when a development split is divided: assigned by hash, so always the same."""
    share = int(hashlib.sha256(user_id.encode()).hexdigest()[:8], 16) / 0x100000000
    return (
        "train"
        if share < SPLIT_SHARES["train"]
        else "val"
        if share < SPLIT_SHARES["train"] + SPLIT_SHARES["val"]
        else "test"
    )


def read_examples(
    files: Sequence[Path],
    dataset: str,
    task: TaskName,
    report: LoadReport,
    *,
    shared_names: SharedNames = "keep",
    only_split: str | None = None,
) -> Iterator[Example]:
    """The examples of one split; all of the split is held in memory, since it is one graph.

    files: the split's files.
    dataset: its name, which becomes part of the examples' task.
    task: which fields of a review are the input and which is the output.
    report: counts the rows that are read and skipped.
    shared_names: how users whose id is a name shared by many people are treated: `keep` treats them as any other, `cap`
        keeps the first reviews of their profile, `drop` skips their examples (their reviews remain neighbours).
    only_split: divide the users of the files into splits, and read only those of this one, `train`, `val` or `test`.
    """
    users = _read_users(files, report, only_split)
    by_item: defaultdict[str | None, list[Review]] = defaultdict(list)
    for user in users:
        for review in user.reviews:
            by_item[review.document.item_id].append(review)
    for user in users:
        example = _example(user, by_item, dataset, task, report, shared_names)
        if example is not None:
            report.kept += 1
            yield example


def read_documents(files: Sequence[Path], report: LoadReport, *, only_split: str | None = None) -> Iterator[Document]:
    """All reviews of one split that have a text, targets included: the documents of its graph.

    only_split: see `read_examples`.
    """
    for user in _read_users(files, report, only_split):
        yield from (review.document for review in user.reviews if review.document.text.strip())


def _read_users(files: Sequence[Path], report: LoadReport, only_split: str | None) -> list[UserReviews]:
    users: dict[str, UserReviews] = {}
    of_other_splits = 0
    for path in files:
        for line, record in read_rows(path, report):
            if only_split is not None and "id" in record and split_of_user(str(record["id"])) != only_split:
                of_other_splits += 1
                continue
            location = Location(path, line)
            try:
                user = _user(record, location, report)
                if user.id in users:
                    raise location.error("id", f"{user.id!r} again", "a unique id", "repeated id")
                users[user.id] = user
            except DataError as error:
                report.reject(error)
    report.rows -= of_other_splits
    return list(users.values())


def _user(record: dict[str, Any], location: Location, report: LoadReport) -> UserReviews:
    user_id = required_text(record, "id", location)
    items = list_of_records(record.get("profile"), "profile", location)
    if not items:
        raise location.error("profile", "no review", "the target review first")
    reviews = [_review(item, user_id, i, location.inside(f"profile[{i}]")) for i, item in enumerate(items)]
    counts = Counter(review.document.item_id for review in reviews)
    for item, count in counts.items():
        if count > 1:
            found = f"{count} reviews of item {item!r}"
            report.note(
                location.error(
                    "profile", found, "one", "several reviews of an item by one user, kept as separate documents"
                )
            )
    return UserReviews(user_id, location, tuple(reviews))


def _review(item: Any, user_id: str, number: int, location: Location) -> Review:
    if not isinstance(item, dict):
        raise location.error("", type(item).__name__, "a review")
    inner = location.inside(".")
    item_field = next((name for name in ITEM_FIELDS if name in item), ITEM_FIELDS[0])
    for name in ("title", "text"):
        if name not in item:
            raise inner.error(name, "nothing", "text")
    document = Document(
        user_id=user_id,
        text=optional_text(item, "text", inner) or "",
        # A review cannot be identified by its item: a user may review an item twice.
        id=f"{user_id}-{number}",
        title=optional_text(item, "title", inner) or "",
        item_id=required_text(item, item_field, inner),
        rating=optional_number(item, "rating", inner),
    )
    return Review(document, inner)


def _example(
    user: UserReviews,
    by_item: dict[str | None, list[Review]],
    dataset: str,
    task: TaskName,
    report: LoadReport,
    shared_names: SharedNames,
) -> Example | None:
    target, *profile = user.reviews
    document, location = target.document, target.location
    if is_shared_name(user.id, len(user.reviews)):
        shared = user.location.error("id", f"{user.id!r}", "one person's id", SHARED_NAME)
        if shared_names == "drop":
            report.skip(shared)
            return None
        report.note(shared)
        profile = profile[:CAP] if shared_names == "cap" else profile
    title, text = document.title or "", document.text
    for name, value in (("title", title), ("text", text)):
        if not value.strip():
            report.skip(location.error(name, "no text", "the target's text", f"target with an empty {name}"))
            return None
    if task == "rating" and document.rating is None:
        report.skip(location.error("rating", "nothing", "the target's rating", "target without a rating"))
        return None
    detectors = [CopyDetector(text), *([CopyDetector(title)] if task == "short" else [])]
    neighbours = [review for review in by_item[document.item_id] if review.document.user_id != user.id]
    prompt, output, query = _task(task, title, text, document.rating, dataset)
    return Example(
        id=user.id,
        user_id=user.id,
        task=f"{dataset}_{task}",
        input=prompt,
        output=output,
        profile=_without_target(profile, detectors, report),
        item_id=document.item_id,
        neighbours=_without_target(neighbours, detectors, report),
        query=query,
        layout=LAYOUT_BY_TASK[task],
    )


def _without_target(
    reviews: Sequence[Review], detectors: Sequence[CopyDetector], report: LoadReport
) -> tuple[Document, ...]:
    """The documents that have a text and contain no copy of the target's text, nor of a title that is the output."""
    kept = []
    for review in reviews:
        document = review.document
        if not document.text.strip():
            report.note(review.location.error("text", "no text", "a text", "document without text, skipped"))
        elif any(detector.in_document(document) for detector in detectors):
            report.note(
                review.location.error("text", "a copy of the target", "another text", "copy of a target, skipped")
            )
        else:
            kept.append(document)
    return tuple(kept)


def _task(task: TaskName, title: str, text: str, rating: float | None, dataset: str) -> tuple[str, str, str]:
    """The input, output and query of an example, worded as in the benchmark's prompts (its Appendix A)."""
    language = "in Portuguese " if dataset == "b2w" else ""
    review = f"Review title: '{title}', Review text: '{text}'"
    if task == "long":
        start = f"Generate a review {language}for the following product from this user given the review title"
        return f"{start}, without any explanation: Review title: '{title}'", text, title
    if task == "short":
        start = f"Generate a title {language}for the following product review from this user"
        return f"{start} without any explanation: Review text: '{text}'", title, text
    start = (
        "Generate an integer rating from 1-5 for the following product from this user given the review title and text"
    )
    return f"{start}, without any explanation: {review}", f"{rating:g}", f"{title} {text}"
