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

from penname.data.dates import optional_date
from penname.data.json_rows import row_of_line
from penname.data.load_report import LoadReport
from penname.data.records import (
    Document,
    Example,
    Location,
    list_of_records,
    optional_id,
    optional_number,
    optional_text,
    required_id,
    required_text,
    written_before,
)
from penname.data.rows import decode, read_rows
from penname.errors import DataError

DOCUMENTS_FILE = "documents.jsonl"
EXAMPLE_FIELDS = (
    *("id", "user_id", "task", "input", "output"),
    *("profile", "query", "date", "item_id", "document_id", "reasoning"),
)
DOCUMENT_FIELDS = tuple(f.name for f in fields(Document))


def read_examples(folder: Path, files: Sequence[Path], task: str | None, report: LoadReport) -> Iterator[Example]:
    """The examples of one split.

    folder: where `documents.jsonl` is.
    files: the split's files.
    task: replaces the task of every example; None for the task that each example names.
    report: counts the rows of both and collects their faults.
    """
    documents = DocumentsFile(folder / DOCUMENTS_FILE, report)
    seen: dict[str, int] = {}
    for path in files:
        for line, record in read_rows(path, report):
            location = Location(path, line)
            try:
                example = _example(record, location, task, documents)
                if example.id in seen:
                    found = f"{example.id!r} again (first on line {seen[example.id]})"
                    raise location.error("id", found, "a unique id", "repeated id")
            except DataError as error:
                report.reject(error)
                continue
            seen[example.id] = line
            report.kept += 1
            document_id = optional_id(record, "document_id", location)
            if (
                document_id is not None
                and record.get("profile") is None
                and not documents.has(example.user_id, document_id)
            ):
                found = f"{document_id!r}, no document of user {example.user_id!r} in {DOCUMENTS_FILE}"
                report.note(location.error("document_id", found, "the document of the output", "unknown document_id"))
            yield example


def document_of(record: dict[str, Any], location: Location) -> Document:
    """A record as a document. Raises DataError for an unknown or invalid field."""
    _refuse_unknown(record, DOCUMENT_FIELDS, location)
    optional = {name: optional_text(record, name, location) for name in ("title", "description")}
    ids = {name: optional_id(record, name, location) for name in ("id", "item_id")}
    rating = record.get("rating")
    if isinstance(rating, str):
        raise location.error("rating", repr(rating)[:80], "a number")
    return Document(
        user_id=required_id(record, "user_id", location),
        text=required_text(record, "text", location),
        date=optional_date(record, "date", location),
        rating=optional_number(record, "rating", location),
        **optional,
        **ids,
    )


class DocumentsFile:
    """The documents of many users in one file; memory holds only the offsets of each user's lines.

    path: the file; one that does not exist holds no documents.
    report: counts each line as a row and collects the file's faults.

    Raises DataError where only a gzipped file exists.
    """

    def __init__(self, path: Path, report: LoadReport) -> None:
        self._path = path
        self._positions: dict[str, list[tuple[int, int]]] = {}
        self._last_read: tuple[str, list[Document]] = ("", [])
        if path.is_file():
            self._index(report)
        elif path.with_name(f"{path.name}.gz").is_file():
            raise DataError(
                f"{path}.gz",
                found="a gzip file",
                expected=f"{path.name}, decompressed so that it can be read from any line",
            )

    def _index(self, report: LoadReport) -> None:
        start = 0
        first_lines: dict[int, int] = {}  # keyed by hashes, which take less memory than the ids of many documents
        with self._path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                for document in _documents_of_line(raw, self._path, number, report):
                    first = number if document.id is None else first_lines.setdefault(_key(document), number)
                    if first != number:
                        found = f"{document.id!r} again of user {document.user_id!r} (first on line {first})"
                        report.reject(
                            Location(self._path, number).error("id", found, "a unique id", "repeated document id")
                        )
                        continue
                    self._positions.setdefault(document.user_id, []).append((number, start))
                    report.kept += 1
                start += len(raw)

    def has(self, user_id: str, document_id: str) -> bool:
        """Whether the user has a document with this id."""
        return any(document.id == document_id for document in self.of_user(user_id))

    def of_user(self, user_id: str) -> list[Document]:
        """The user's documents, in the file's order."""
        if self._last_read[0] != user_id:
            self._last_read = (user_id, list(self._read(self._positions.get(user_id, []))))
        return self._last_read[1]

    def _read(self, lines: list[tuple[int, int]]) -> Iterator[Document]:
        if not lines:
            return
        with self._path.open("rb") as file:
            for number, start in lines:
                file.seek(start)
                yield from _documents_of_line(file.readline(), self._path, number, LoadReport())


def _key(document: Document) -> int:
    return hash((document.user_id, document.id))


def _documents_of_line(raw: bytes, path: Path, number: int, report: LoadReport) -> Iterator[Document]:
    line = decode(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, path, number, report)
    if not line.strip():
        return
    for _, record in row_of_line(path, report, (number, line)):
        try:
            yield document_of(record, Location(path, number))
        except DataError as error:
            report.reject(error)


def _example(record: dict[str, Any], location: Location, task: str | None, documents: DocumentsFile) -> Example:
    _refuse_unknown(record, EXAMPLE_FIELDS, location)
    user_id = required_id(record, "user_id", location)
    date = optional_date(record, "date", location)
    if record.get("profile") is None:
        target = optional_id(record, "document_id", location)
        profile = [
            document
            for document in documents.of_user(user_id)
            if (target is None or document.id != target) and (date is None or written_before(document, date))
        ]
    else:
        profile = []
        for i, item in enumerate(list_of_records(record["profile"], "profile", location)):
            if not isinstance(item, dict):
                raise location.error(f"profile[{i}]", type(item).__name__, "a document")
            inside = location.inside(f"profile[{i}].")
            document = document_of({"user_id": user_id, **item}, inside)
            if document.user_id != user_id:
                raise inside.error("user_id", repr(document.user_id)[:80], f"none, or the example's {user_id!r}"[:80])
            profile.append(document)
    return Example(
        id=required_id(record, "id", location),
        user_id=user_id,
        task=task or required_text(record, "task", location),
        input=required_text(record, "input", location),
        output=required_text(record, "output", location),
        profile=tuple(profile),
        query=optional_text(record, "query", location),
        date=date,
        item_id=optional_id(record, "item_id", location),
        reasoning=optional_text(record, "reasoning", location),
    )


def _refuse_unknown(record: dict[str, Any], known: tuple[str, ...], location: Location) -> None:
    for name in record:
        if name not in known:
            raise location.error(str(name), "an unknown field", f"one of {', '.join(known)}", "unknown field")
