"""Finds the reader of a file or folder by what is in it."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from penname.data.encodings import encodings_of
from penname.data.files.kinds import HTML, SUFFIXES
from penname.data.load_report import LoadReport
from penname.data.readers import (
    chatgpt,
    conversations,
    discord,
    discord_package,
    facebook,
    facebook_posts,
    feeds,
    google_chat,
    mail,
    mail_tables,
    mastodon,
    matrix,
    medium,
    reddit,
    signal,
    signal_cli,
    signal_markdown,
    slack,
    tables,
    telegram,
    texts,
    twitter,
    whatsapp,
    wordpress,
)
from penname.data.readers.base import (
    ARCHIVE_ERRORS,
    Accounts,
    Reader,
    ReadingSettings,
    SourceFile,
    SourceText,
    source_files,
)
from penname.data.readers.unread_chats import unread_chat
from penname.data.rows import table_suffix
from penname.errors import ArgumentError, DataError

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
    twitter.READER,
    mastodon.READER,
    reddit.READER,
    wordpress.READER,
    feeds.READER,
    medium.READER,
    mail.READER,
    mail_tables.READER,
    tables.READER,
    texts.READER,
)
"""The readers in the order in which they are asked: those that recognize a file by its name alone come last."""

_OF_OTHER_TABLES = ("missing column", "no row")
"""Why a table is no table of texts, which others beside it may be."""
_OF_ANY_ENCODING = (tables.READER, mail_tables.READER, texts.READER)
"""Formats that people write with programs of any age; what programs export is UTF-8, or names its encoding."""

_PAGES_OF_AN_EXPORT = 10
"""How many HTML pages count as much as one file of another kind: programs put some beside what they export."""

_BACKUPS = (tables.READER, texts.READER)
"""Formats that are not read of an archive that is one of a folder's files: there it may be a backup of these."""

_OUTLOOK = "mailboxes, which readpst of the package pst-utils makes of it: readpst -r -o FOLDER FILE"
_UNPACKED = "the files in it, unpacked"
_AS_CSV = "a table: save it as CSV"
_TO_CONVERT = {
    ".pst": _OUTLOOK,
    ".ost": _OUTLOOK,
    ".msg": "an .eml file, which msgconvert of the package libemail-outlook-message-perl makes of it: msgconvert FILE",
    ".olm": "mailboxes; Outlook for Mac saves a folder that is dragged to the desktop as .mbox",
    ".dbx": "mailboxes, which undbx or Thunderbird's import makes of it",
    ".tgz": _UNPACKED,
    ".tar": _UNPACKED,
    ".7z": _UNPACKED,
    ".rar": _UNPACKED,
    ".zst": "the file in it, decompressed by zstd with a long window",
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"), _AS_CSV),
}
"""What to make of files that are not read as they are, by the ends of their names."""


def read_texts(path: Path, settings: ReadingSettings, report: LoadReport) -> Iterator[SourceText]:
    """The texts of a file, a folder or an archive, in the format that most of its files have; other files are noted.

    Raises DataError where there is none of a known format, or a fault of a whole file, and ArgumentError for a setting
    that has no effect on files of the format.
    """
    reader, files, others = find_reader(path)
    _check_options(path, reader, files, settings)
    settings = replace(settings, accounts=Accounts())
    if len(files) + len(others) > 1 or reader not in (tables.READER, texts.READER):
        settings.say(f"{path}: {reader.name}" + (f" in {len(files):,} files" if len(files) > 1 else ""))
    if reader is texts.READER:
        texts.check_libraries(path, files)
    for other in (other for other in others if other.name not in reader.companions):
        found, expected = _not_read(other) or ("a file that is not read", reader.looks_for)
        report.note(DataError(other.path, found=found, expected=expected, reason="files of another kind"))
    if reader in _OF_ANY_ENCODING and settings.encoding is None:
        plain = [file.place for file in files if file.suffix not in (".parquet", *SUFFIXES)]
        settings = replace(settings, encodings=encodings_of(plain, settings.say))
    unfit: list[DataError] = []
    for file in files:
        rows, skipped = report.rows, report.skipped.total()
        try:
            yield from reader.read(file, settings, report)
        except DataError as error:
            if error.reason not in _OF_OTHER_TABLES:
                raise
            report.rows = rows + report.skipped.total() - skipped  # none of its other rows is a text
            unfit.append(error)
    if len(unfit) == len(files):
        raise unfit[0]
    for fault in unfit:
        report.note(fault)


def _check_options(path: Path, reader: Reader, files: list[SourceFile], settings: ReadingSettings) -> None:
    """Raise ArgumentError for a setting that has no effect on files of the reader's format."""
    is_divided = any(table_suffix(file.path) not in (None, ".json", ".jsonl", ".parquet") for file in files)
    of_tables = reader is tables.READER
    limited: list[tuple[str, object, bool, str]] = [
        *((kind, name, of_tables, "tables") for kind, name in settings.columns),
        ("delimiter", settings.delimiter, of_tables and is_divided, "tables whose cells a character divides"),
        ("date_format", settings.dates, of_tables, "tables"),
        ("encoding", settings.encoding, reader in _OF_ANY_ENCODING, "tables and texts"),
        (
            "titles_from_names",
            settings.titles_from_names or None,
            reader is texts.READER,
            "texts in files of their own",
        ),
    ]
    for argument, value, has_effect, what in limited:
        if value is not None and not has_effect:
            raise ArgumentError(argument, f"is for {what}; {path}: found {reader.name}")


def size_of(path: Path) -> int:
    """The bytes that there are to read at `path`: of an archive those of its files, and otherwise those on the disk."""
    files = [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sum(map(_size_of_file, files))


def _size_of_file(file: Path) -> int:
    if file.suffix.lower() == ".zip":
        with suppress(OSError, *ARCHIVE_ERRORS), zipfile.ZipFile(file) as archive:
            return sum(member.file_size for member in archive.infolist())
    return file.stat().st_size


def find_reader(path: Path) -> tuple[Reader, list[SourceFile], list[SourceFile]]:
    """The reader of most files at `path`, or the one that a file there decides for; its files, and the others.

    Raises DataError where no reader recognizes any of them.
    """
    files = source_files(path)
    readers = _without_sent_files(files, [_reader_of(file) for file in files])
    counts = _counts(files, readers)
    if not counts:
        raise _unknown(path, files)
    deciding = (known for known in READERS if counts[known] and any(map(known.decides, files)))
    reader = next(deciding, None) or max(READERS, key=lambda known: counts[known])  # the first of equal ones
    of_reader = [file for file, found in zip(files, readers, strict=True) if found is reader]
    if reader is texts.READER:
        in_folders = any(len(file.parts) > 1 for file in of_reader)  # USER/NAME.txt
        of_reader = [file for file in of_reader if len(file.parts) > 1 or not in_folders or _is_post(file)]
    chosen = set(map(id, of_reader))
    return reader, of_reader, [file for file in files if id(file) not in chosen]


def _counts(files: list[SourceFile], readers: list[Reader | None]) -> Counter[Reader]:
    """How many files each reader has, in tenths, where an HTML page counts as a tenth of a file.

    An export's companions, and other JSON beside it, are no tables or texts.
    """
    found = list(zip(files, readers, strict=True))
    exports = {reader for reader in readers if reader is not None and reader not in _BACKUPS}
    companions = {name for reader in exports for name in reader.companions}
    as_json = any(reader in exports and _is_json(file) for file, reader in found)
    counts: Counter[Reader] = Counter()
    for file, reader in found:
        is_other = file.name in companions or (as_json and _is_json(file))
        if reader in exports or (reader is not None and not is_other):
            counts[reader] += 1 if file.suffix in HTML.suffixes else _PAGES_OF_AN_EXPORT
    return counts


def _is_json(file: SourceFile) -> bool:
    return file.suffix in (".json", ".jsonl")


def _reader_of(file: SourceFile) -> Reader | None:
    found = next((reader for reader in READERS if reader.recognizes(file)), None)
    is_backup = file.in_archive and found in _BACKUPS
    return None if is_backup or (found is texts.READER and unread_chat(file)) else found


def reader_of_export(path: Path) -> Reader | None:
    """The reader of a file that a program has exported, with what several people wrote; None for any other file."""
    found = _reader_of(SourceFile(path, (path.name,)))
    return None if found in _BACKUPS else found


def _without_sent_files(files: list[SourceFile], readers: list[Reader | None]) -> list[Reader | None]:
    """The files' readers, with none for texts in the folder beside a chat's pages that has what was sent in it."""
    pages = (file for file, found in zip(files, readers, strict=True) if not found and file.suffix in HTML.suffixes)
    folders = {file.parts[:-1] for file in pages if unread_chat(file)}
    sent = {(*folder, "files") for folder in folders}
    are_sent = [any(file.parts[: len(folder)] == folder for folder in sent) for file in files]
    return [
        None if is_sent and found is texts.READER else found for is_sent, found in zip(are_sent, readers, strict=True)
    ]


def _is_post(file: SourceFile) -> bool:
    """Whether a text names its own author or date before it, as posts do, so that it needs no folder of its author."""
    return file.head.startswith((b"---", b"+++"))


def _not_read(file: SourceFile) -> tuple[str, str] | None:
    """What a file is that is not read as it is, and what to bring in its place; None for one of no known kind."""
    if file.suffix in _TO_CONVERT:
        return f"a {file.suffix} file", _TO_CONVERT[file.suffix]
    return unread_chat(file) if texts.recognizes(file) else None


def _unknown(path: Path, files: list[SourceFile]) -> DataError:
    for file in files:
        if told := _not_read(file):
            return DataError(file.path, found=told[0], expected=told[1], reason="unknown format")
    found = f"{len(files):,} files" if path.is_dir() or len(files) != 1 else f"a file named {files[0].name}"
    expected = "; or ".join(f"{reader.name} ({reader.looks_for})" for reader in READERS)
    return DataError(path, found=f"{found} of no known format", expected=expected, reason="no known format")
