"""Finds the reader of a file or folder by what is in it."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from penname.data.load_report import LoadReport
from penname.data.readers import (
    chatgpt,
    conversations,
    discord,
    discord_package,
    facebook,
    facebook_posts,
    google_chat,
    mail,
    matrix,
    signal,
    signal_cli,
    signal_markdown,
    slack,
    tables,
    telegram,
    texts,
    whatsapp,
)
from penname.data.readers.base import ARCHIVE_ERRORS, Reader, ReadingSettings, SourceFile, SourceText, source_files
from penname.errors import DataError

READERS: tuple[Reader, ...] = (
    telegram.READER,
    whatsapp.READER,
    signal.READER,
    signal_cli.READER,
    signal_markdown.READER,
    slack.READER,
    discord.READER,
    discord_package.READER,
    matrix.READER,
    facebook.READER,
    facebook_posts.READER,
    google_chat.READER,
    chatgpt.READER,
    conversations.READER,
    mail.READER,
    tables.READER,
    texts.READER,
)
"""The readers in the order in which they are asked: those that recognize a file by its name alone come last."""

_BACKUPS = (tables.READER, texts.READER)
"""Formats that are not read of an archive that is one of a folder's files: there it may be a backup of these."""


def read_texts(path: Path, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The texts of a file, a folder or an archive, in the format that most of its files have; other files are noted.

    Raises DataError where there is none of a known format, or a fault of a whole file.
    """
    reader, files, others = find_reader(path)
    if len(files) + len(others) > 1 or reader not in (tables.READER, texts.READER):
        settings.say(f"{path}: {reader.name}" + (f" in {len(files):,} files" if len(files) > 1 else ""))
    for other in (other for other in others if other.name not in reader.companions):
        found = "a file that is not read"
        report.note(DataError(other.path, found=found, expected=reader.looks_for, reason="files of another kind"))
    for file in files:
        yield from reader.read(file, settings, report)


def bytes_of(path: Path) -> int:
    """The bytes that there are to read at `path`: of an archive those of its files, and otherwise those on the disk."""
    files = [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sum(map(_bytes_of_file, files))


def _bytes_of_file(file: Path) -> int:
    if file.suffix.lower() == ".zip":
        with suppress(OSError, *ARCHIVE_ERRORS), zipfile.ZipFile(file) as archive:
            return sum(member.file_size for member in archive.infolist())
    return file.stat().st_size


def find_reader(path: Path) -> tuple[Reader, list[SourceFile], list[SourceFile]]:
    """The reader of most files at `path`, these files, and the others.

    Raises DataError where no reader recognizes any of them.
    """
    files = source_files(path)
    readers = [_reader_of(file) for file in files]
    counts = _counts(files, readers)
    if not counts:
        raise _unknown(path, files)
    archive = any(mail.AVOCADO_MAIL.search(file.name) for file in files)  # its attachments are texts too
    reader = mail.READER if archive else counts.most_common(1)[0][0]
    of_reader = [file for file, found in zip(files, readers, strict=True) if found is reader]
    if reader is texts.READER:
        of_reader = [file for file in of_reader if len(file.parts) > 1] or of_reader  # USER/NAME.txt, or one author's
    chosen = set(map(id, of_reader))
    return reader, of_reader, [file for file in files if id(file) not in chosen]


def _counts(files: list[SourceFile], readers: list[Reader | None]) -> Counter[Reader]:
    """How many files each reader has; an export's companions, and other JSON beside it, are no tables or texts."""
    found = list(zip(files, readers, strict=True))
    exports = {reader for reader in readers if reader is not None and reader not in _BACKUPS}
    companions = {name for reader in exports for name in reader.companions}
    as_json = any(reader in exports and _is_json(file) for file, reader in found)
    return Counter(
        reader
        for file, reader in found
        if reader in exports or (reader and file.name not in companions and not (as_json and _is_json(file)))
    )


def _is_json(file: SourceFile) -> bool:
    return file.suffix in (".json", ".jsonl")


def _reader_of(file: SourceFile) -> Reader | None:
    found = next((reader for reader in READERS if reader.recognizes(file)), None)
    return None if file.in_archive and found in _BACKUPS else found


def _unknown(path: Path, files: list[SourceFile]) -> DataError:
    found = f"{len(files):,} files" if path.is_dir() or len(files) != 1 else f"a file named {files[0].name}"
    expected = "; or ".join(f"{reader.name} ({reader.looks_for})" for reader in READERS)
    return DataError(path, found=f"{found} of no known format", expected=expected, reason="unknown format")
