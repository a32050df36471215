"""Reads folders of text files, each of which is a document: `USER/NAME.txt`, or the texts of one author.

Front matter, as posts of blogs in Markdown have it, tells a text's author, title and date.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from penname.data import front_matter
from penname.data.jsonl import TEXT_SUFFIXES, document_of_file
from penname.data.load_report import LoadReport
from penname.data.readers.base import ARCHIVE_ERRORS, Reader, ReadingSettings, SourceFile, SourceText
from penname.data.records import tidy
from penname.errors import DataError


def recognizes(file: SourceFile) -> bool:
    """Whether its name is a text's."""
    return file.suffix in TEXT_SUFFIXES


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The document; its author is in its front matter, or the first folder below the one that is read, or that one."""
    report.rows += 1
    author = file.parts[0] if len(file.parts) > 1 else settings.author or file.path.absolute().parent.name
    try:
        title = _printable(file.path.stem) if settings.titles_from_names else None
        document = document_of_file(file.place, _printable(author), report, title)
        document, fields = front_matter.applied(document, file.place, report)
    except (OSError, *ARCHIVE_ERRORS) as error:
        found = getattr(error, "strerror", None) or str(error)[:80]
        report.reject(DataError(file.path, found=found, expected="a readable file", reason="unreadable file"))
        return
    except DataError as error:
        report.reject(error)
        return
    if front_matter.is_draft(fields):
        report.skip(DataError(file.path, found="a draft", expected="a published text", reason="draft"))
        return
    if not document.text:
        report.skip(DataError(file.path, found="no text", expected="a text", reason="empty text"))
        return
    report.kept += 1
    named = front_matter.author_in(fields)
    yield SourceText(replace(document, user_id=named) if named else document)


def _printable(name: str) -> str:
    """A file's name with undecodable bytes replaced."""
    return tidy(name.encode(errors="surrogateescape").decode(errors="replace"))


READER = Reader("texts", "USER/NAME.txt", recognizes, read)
