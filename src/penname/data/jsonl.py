"""penname's own format: one file of examples for each split, with users' documents inline or in `documents.jsonl`.

An example: `{"id", "user_id", "task", "input", "output", "profile"?, "query"?, "date"?, "item_id"?, "document_id"?,
"reasoning"?}`.
A profile that is not inline consists of the user's documents in `documents.jsonl`, without the document that the output
was taken from (`document_id`) and, for an example with a date, without those not known to be earlier.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from penname.data.records import (
    MOST_CHARACTERS,
    Document,
    Example,
    Place,
    list_of_records,
    optional_date,
    optional_number,
    optional_text,
    required_text,
    written_before,
)
from penname.data.report import Report
from penname.data.rows import decode, read_lines, read_rows, row_of_line
from penname.errors import DataError

TEXT_SUFFIXES = (".txt", ".md")
DOCUMENTS_FILE = "documents.jsonl"
EXAMPLE_FIELDS = (
    *("id", "user_id", "task", "input", "output"),
    *("profile", "query", "date", "item_id", "document_id", "reasoning"),
)
DOCUMENT_FIELDS = tuple(f.name for f in fields(Document))


def read_examples(folder: Path, files: Sequence[Path], task: str | None, report: Report) -> Iterator[Example]:
    """The examples of one split.

    folder: where `documents.jsonl` is.
    files: the split's files.
    task: replaces each example's own task.
    """
    documents = DocumentsFile(folder / DOCUMENTS_FILE, report)
    seen: dict[str, int] = {}
    for path in files:
        for line, record in read_rows(path, report):
            place = Place(path, line)
            try:
                example = _example(record, place, task, documents)
                if example.id in seen:
                    found = f"{example.id!r} again (first on line {seen[example.id]})"
                    raise place.error("id", found, "a unique id", "repeated id")
            except DataError as error:
                report.bad(error)
                continue
            seen[example.id] = line
            report.kept += 1
            document_id = record.get("document_id")
            if (
                document_id is not None
                and record.get("profile") is None
                and not documents.has(example.user_id, str(document_id))
            ):
                found = f"{document_id!r}, no document of user {example.user_id!r} in {DOCUMENTS_FILE}"
                report.note(place.error("document_id", found, "the output's document", "unknown document_id"))
            yield example


def load_profile(path: Path, user_id: str = "user") -> list[Document]:
    """Read one user's documents; empty text files are left out.

    path: a JSONL file with a `text` in each row, a .txt or .md file, or a folder of text files.
    user_id: the documents' user, where a row does not say.

    Raises DataError for the first fault.
    """
    report = Report(strict=True)
    if path.is_dir() or path.suffix.lower() in TEXT_SUFFIXES:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        texts = [f for f in files if f.suffix.lower() in TEXT_SUFFIXES and f.is_file()]
        return [document for f in texts if (document := document_of_file(f, user_id, report)).text]
    try:
        rows = list(read_rows(path, report, otherwise=".jsonl"))
    except DataError as error:
        if error.reason == "no row":  # a user who has written nothing yet
            return []
        raise
    return [document_of({"user_id": user_id, **record}, Place(path, line)) for line, record in rows]


def document_of_file(file: Path, user_id: str, report: Report) -> Document:
    """A text file as a document."""
    text = "".join(line for _, line in read_lines(file, report)).strip()
    if len(text) > MOST_CHARACTERS:
        found = f"a text of {len(text):,} characters"
        raise DataError(file, found=found, expected=f"at most {MOST_CHARACTERS:,}", reason="text too long")
    return Document(user_id=user_id, text=text, id=file.name, title=file.stem)


def document_of(record: dict[str, Any], place: Place) -> Document:
    """A record as a document. Raises DataError for an unknown or invalid field."""
    _refuse_unknown(record, DOCUMENT_FIELDS, place)
    optional = {name: optional_text(record, name, place) for name in ("id", "title", "item_id", "description")}
    rating = record.get("rating")
    if isinstance(rating, str):
        raise place.error("rating", repr(rating)[:80], "a number")
    return Document(
        user_id=required_text(record, "user_id", place),
        text=required_text(record, "text", place),
        date=optional_date(record, "date", place),
        rating=optional_number(record, "rating", place),
        **optional,
    )


class DocumentsFile:
    """The documents of many users in one file; memory holds only the offsets of each user's lines.

    path: a file that does not exist holds no documents.
    report: receives the file's faults; a line is a row.
    """

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self._starts: dict[str, list[tuple[int, int]]] = {}
        self._last: tuple[str, list[Document]] = ("", [])
        if path.is_file():
            self._index(report)
        elif path.with_name(f"{path.name}.gz").is_file():
            raise DataError(f"{path}.gz", found="a gzip file", expected=f"{path.name} unpacked, to read from any line")

    def _index(self, report: Report) -> None:
        start = 0
        first_lines: dict[int, int] = {}  # keyed by a hash: many ids would take more memory
        with self._path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                for document in _documents_of_line(raw, self._path, number, report):
                    first = number if document.id is None else first_lines.setdefault(_key(document), number)
                    if first != number:
                        found = f"{document.id!r} again of user {document.user_id!r} (first on line {first})"
                        report.bad(Place(self._path, number).error("id", found, "a unique id", "repeated document id"))
                        continue
                    self._starts.setdefault(document.user_id, []).append((number, start))
                    report.kept += 1
                start += len(raw)

    def has(self, user_id: str, document_id: str) -> bool:
        return any(document.id == document_id for document in self.of_user(user_id))

    def of_user(self, user_id: str) -> list[Document]:
        """The user's documents, in the file's order."""
        if self._last[0] != user_id:
            self._last = (user_id, list(self._read(self._starts.get(user_id, []))))
        return self._last[1]

    def _read(self, starts: list[tuple[int, int]]) -> Iterator[Document]:
        if not starts:
            return
        with self._path.open("rb") as file:
            for number, start in starts:
                file.seek(start)
                yield from _documents_of_line(file.readline(), self._path, number, Report())


def _key(document: Document) -> int:
    return hash((document.user_id, document.id))


def _documents_of_line(raw: bytes, path: Path, number: int, report: Report) -> Iterator[Document]:
    line = decode(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, path, number, report)
    if not line.strip():
        return
    for _, record in row_of_line(path, report, (number, line)):
        try:
            yield document_of(record, Place(path, number))
        except DataError as error:
            report.bad(error)


def _example(record: dict[str, Any], place: Place, task: str | None, documents: DocumentsFile) -> Example:
    _refuse_unknown(record, EXAMPLE_FIELDS, place)
    user_id = required_text(record, "user_id", place)
    date = optional_date(record, "date", place)
    if record.get("profile") is None:
        target = optional_text(record, "document_id", place)
        profile = [
            document
            for document in documents.of_user(user_id)
            if (target is None or document.id != target) and (date is None or written_before(document, date))
        ]
    else:
        profile = []
        for i, item in enumerate(list_of_records(record["profile"], "profile", place)):
            if not isinstance(item, dict):
                raise place.error(f"profile[{i}]", type(item).__name__, "a document")
            inside = place.inside(f"profile[{i}].")
            document = document_of({"user_id": user_id, **item}, inside)
            if document.user_id != user_id:
                raise inside.error("user_id", repr(document.user_id)[:80], f"none, or the example's {user_id!r}"[:80])
            profile.append(document)
    return Example(
        id=required_text(record, "id", place),
        user_id=user_id,
        task=task or required_text(record, "task", place),
        input=required_text(record, "input", place),
        output=required_text(record, "output", place),
        profile=tuple(profile),
        query=optional_text(record, "query", place),
        date=date,
        item_id=optional_text(record, "item_id", place),
        reasoning=optional_text(record, "reasoning", place),
    )


def _refuse_unknown(record: dict[str, Any], known: tuple[str, ...], place: Place) -> None:
    for name in record:
        if name not in known:
            raise place.error(str(name), "an unknown field", f"one of {', '.join(known)}", "unknown field")
