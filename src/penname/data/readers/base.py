"""What readers of users' texts have in common: the files that they get, and the texts that they yield.

A reader is for one format, told by the content of a file wherever that can be, as names change. It reads one file at a
time, row by row, and counts every row in a `LoadReport`: as kept, or as skipped for a reason.
"""

from __future__ import annotations

import codecs
import io
import re
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from penname.data.dates import DateColumn
from penname.data.load_report import LoadReport
from penname.data.records import Document, Location, Place, tidy, too_long
from penname.data.rows import ARCHIVE_ERRORS, open_bytes
from penname.errors import DataError

Value = TypeVar("Value")

HEAD_BYTES = 2**16
"""Length of a file's beginning by which its format is told."""


@dataclass(frozen=True)
class SourceText:
    """A text that a reader has found.

    document: the text with its author and metadata.
    answers: the text that it answers, where the reader knows it.
    other_names: other names of its author, such as an account's id beside the name that is shown.
    message_id: what other texts name it by, where they say by name what they answer.
    reply_to: the `message_id` of the text that it answers.
    is_email: whether it is an email.
    people: others who are named with it, such as those to whom it was sent.
    account: what tells its author from others of the same name; None where `document.user_id` does.
    """

    document: Document
    answers: str | None = None
    other_names: tuple[str, ...] = ()
    message_id: str | None = None
    reply_to: str | None = None
    is_email: bool = False
    people: tuple[str, ...] = ()
    account: str | None = None


@dataclass
class Accounts:
    """The accounts that have written, to tell those apart that show the same name."""

    _of_names: dict[str, str] = field(default_factory=dict)

    def names(self, shown: str, account: str | None) -> tuple[str, ...]:
        """An author's names: first what is shown, with the account's id where another account has shown it before.

        account: its id; None where the export does not say.
        """
        if account is None or self._of_names.setdefault(shown, account) == account:
            return (shown,) if account is None else (shown, account)
        return f"{shown} ({account})", account, shown


@dataclass(frozen=True)
class ReadingSettings:
    """What a reader may be told about files.

    columns: (key of `COLUMNS`, column name) pairs, for a table's columns that are not recognized by name.
    titles_from_names: whether the names of text files, without their suffixes, are titles.
    author: who wrote the files that name no author; None for the name of the folder they are in.
    say: called with a line about how a file is read.
    encoding: that of tables and texts; None for UTF-8, or what a file that is not seems to be in.
    encodings: the encodings of files that are not UTF-8, by their paths.
    delimiter: what divides the cells of tables; None for what their first rows show.
    dates: how the dates of tables are read; None for what a column shows.
    accounts: those whose texts were read before.
    """

    columns: tuple[tuple[str, str], ...] = ()
    titles_from_names: bool = False
    author: str | None = None
    say: Callable[[str], None] = lambda line: None
    encoding: str | None = None
    encodings: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    dates: DateColumn | None = None
    accounts: Accounts = field(default_factory=Accounts)

    def encoding_of(self, place: Place) -> str | None:
        """The encoding of a file; None for UTF-8."""
        return self.encoding or self.encodings.get(str(place))


class SourceFile:
    """A file that is to be read, of a folder or of a zip archive.

    place: where it is.
    parts: the folders below the one that is read, and the file's name.
    in_archive: whether it is in an archive that is in the folder, so that it may be a backup of other files.
    """

    def __init__(self, place: Place, parts: tuple[str, ...], in_archive: bool = False) -> None:
        self.place = place
        self.parts = parts
        self.in_archive = in_archive

    @property
    def path(self) -> Path:
        """Its path, for messages; in an archive it goes on behind the archive's."""
        return Path(str(self.place))

    @property
    def name(self) -> str:
        """Its name, without folders."""
        return self.parts[-1]

    @property
    def suffix(self) -> str:
        """The end of its name in lower case, such as `.txt`."""
        return Path(self.name).suffix.lower()

    @cached_property
    def head(self) -> bytes:
        """Its first bytes, decompressed; none of a file that cannot be read."""
        try:
            with open_bytes(self.place) as file:
                return file.read(HEAD_BYTES)
        except (OSError, *ARCHIVE_ERRORS):
            return b""

    @cached_property
    def head_text(self) -> str:
        """Its first letters: of UTF-16 where a byte order mark tells it, else of UTF-8."""
        marked = self.head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return self.head.decode("utf-16" if marked else "utf-8", "replace")

    def open(self, report: LoadReport) -> AbstractContextManager[io.BufferedReader]:
        """The file's bytes, decompressed; the report counts what is read of them."""
        return open_bytes(self.place, report)

    def beside(self, *names: str) -> SourceFile | None:
        """The file with this name in the same folder, or in one above (`..`); None where there is none."""
        place = self.place
        for name in ("..", *names):
            place = place.parent if name == ".." else place / name  # type: ignore[assignment]
        return SourceFile(place, names[-1:]) if place.is_file() else None


@dataclass(frozen=True)
class Reader:
    """A format in which programs write texts.

    name: what a file of this format is, with its article.
    looks_for: what tells the format, as messages say it.
    recognizes: whether a file is of this format.
    read: the texts of a file; a fault of the whole file is raised as DataError, that of a row goes into the report.
    companions: names of other files of such an export, which have no texts.
    decides: whether a file shows that the folder it is in is of this format, whatever else there is.
    """

    name: str
    looks_for: str
    recognizes: Callable[[SourceFile], bool]
    read: Callable[[SourceFile, ReadingSettings, LoadReport], Iterator[SourceText]]
    companions: tuple[str, ...] = ()
    decides: Callable[[SourceFile], bool] = lambda file: False


@dataclass
class Chat:
    """The messages of one chat as they are read, to know what each of them answers.

    A message answers the one that it names, of which nothing may be known. One that names none, or one by its own
    author, answers those that one other author has written right before it.
    """

    _recent: deque[tuple[str, str, str | None]] = field(default_factory=lambda: deque(maxlen=200))

    def add(self, author: str, text: str, message_id: str | None = None, reply_to: str | None = None) -> str | None:
        """Take the next message; the text that it answers, if any.

        author: who wrote it.
        message_id: what others may name it by.
        reply_to: the `message_id` of the message it names.
        """
        named = [(other, said) for other, said, known in self._recent if known is not None and known == reply_to]
        if reply_to is None or (named and named[-1][0] == author):
            answered = self._before(author)
        else:
            answered = named[-1][1] if named else None
        self._recent.append((author, text, message_id))
        return answered

    def _before(self, author: str) -> str | None:
        texts: list[str] = []
        other: str | None = None
        for before, text, _ in reversed(self._recent):
            if before == author or other not in (None, before):
                break
            other = before
            texts.append(text)
        return "\n".join(reversed(texts)) or None


def message(
    location: Location,
    report: LoadReport,
    author: str | None,
    text: str | None,
    date: str | None = None,
    *,
    title: str | None = None,
) -> Document | None:
    """A message, post or entry as a document, counted as kept; None for one that is skipped, counted as such.

    location: where it is.
    author: who wrote it; None where the export does not say.
    text: what was written; None or white space for a message without text, such as a picture.
    date: when, in ISO 8601.
    """
    text = tidy(text or "").strip().encode("utf-8", "replace").decode()
    author = tidy(" ".join((author or "").split())).encode("utf-8", "replace").decode()
    if not text:
        report.skip(location.error(None, "no text", "a text", "message without text"))
    elif not author:
        report.skip(location.error(None, "no author", "the author", "message without an author"))
    elif fault := too_long(text, location):
        report.reject(fault)
    else:
        report.kept += 1
        return Document(author, text, title=tidy(title or "").strip() or None, date=date)
    return None


def owner(file: SourceFile, settings: ReadingSettings, *inner: str) -> str:
    """Who wrote a file that names no author: whom the user names, or the name of the folder or archive it is in.

    inner: names of folders within an export, which are no author's.
    """
    folders = (parent.name for parent in file.path.absolute().parents)
    named = next(name for name in folders if name not in inner)
    return settings.author or re.sub(r"\.zip$", "", named, flags=re.IGNORECASE) or "owner"


def if_valid(
    kind: str,
    read: Callable[[Mapping[str, Any], str, Location], Value | None],
    record: Mapping[str, Any],
    name: str | None,
    location: Location,
    report: LoadReport,
) -> Value | None:
    """What `read` finds in the field `name` of a record; an invalid value is noted and ignored.

    kind: what it is, for the note.
    name: the field; None where there is none.
    """
    try:
        return None if name is None else read(record, name, location)
    except DataError as error:
        error.reason = f"invalid {kind}, ignored"
        report.note(error)
        return None


def source_files(path: Path) -> list[SourceFile]:
    """The files at `path`, sorted: those of a folder and of the archives in it, of an archive, or the file itself.

    Raises DataError where there is nothing, or an archive that cannot be opened.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return [found for file in files if _is_content(file.parts) for found in _of_file(file, path)]
    if not path.exists():
        raise DataError(path, found="no such file or folder", expected="users' texts")
    if path.suffix.lower() == ".zip":
        return _members(path, ())
    return [SourceFile(path, (path.name,))]


def _of_file(file: Path, folder: Path) -> Sequence[SourceFile]:
    parts = file.relative_to(folder).parts
    if file.suffix.lower() == ".zip":
        try:
            return _members(file, parts)
        except DataError:
            pass  # its reader names what is wrong with it
    return [SourceFile(file, parts)]


def _members(archive: Path, parts: tuple[str, ...]) -> list[SourceFile]:
    """The files in an archive.

    parts: the archive's, where it is one of a folder's files.

    Raises DataError for one that cannot be opened.
    """
    try:
        opened = zipfile.ZipFile(archive)
        names = sorted(name for name in opened.namelist() if not name.endswith("/"))
    except (OSError, *ARCHIVE_ERRORS) as error:
        found = f"a broken archive ({str(error)[:80]})"
        raise DataError(archive, found=found, expected="a zip archive", reason="broken archive") from None
    split = [(name, tuple(name.split("/"))) for name in names]
    return [
        SourceFile(zipfile.Path(opened, name), (*parts, *inner), bool(parts))
        for name, inner in split
        if _is_content(inner)
    ]


def _is_content(parts: tuple[str, ...]) -> bool:
    """Whether a file is one of the user's, and none that an operating system or Facebook has put there."""
    return "__MACOSX" not in parts and parts[-1] not in (".DS_Store", "Thumbs.db", "desktop.ini", "no-data.txt")
