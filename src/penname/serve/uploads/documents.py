"""Files that a client sends of a user's texts, as one user's documents."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from penname.data.load_report import LoadReport
from penname.data.own_texts import own_texts
from penname.data.readers.base import source_files
from penname.data.records import Document
from penname.data.rows import ARCHIVE_ERRORS, open_bytes
from penname.errors import ArgumentError, DataError, UserError
from penname.serve.errors import ApiError, of_user_error
from penname.serve.private_folder import path_named

MOST_UNPACKED_BYTES = 2**28
"""Largest size of what is in archives and compressed files."""

MOST_DOCUMENTS = 100_000
"""Documents that a request may bring."""

MOST_LINES = 40
"""Lines that are told of how files were read."""

_PORTION = 2**20
_GZIP, _WITH_GZIP_HEADER = b"\x1f\x8b", 31
_PARQUET = b"PAR1"


class Sent(NamedTuple):
    """A file as it was sent."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Taken:
    """What was taken of files.

    rows: number of texts that there were.
    skipped: why texts were left out, and how many, as `LoadReport.skipped_records` gives them.
    lines: what was guessed, and what was left out or repaired.
    """

    documents: list[Document]
    rows: int
    skipped: list[dict[str, object]]
    lines: list[str]


def unpack_to_at_most(files: Sequence[Sent], most: int) -> bool:
    """Whether what is in files is at most so many bytes, once it is unpacked.

    Not so where that is not told before it is read: in the columns of Parquet, and in what cannot be unpacked.
    """
    for file in files:
        size = _unpacked_size(file.content, most)
        if size is None or size > most:
            return False
        most -= size
    return True


def _unpacked_size(content: bytes, most: int) -> int | None:
    """The size of what is in a file, or one that is over `most`; None where it is not known."""
    try:
        if content.startswith(_GZIP):
            return len(zlib.decompressobj(_WITH_GZIP_HEADER).decompress(content, most + 1))
        if content.startswith(_PARQUET):
            return None
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return sum(member.file_size for member in archive.infolist())
    except ARCHIVE_ERRORS:
        return None
    return len(content)


def documents_of_files(files: Sequence[Sent], folder: Path, user: str, me: Sequence[str]) -> Taken:
    """The documents of one user in files, whatever program has written them.

    folder: an empty folder, in which their names will be; whoever calls deletes it.
    user: the user's id.
    me: see `own_texts`.

    Raises ApiError where there are none, or it is not clear whose texts are the user's; no text is kept then.
    """
    lines: list[str] = []
    report = LoadReport(on_problem=lines.append)
    with _put(files, folder) as paths:
        path = paths[0] if len(paths) == 1 else folder
        try:
            _check_size(path)
            documents = own_texts(path, user, me, report, lines.append)
            if len(documents) > MOST_DOCUMENTS:
                found = f"found {len(documents):,} texts, expected at most {MOST_DOCUMENTS:,} in a request"
                raise ArgumentError("file", found)
        except UserError as error:
            answer = of_user_error(error)
            raise ApiError(answer.status, _shortened(answer.message, folder), answer.code, answer.param) from None
        told = [_shortened(line, folder) for line in lines]
    if len(told) > MOST_LINES:
        told[MOST_LINES:] = [f"{len(told) - MOST_LINES:,} more such lines"]
    return Taken(documents, report.rows, report.skipped_records(), told)


@contextmanager
def _put(files: Sequence[Sent], folder: Path) -> Iterator[list[Path]]:
    """Put files into a folder, to be read there; gives out their paths."""
    paths = []
    with ExitStack() as opened:
        for file in files:
            path = folder / path_named(file.name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.exists():
                    raise FileExistsError
            except (FileExistsError, NotADirectoryError):
                problem = "found two files, or a file and a folder, of one name, expected other names"
                raise ApiError(400, problem, "invalid_value", "file") from None
            _make(path, file.content, opened)
            paths.append(path)
        yield paths


def _make(path: Path, content: bytes, opened: ExitStack) -> None:
    """Make a file whose content is in memory alone: a process that is killed leaves no text on the disk.

    Systems other than Linux have no such files.
    """
    if not hasattr(os, "memfd_create"):
        path.write_bytes(content)
        return
    handle = os.memfd_create("upload")
    opened.callback(os.close, handle)
    with os.fdopen(handle, "wb", closefd=False) as file:
        file.write(content)
    path.symlink_to(f"/proc/{os.getpid()}/fd/{handle}")


def _check_size(path: Path) -> None:
    """Refuse what would not fit into memory: a small archive may have gigabytes in it.

    Raises DataError for an archive that cannot be read too.
    """
    size = 0
    for found in source_files(path):
        try:
            with open_bytes(found.place) as file:
                while portion := file.read(_PORTION):
                    size += len(portion)
                    if size > MOST_UNPACKED_BYTES:
                        raise ArgumentError("file", f"expected at most {MOST_UNPACKED_BYTES:,} bytes, unpacked")
        except (OSError, *ARCHIVE_ERRORS) as error:
            cause = getattr(error, "strerror", None) or str(error)[:80] or type(error).__name__
            raise DataError(found.path, found=f"a broken file ({cause})", expected="one that can be read") from None


def _shortened(line: str, folder: Path) -> str:
    return line.replace(f"{folder}/", "").replace(str(folder), "the files")
