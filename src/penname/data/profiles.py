"""Reads one user's documents, to write for that user: from a file, or from a folder of files of any kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from penname.data import front_matter, markdown
from penname.data.encodings import encodings_of
from penname.data.files.document import DOCUMENT_SUFFIXES, TEXT_SUFFIXES, document_of_file, is_document
from penname.data.files.kinds import SUFFIXES
from penname.data.jsonl import document_of
from penname.data.listing import some_of
from penname.data.load_report import LoadReport
from penname.data.readers.choice import reader_of_export
from penname.data.records import Document, Location
from penname.data.rows import open_bytes, read_rows
from penname.errors import DataError


def load_profile(path: Path, user_id: str = "user", say: Callable[[str], None] = lambda line: None) -> list[Document]:
    """Read one user's documents; empty text files are skipped.

    path: a JSONL file with a `text` in each row, a document (.txt, .md, .docx, .pdf, .html, .rtf or .epub), or a folder
        of documents.
    user_id: the user of documents whose row names none.
    say: called with a line for what is guessed, and for files that are not read.

    Raises DataError for the first fault of a file, and for a folder with files of which none can be read.
    """
    if path.is_dir():
        return _of_folder(path, user_id, say)
    report = LoadReport(strict=True, on_problem=say)
    encodings = encodings_of([path], say)
    if is_document(path.suffix.lower(), _head(path)):
        document = _document(path, user_id, report, encodings)
        return [document] if document.text else []
    try:
        rows = list(read_rows(path, report, default_suffix=".jsonl", encoding=encodings.get(str(path))))
    except DataError as error:
        if error.reason == "no row":  # a user who has written nothing yet
            return []
        raise
    return [document_of({"user_id": user_id, **record}, Location(path, line)) for line, record in rows]


def _of_folder(folder: Path, user_id: str, say: Callable[[str], None]) -> list[Document]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    documents = [file for file in files if is_document(file.suffix.lower(), _head(file))]
    encodings = encodings_of([file for file in documents if file.suffix.lower() not in SUFFIXES], say)
    readable = set(documents)
    found: list[Document] = []
    unread: dict[str, list[str]] = {}
    for file in files:
        try:
            if file not in readable:
                raise DataError(file, found="another kind of file", expected=f"one of {', '.join(DOCUMENT_SUFFIXES)}")
            report = LoadReport(strict=True, on_problem=say)
            found.append(_document(file, user_id, report, encodings))
        except (DataError, OSError) as error:
            unread.setdefault(_cause(error, file), []).append(file.name)
    lines = [f"{some_of(names)}: {cause}" for cause, names in unread.items()]
    if unread and not found:
        raise DataError(folder, found=f"no file that can be read; {'; '.join(lines)}", expected="the user's documents")
    for line in lines:
        say(f"not read of the profile: {line}")
    return [document for document in found if document.text]


def _document(file: Path, user_id: str, report: LoadReport, encodings: Mapping[str, str]) -> Document:
    suffix = file.suffix.lower()
    if suffix in TEXT_SUFFIXES and (reader := reader_of_export(file)) is not None:
        expected = "texts of one user alone, as penname data convert makes of it for one author"
        raise DataError(file, found=f"{reader.name}, which has others' words", expected=expected)
    document = document_of_file(file, user_id, report, encoding=encodings.get(str(file)))
    document = front_matter.applied(document, file, report)[0]
    is_markdown = suffix in markdown.SUFFIXES
    return replace(document, text=markdown.without_quotes(document.text)) if is_markdown else document


def _head(file: Path) -> bytes:
    """A file's first bytes; none of one that cannot be read, which its reader names."""
    try:
        with open_bytes(file) as opened:
            return opened.peek()[: 2**16]
    except OSError:
        return b""


def _cause(error: DataError | OSError, file: Path) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).removeprefix(f"{file}: ")
