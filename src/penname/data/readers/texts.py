"""Reads folders of files each of which is a document: `USER/NAME.txt`, or the texts of one author.

Beside plain text these are Word, PDF, HTML, RTF and EPUB files. Front matter, as posts of blogs in Markdown have it,
tells a text's author, title and date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from penname.data import front_matter, markdown
from penname.data.files.document import TEXT_SUFFIXES, document_of_file, is_document
from penname.data.files.kinds import EXTRA, kind_of
from penname.data.load_report import LoadReport
from penname.data.readers.base import ARCHIVE_ERRORS, Reader, ReadingSettings, SourceFile, SourceText, owner
from penname.data.records import tidy
from penname.errors import DataError


def recognizes(file: SourceFile) -> bool:
    """Whether its name is a text's, or its content that of a document."""
    return is_document(file.suffix, file.head)


def check_libraries(path: Path, files: Sequence[SourceFile]) -> None:
    """Raise DataError where all files are of kinds whose libraries are missing."""
    kinds = set()
    for file in files:
        kind = kind_of(file.head, file.suffix, is_text=file.suffix in TEXT_SUFFIXES)
        if kind is None or kind.is_readable:
            return
        kinds.add(kind.name)
    raise DataError(path, found=f"{len(files):,} files, each {' or '.join(sorted(kinds))}", expected=EXTRA)


def read(file: SourceFile, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The document; its author is in its front matter, or the first folder below the one that is read, or that one."""
    report.rows += 1
    author = file.parts[0] if len(file.parts) > 1 else owner(file, settings)
    try:
        title = _printable(file.path.stem) if settings.titles_from_names else None
        encoding = settings.encoding_of(file.place)
        document = document_of_file(file.place, _printable(author), report, title, encoding)
        document, fields = front_matter.applied(document, file.place, report)
        if file.suffix in markdown.SUFFIXES:
            document = replace(document, text=markdown.without_quotes(document.text))
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


READER = Reader("texts", "USER/NAME.txt, or .md, .docx, .pdf, .html, .rtf, .epub", recognizes, read)
