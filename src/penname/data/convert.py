"""Converts a collection of users' texts to documents and examples in penname's own format.

Each document that is kept can be a target: what it answers, its title or its opening becomes the input, and the user's
other documents become the profile. Splits follow LongLaMP's two settings (Kumar et al., 2024): `leave-one-out` assigns
each user to one split, so that test users are new (the user setting); `time` gives every user's last document to test,
the one before to val and the one before that to train, each with only earlier documents as its profile (the temporal
setting). `texts`, which is ours, divides each user's documents, for collections of one author or two.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TextIO

from penname.data.duplicates import without_copies
from penname.data.inputs import input_and_output
from penname.data.jsonl import DOCUMENTS_FILE
from penname.data.load_report import LoadReport
from penname.data.masking.stored_texts import mask_texts
from penname.data.own_author import OwnAuthor
from penname.data.readers.base import ReadingSettings, SourceText
from penname.data.readers.choice import read_texts
from penname.data.records import Document
from penname.data.splits import SPLITS
from penname.data.targets import Target, by_time, drop_undated, leave_one_out, within_users
from penname.data.text_store import TextStore, document_id
from penname.errors import ArgumentError, DataError, UserError
from penname.words import split_words

MASKED_FILE = "masked.jsonl"
SHOWN_TEXTS = 3
"""How many texts are shown before anything is written."""

SHOWN_CHARACTERS = 60

SplitBy = Literal["leave-one-out", "time", "texts"]
Advance = Callable[[str, int, int], None]
"""Told what is being done, how much more of it is done, and how much there is."""


@dataclass(frozen=True)
class ConversionSettings:
    """How documents become examples.

    split_by: LongLaMP's setting, `leave-one-out` (user) or `time` (temporal), or `texts`, which divides each user's
        documents; None for `texts` where there are fewer than three users, and `leave-one-out` otherwise.
    task: the examples' task.
    me: names, addresses and accounts of the one author whose texts are converted, as the user that the first one
        names, see `penname.data.own_author`; none for all authors.
    min_documents: users with fewer documents are skipped.
    min_words: documents with fewer words are skipped.
    per_user: number of examples of each user, in each split with `texts`; None for one, and for all with `texts`.
    hash_users: whether user ids are replaced by hashes.
    mask: whether personal details are masked, see `penname.data.masking.masker`.
    regions: countries (ISO 3166) of phone numbers without their country's code; none for those that texts speak of.
    reading: what the readers are told.
    """

    split_by: SplitBy | None = None
    task: str = "writing"
    me: tuple[str, ...] = ()
    min_documents: int = 2
    min_words: int = 5
    per_user: int | None = None
    hash_users: bool = False
    mask: bool = False
    regions: tuple[str, ...] = ()
    reading: ReadingSettings = field(default_factory=ReadingSettings)


def convert(
    path: Path,
    folder: Path,
    settings: ConversionSettings,
    report: LoadReport,
    advance: Advance = lambda stage, count, total: None,
) -> dict[str, int]:
    """Write `documents.jsonl` and one file of examples for each split; return each split's number of examples.

    path: what a program has exported, a table, a mailbox, a folder of these or of texts, or a zip archive.
    folder: where to write; it must be new or empty.
    report: counts the rows that are read and skipped.
    advance: called as texts are compared and written.

    Raises UserError where there is nothing to convert.
    """
    own = OwnAuthor(settings.me)
    settings = replace(settings, me=own.names)
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: found files, expected a new or empty folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.penname-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a conversion that was killed
    unfinished.mkdir()
    try:
        with TextStore(unfinished / "texts.sqlite") as store:
            people = _collect(path, settings, own, store, report)
            if settings.mask:
                _mask(store, people, settings, unfinished, advance)
            leave_out_copies(store, settings, report, advance)
            counts = _write(path, unfinished, store, settings, report, advance)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return counts


@dataclass
class _People:
    """Who is named with texts.

    all: everyone who wrote or received one.
    own: the names of each user.
    """

    all: set[str] = field(default_factory=set)
    own: dict[str, set[str]] = field(default_factory=dict)


def _collect(path: Path, settings: ConversionSettings, own: OwnAuthor, store: TextStore, report: LoadReport) -> _People:
    """Store the texts that are long enough and by the right author, and with one author what others wrote to them."""
    people = _People()
    authors: Counter[str] = Counter()
    shown = 0
    reading = replace(settings.reading, author=settings.me[0] if settings.me else None)
    for found in read_texts(path, reading, report):
        document = found.document
        names = (document.user_id, *found.other_names)
        is_own = own.wrote(found)
        if settings.mask:
            people.all.update(names, found.people)
        if found.message_id is not None and (own.names or not found.is_email):
            author = settings.me[0] if is_own else document.user_id
            store.add_named(found.message_id, _user_id(author, settings), document.text)
        if own.names:
            authors[document.user_id] += 1
            if not is_own:
                report.leave_out("by others")
                continue
            document = replace(document, user_id=settings.me[0])
        if is_too_short(document, settings, report):
            continue
        if settings.mask and not settings.hash_users:
            people.own.setdefault(document.user_id, set()).update(names)
        document = replace(document, user_id=_user_id(document.user_id, settings))
        if shown < SHOWN_TEXTS:
            settings.reading.say(_shown(found, with_answer=bool(settings.me) or not found.is_email))
            shown += 1
        store.add(replace(found, document=document))
    own.check(settings.reading.say)
    if own.names and not shown and authors:
        most = ", ".join(f"{author} ({count:,})" for author, count in authors.most_common(5))
        missing = " or ".join(map(repr, settings.me))
        raise ArgumentError(
            "me", f"found no text of {settings.min_words} words by {missing}, expected an author: {most}"
        )
    return people


def is_too_short(document: Document, settings: ConversionSettings, report: LoadReport) -> bool:
    """Whether a document has too few words, which the report then counts."""
    if len(split_words(document.text)) >= settings.min_words:
        return False
    report.leave_out(f"shorter than {settings.min_words} words")
    return True


def _user_id(name: str, settings: ConversionSettings) -> str:
    """What an author is called in the data set."""
    return "u" + hashlib.sha256(name.encode()).hexdigest()[:16] if settings.hash_users else name


def _mask(store: TextStore, people: _People, settings: ConversionSettings, folder: Path, advance: Advance) -> None:
    """Mask personal details, and say how many of each kind."""
    total = sum(store.users().values())
    own = {user: tuple(names) for user, names in people.own.items()}
    summary, regions = mask_texts(
        store, people.all, own, settings.regions, folder / MASKED_FILE, lambda count: advance("masking", count, total)
    )
    of = f"of {', '.join(regions)} and " if regions else ""
    numbers = f"phone numbers {of}with a country's code"
    settings.reading.say(f"{summary} ({numbers})")


def _shown(found: SourceText, with_answer: bool) -> str:
    """A text in one line, for the user to see whether it was read rightly.

    with_answer: whether what it answers becomes its input.
    """
    document = found.document
    rating = None if document.rating is None else f"{document.rating:g}"
    fields = {"date": document.date, "title": document.title, "rating": rating, "item": document.item_id}
    known = [f"{name} {value}" for name, value in fields.items() if value is not None]
    answers = [f"answers {_short(found.answers)}"] if found.answers and with_answer else []
    return f"  {', '.join([document.user_id, *known])}: {_short(document.text)}" + "".join(f", {a}" for a in answers)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return repr(line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}...")


def leave_out_copies(store: TextStore, settings: ConversionSettings, report: LoadReport, advance: Advance) -> None:
    """Leave out near-duplicates among each user's texts, and users with too few texts; see `convert`."""
    users = store.users()
    total = sum(users.values())
    for user, count in users.items():
        is_unique = bytearray(count)
        for place in without_copies(_texts_of(user, store, lambda: advance("comparing", 1, total))):
            is_unique[place] = True
        unique = sum(is_unique)
        report.leave_out("near-duplicate of another document of its user", count - unique)
        if unique < settings.min_documents:
            report.leave_out(f"of a user with fewer than {settings.min_documents} documents", unique)
            store.drop_user(user)
        else:
            store.drop(number for number, kept in zip(store.numbers_of(user), is_unique, strict=True) if not kept)


def _texts_of(user: str, store: TextStore, advance: Callable[[], None]) -> Iterator[str]:
    for _, found in store.texts_of(user):
        advance()
        yield found.document.text


def _write(
    path: Path, folder: Path, store: TextStore, settings: ConversionSettings, report: LoadReport, advance: Advance
) -> dict[str, int]:
    """Write documents and examples; return each split's number of examples.

    Raises UserError where a split has none.
    """
    users = store.users()
    if not users:
        nothing = "no user with enough documents" if report.rows else "no text"
        raise DataError(path, found=nothing, expected=f"{settings.min_documents} texts a user")
    split_by = settings.split_by or ("texts" if settings.me or len(users) < len(SPLITS) else "leave-one-out")
    if split_by != settings.split_by and split_by == "texts":
        settings.reading.say(f"{_users(len(users))}: the texts of each are divided into train, val and test")
    if split_by != "leave-one-out":
        report.leave_out("without a date", drop_undated(store, where_most_are_dated=split_by == "texts"))
    if split_by == "leave-one-out":
        targets = leave_one_out(store, settings.per_user)
    else:
        targets = by_time(store) if split_by == "time" else within_users(store, settings.per_user)
    counts, hidden = _write_examples(folder, targets, settings)
    empty = [split for split in SPLITS if not counts[split]]
    if empty:
        lacking = "" if split_by == "leave-one-out" else " with texts"
        too_few = f"{_users(len(users))}{lacking}, too few for an example in {', '.join(empty)}"
        if (least := settings.min_documents) > ConversionSettings.min_documents:
            expected = "expected a lower number"
            raise ArgumentError("min_documents", f"found {least}, which leaves of {path} {too_few}; {expected}")
        raise DataError(path, found=too_few, expected="more texts" if lacking else "more users, or the split texts")
    _write_documents(folder / DOCUMENTS_FILE, store, hidden, advance)
    return {split: counts[split] for split in SPLITS}


def _write_examples(
    folder: Path, targets: Iterable[Target], settings: ConversionSettings
) -> tuple[Counter[str], set[int]]:
    """Write the examples; the number in each split, and the numbers of the texts that are hidden from profiles."""
    counts: Counter[str] = Counter()
    hidden: set[int] = set()
    with ExitStack() as stack:
        files = {split: stack.enter_context(_open(folder / f"{split}.jsonl")) for split in SPLITS}
        for target in targets:
            example = example_of(target, settings)
            if example is not None:
                _append(files[target.split], example)
                counts[target.split] += 1
            if target.is_hidden:
                hidden.add(target.number)
    return counts, hidden


def _write_documents(path: Path, store: TextStore, hidden: set[int], advance: Advance) -> None:
    """Write the documents, but for the hidden ones."""
    users = store.users()
    total = sum(users.values())
    with _open(path) as file:
        for user in users:
            for number, found in store.texts_of(user):
                advance("writing", 1, total)
                if number not in hidden:
                    _append(file, document_record(number, found))


def example_of(target: Target, settings: ConversionSettings) -> dict[str, Any] | None:
    """An example with the document as its target; None where too little is left to write."""
    made = input_and_output(target.found, bool(settings.me))
    if made is None:
        return None
    document = target.found.document
    return {
        "id": f"{settings.task}-{document_id(target.number)}",
        "user_id": document.user_id,
        "task": settings.task,
        "input": made[0],
        "output": made[1],
        **({} if document.item_id is None else {"item_id": document.item_id}),
        **({} if target.is_hidden else {"document_id": document_id(target.number)}),
        **({"date": document.date} if target.by_date else {}),
    }


def _users(count: int) -> str:
    return f"{count:,} user{'s' if count != 1 else ''}"


def document_record(number: int, found: SourceText) -> dict[str, Any]:
    """A document as it is written. number: that of its text."""
    document = replace(found.document, id=document_id(number))
    return {name: value for name, value in vars(document).items() if value is not None}


def _open(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8")


def _append(file: TextIO, record: dict[str, Any]) -> None:
    file.write(json.dumps(record, ensure_ascii=False) + "\n")
