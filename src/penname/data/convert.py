"""Converts a collection of users' texts to documents and examples in penname's own format.

Each document that is kept can be a target: its opening or title becomes the input, and the user's other documents
become the profile. Splits follow LongLaMP's two settings (Kumar et al., 2024): `leave-one-out` assigns each user to one
split, so that test users are new (the user setting); `time` gives every user's last document to test, the one before to
val and the one before that to train, each with only earlier documents as its profile (the temporal setting).
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from penname.data.duplicates import without_copies
from penname.data.jsonl import DOCUMENTS_FILE, TEXT_SUFFIXES, document_of_file
from penname.data.load_report import LoadReport
from penname.data.mail import AVOCADO_MAIL, is_mail, mail_files, read_mail
from penname.data.records import (
    Document,
    Location,
    optional_date,
    optional_id,
    optional_number,
    optional_text,
    required_id,
    required_text,
    tidy,
    written_before,
)
from penname.data.rows import read_rows, table_suffix
from penname.data.splits import SPLITS, table_files
from penname.errors import ArgumentError, DataError, UserError
from penname.words import split_words

Value = TypeVar("Value")
SplitBy = Literal["leave-one-out", "time"]
Kind = Literal["email", "tables", "texts"]

COLUMNS = {
    "user": ("user_id", "user", "author", "name", "reviewerid", "username", "user_name", "from"),
    "text": ("text", "body", "content", "reviewtext", "review", "output", "abstract"),
    "title": ("title", "subject", "summary", "headline"),
    "date": ("date", "timestamp", "time", "year", "created_at", "reviewtime", "unixreviewtime", "created_utc"),
    "item": ("item_id", "item", "product_id", "asin", "pid"),
    "rating": ("rating", "overall", "stars"),
}
"""Names, in lower case, by which a table's columns are recognized where the user does not name them."""

BLOG_CORPUS = ("id", "gender", "age", "topic", "sign", "date", "text")
"""The columns of the Blog Authorship Corpus (Schler et al., 2006), whose `id` is the author."""

NOBODY = re.compile(r"\[(?:deleted|removed)\]|AutoModerator|.*[a-z0-9]Bot|.*[-_][Bb]ot")
"""Names of accounts that are no author: deleted ones, and robots."""

REMOVED = ("[deleted]", "[removed]")
"""Texts that stand where one was deleted."""

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}
OPENING = 1 / 3
"""The share of an untitled text that becomes the input; the rest is the output. The value is ours."""


@dataclass(frozen=True)
class ConversionSettings:
    """How documents become examples.

    split_by: LongLaMP's setting, `leave-one-out` (user) or `time` (temporal).
    task: the examples' task.
    columns: (key of `COLUMNS`, column name) pairs, for columns that are not recognized by name.
    min_documents: users with fewer documents are skipped.
    min_words: documents with fewer words are skipped.
    per_user: number of examples of each user in `leave-one-out`.
    hash_users: whether user ids are replaced by hashes.
    titles_from_names: whether the names of text files, without their suffixes, are titles.
    """

    split_by: SplitBy = "leave-one-out"
    task: str = "writing"
    columns: tuple[tuple[str, str], ...] = ()
    min_documents: int = 2
    min_words: int = 5
    per_user: int = 1
    hash_users: bool = False
    titles_from_names: bool = False


def convert(path: Path, folder: Path, settings: ConversionSettings, report: LoadReport) -> dict[str, int]:
    """Write `documents.jsonl` and one file of examples for each split; return each split's number of examples.

    path: a table, an mbox file, a folder of these, or a folder with one folder of texts for each user.
    folder: where to write; it must be new or empty.
    report: counts the rows that are read and skipped.

    Raises UserError where there is nothing to convert.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: found files, expected a new or empty folder")
    kind, files = _kind_of(path)
    documents = _read(path, kind, files, settings, report)
    users = by_user(_usable(documents, settings, report), settings, report)
    if not users:
        found = "no user with enough documents" if report.rows else "no text"
        raise DataError(path, found=found, expected=f"{settings.min_documents} texts a user")
    if settings.split_by == "time":
        users = _dated(users, report)
        examples = _by_time(users, settings, kind == "email")
    else:
        examples = _leave_one_out(users, settings, kind == "email")
    empty = [split for split, records in examples.items() if not records]
    if empty:
        found = f"{len(users)} users, too few for an example in {', '.join(empty)}"
        if (least := settings.min_documents) > ConversionSettings.min_documents:
            raise ArgumentError(
                "min_documents", f"found {least}, which leaves of {path} {found}; expected a lower number"
            )
        raise DataError(path, found=found, expected="more users")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f".{folder.name}.penname-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # left by a conversion that was killed
    unfinished.mkdir()
    try:
        _write(unfinished / DOCUMENTS_FILE, (_record(d) for documents in users.values() for d in documents))
        for split, records in examples.items():
            _write(unfinished / f"{split}.jsonl", records)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return {split: len(records) for split, records in examples.items()}


def read_documents(path: Path, settings: ConversionSettings, report: LoadReport) -> Iterator[Document]:
    """All documents of a table, a mailbox, or a folder of these or of texts, in order.

    Raises DataError where there are none at `path`.
    """
    yield from _read(path, *_kind_of(path), settings, report)


def _read(
    path: Path, kind: Kind, files: Sequence[Path], settings: ConversionSettings, report: LoadReport
) -> Iterator[Document]:
    """The documents of what `_kind_of` has found."""
    if kind == "email":
        _note_unread(path, files, "email", report)
        for file in files:
            yield from read_mail(file, report)
    elif kind == "tables":
        _note_unread(path, files, "tables", report)
        for file in files:
            yield from _of_table(file, dict(settings.columns), report)
    else:
        yield from _of_folders(path, files, settings, report)


def _kind_of(path: Path) -> tuple[Kind, list[Path]]:
    """What there is at `path`, and the files of that kind: in a folder of several kinds, of the one with most files.

    Raises DataError where there is nothing to read.
    """
    if not path.exists():
        raise DataError(path, found="no such file or folder", expected="users' texts")
    if path.is_dir():
        kinds: dict[Kind, list[Path]] = {
            "email": mail_files(path),
            "tables": table_files(path),
            "texts": _texts_of_folders(path),
        }
        is_archive = any(AVOCADO_MAIL.search(file.name) for file in kinds["email"])  # its other files are texts too
        kind = "email" if is_archive else max(kinds, key=lambda kind: len(kinds[kind]))
        if not kinds[kind]:
            raise DataError(path, found="no folder with texts in it", expected="USER/NAME.txt")
        return kind, kinds[kind]
    if table_suffix(path):
        return "tables", [path]
    if is_mail(path):
        return "email", [path]
    expected = "a CSV, TSV, JSON, JSONL or Parquet file, an mbox file, or a folder with one of texts for each user"
    raise DataError(path, found=f"a file named {path.name}", expected=expected)


def _texts_of_folders(path: Path) -> list[Path]:
    """The texts in the folders that are in `path`, at any depth; each such folder is a user's."""
    files = [f for user in sorted(path.iterdir()) if user.is_dir() for f in sorted(user.rglob("*")) if f.is_file()]
    return [file for file in files if file.suffix.lower() in TEXT_SUFFIXES]


def _of_folders(
    path: Path, texts: Sequence[Path], settings: ConversionSettings, report: LoadReport
) -> Iterator[Document]:
    """Read the texts in a folder of users, each of which is a document."""
    _note_unread(path, texts, "texts in one folder for each user", report)
    for file in texts:
        report.rows += 1
        try:
            title = _printable(file.stem) if settings.titles_from_names else None
            document = document_of_file(file, _printable(file.relative_to(path).parts[0]), report, title)
        except OSError as error:
            report.reject(
                DataError(file, found=str(error.strerror), expected="a readable file", reason="unreadable file")
            )
            continue
        except DataError as error:
            report.reject(error)
            continue
        if not document.text:
            report.skip(DataError(file, found="no text", expected="a text", reason="empty text"))
            continue
        report.kept += 1
        yield document


def _printable(name: str) -> str:
    """A file's name with undecodable bytes replaced."""
    return tidy(name.encode(errors="surrogateescape").decode(errors="replace"))


def _note_unread(folder: Path, read: Sequence[Path], kind: str, report: LoadReport) -> None:
    """Note the files that are not read because they are not of the folder's kind."""
    unread = {file for file in folder.rglob("*") if file.is_file()}.difference(read) if folder.is_dir() else set()
    for file in sorted(unread):
        report.note(DataError(file, found="a file that is not read", expected=kind, reason="files of another kind"))


def _of_table(path: Path, chosen: dict[str, str], report: LoadReport) -> Iterator[Document]:
    has_header = table_suffix(path) not in (".jsonl", ".json")  # in JSON each row names its own fields
    columns: dict[tuple[str, ...], dict[str, str]] = {}
    pending: list[DataError] = []  # faults before the first row that has the required columns
    for line, record in read_rows(path, report):
        location = Location(path, line)
        names = tuple(map(str, record))
        if names not in columns:
            try:
                columns[names] = columns_of(names, chosen, Location(path, 1) if has_header else location)
            except DataError as error:
                if has_header:
                    raise
                pending.append(error)
                continue
        for fault in pending:
            report.reject(fault)
        pending.clear()
        try:
            document = _of_row(record, columns[names], location, report)
        except DataError as error:
            report.reject(error)
            continue
        if NOBODY.fullmatch(document.user_id) or document.text in REMOVED:
            found = repr(document.user_id)
            report.skip(location.error(columns[names]["user"], found, "an author", "deleted, or of a robot"))
            continue
        report.kept += 1
        yield document
    if pending and not columns:
        raise pending[0]
    for fault in pending:
        report.reject(fault)


def columns_of(names: Sequence[str], chosen: dict[str, str], location: Location) -> dict[str, str]:
    """The column of each key of `COLUMNS`.

    names: the table's columns.
    chosen: column names that the user gave, by key.

    Raises DataError where there is no column for the user or the text, or a chosen one does not exist.
    """
    columns = {"user": "id"} if tuple(names) == BLOG_CORPUS and "user" not in chosen else {}
    lowered = {str(name).lower(): name for name in reversed(names)}
    for kind, known in COLUMNS.items():
        name = chosen.get(kind) or next((lowered[k] for k in known if k in lowered), None)
        if name is not None and name not in names:
            raise location.error(None, f"the columns {', '.join(names)}"[:300], f"a column {name!r}", "missing column")
        if name is not None:
            columns[kind] = name
    for kind in ("user", "text"):
        if kind not in columns:
            expected = f"one for the {kind}: --{kind} NAME, or a column named {', '.join(COLUMNS[kind])}"
            raise location.error(None, f"the columns {', '.join(names)}"[:300], expected, "missing column")
    return columns


def _of_row(record: dict[str, Any], columns: dict[str, str], location: Location, report: LoadReport) -> Document:
    """A row as a document; an invalid date or rating is noted and ignored. Raises DataError for a bad user or text."""

    def optional(kind: str) -> str | None:
        return optional_text(record, columns[kind], location) if kind in columns else None

    def if_valid(kind: str, read: Callable[[dict[str, Any], str, Location], Value | None]) -> Value | None:
        try:
            return read(record, columns[kind], location) if kind in columns else None
        except DataError as error:
            error.reason = f"invalid {kind}, ignored"
            report.note(error)
            return None

    return Document(
        user_id=required_id(record, columns["user"], location),
        text=required_text(record, columns["text"], location).strip(),
        title=(optional("title") or "").strip() or None,
        date=if_valid("date", optional_date),
        item_id=optional_id(record, columns["item"], location) if "item" in columns else None,
        rating=if_valid("rating", optional_number),
    )


def _usable(documents: Iterable[Document], settings: ConversionSettings, report: LoadReport) -> Iterator[Document]:
    """The documents that are long enough, each with a new unique id and, if the settings ask for it, a hashed user."""
    for number, document in enumerate(documents, 1):
        if len(split_words(document.text)) < settings.min_words:
            _skip(f"shorter than {settings.min_words} words", report)
            continue
        user = document.user_id
        if settings.hash_users:
            user = "u" + hashlib.sha256(user.encode()).hexdigest()[:16]
        yield replace(document, user_id=user, id=f"d{number:06d}")


def by_user(
    documents: Iterable[Document], settings: ConversionSettings, report: LoadReport
) -> dict[str, list[Document]]:
    """Each user's documents in order of date, without near-duplicates; users with too few are skipped."""
    users: dict[str, list[Document]] = {}
    for document in documents:
        users.setdefault(document.user_id, []).append(document)
    kept = {}
    for user in sorted(users):
        by_date = sorted(users[user], key=lambda d: d.date or "")
        unique = [by_date[i] for i in without_copies([d.text for d in by_date])]
        _skip("near-duplicate of another document of its user", report, len(by_date) - len(unique))
        if len(unique) >= settings.min_documents:
            kept[user] = unique
        else:
            _skip(f"of a user with fewer than {settings.min_documents} documents", report, len(unique))
    return kept


def _skip(reason: str, report: LoadReport, count: int = 1) -> None:
    """Count valid rows as skipped that were counted as kept."""
    if count:
        report.kept -= count
        report.skipped[reason] += count


def _leave_one_out(
    users: dict[str, list[Document]], settings: ConversionSettings, mail: bool
) -> dict[str, list[dict[str, Any]]]:
    """Assign users to splits in the order of their hashes, at least one to each."""
    order = sorted(users, key=_hash)
    counts = {split: max(1, round(SHARES[split] * len(order))) for split in ("val", "test")}
    ends = {"test": counts["test"], "val": counts["test"] + counts["val"], "train": len(order)}
    examples: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    start = 0
    for split, end in ends.items():
        for user in order[start:end]:
            targets = sorted(users[user], key=lambda d: _hash(d.text))[: settings.per_user]
            examples[split] += [e for d in targets if (e := _example(d, settings.task, mail)) is not None]
        start = end
    return examples


def _dated(users: dict[str, list[Document]], report: LoadReport) -> dict[str, list[Document]]:
    """The documents that have a date: without one it is unknown what was written earlier."""
    dated = {user: [d for d in documents if d.date is not None] for user, documents in users.items()}
    _skip("without a date", report, sum(len(users[user]) - len(documents) for user, documents in dated.items()))
    return dated


def _by_time(
    users: dict[str, list[Document]], settings: ConversionSettings, mail: bool
) -> dict[str, list[dict[str, Any]]]:
    """Take the users' last documents as targets; a target needs at least one earlier document."""
    examples: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    for documents in users.values():
        for split, target in zip(reversed(SPLITS), reversed(documents), strict=False):
            earlier = any(written_before(d, str(target.date)) for d in documents)
            example = _example(target, settings.task, mail) if earlier else None
            if example is not None:
                examples[split].append(example | {"date": target.date})
    return examples


def _example(document: Document, task: str, mail: bool) -> dict[str, Any] | None:
    """An example with the document as its target; None where too little is left to write."""
    text, title = document.text, document.title
    if mail or title is None:
        opening, rest = _split_opening(text)
        if not rest:
            return None
        start = f"Complete the text of the following email. title: {title or ''}. text: {opening}"
        prompt, output = (start if mail else f'Complete the text that begins: "{opening}"'), rest
    else:
        rated = "" if document.rating is None else f" and a rating of {document.rating:g}"
        prompt, output = f'Write the text with the title "{title}"{rated}.', text
    item = {} if document.item_id is None else {"item_id": document.item_id}
    return item | {
        "id": f"{task}-{document.id}",
        "user_id": document.user_id,
        "task": task,
        "input": prompt,
        "output": output,
        "document_id": document.id,
    }


def _split_opening(text: str) -> tuple[str, str]:
    """Split a text into its opening and the rest; inner white space is kept."""
    words = split_words(text)
    opening_words = max(1, round(OPENING * len(words)))
    end = 0
    for word in words[:opening_words]:
        end = text.index(word, end) + len(word)
    return text[:end], text[end:].strip()


def _record(document: Document) -> dict[str, Any]:
    return {name: value for name, value in asdict(document).items() if value is not None}


def _write(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
