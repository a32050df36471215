"""Files that a client sends of a user's texts, as one user's documents."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from penname.data.load_report import LoadReport
from penname.data.own_texts import own_texts
from penname.data.readers.base import source_files
from penname.data.records import Document
from penname.data.rows import ARCHIVE_ERRORS, open_bytes
from penname.errors import ArgumentError, DataError, UserError
from penname.serve.errors import ApiError, of_user_error
from penname.text_caches import empty_text_caches

MOST_UNPACKED_BYTES = 2**28
"""Largest size of what is in archives and compressed files."""

MOST_MEMORY = 3 * 2**30
MOST_SECONDS = 120
"""What reading the files of a request may take, in bytes and in seconds of a processor."""

MOST_LINES = 40
"""Lines that are told of how files were read."""

_PORTION = 2**20
_LONGEST_NAME = 200
"""Bytes of a name."""


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


def read_in_limits(files: Sequence[Sent], user: str, me: Sequence[str]) -> Taken:
    """What `documents_of_files` does, in a process of its own, which ends where it takes too much memory or time."""
    _limit()
    try:
        return documents_of_files(files, user, me)
    finally:
        empty_text_caches()  # the process may go on to read others'


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = math.ceil(usage.ru_utime + usage.ru_stime)
    for kind, limit in ((resource.RLIMIT_DATA, MOST_MEMORY), (resource.RLIMIT_CPU, used + MOST_SECONDS)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def documents_of_files(files: Sequence[Sent], user: str, me: Sequence[str]) -> Taken:
    """The documents of one user in files, whatever program has written them.

    user: the user's id.
    me: see `own_texts`.

    Raises ApiError where there are none, or it is not clear whose texts are the user's; no text is kept then.
    """
    lines: list[str] = []
    report = LoadReport(on_problem=lines.append)
    with _folder_of(files) as folder:
        path = folder / _name(files[0].name) if len(files) == 1 else folder
        try:
            _check_size(path)
            documents = own_texts(path, user, me, report, lines.append)
        except UserError as error:
            answer = of_user_error(error)
            raise ApiError(answer.status, _shortened(answer.message, folder), answer.code, answer.param) from None
        told = [_shortened(line, folder) for line in lines]
    if len(told) > MOST_LINES:
        told[MOST_LINES:] = [f"{len(told) - MOST_LINES:,} more such lines"]
    return Taken(documents, report.rows, report.skipped_records(), told)


@contextmanager
def _folder_of(files: Sequence[Sent]) -> Iterator[Path]:
    """A folder with the files, which is deleted in the end."""
    with tempfile.TemporaryDirectory(prefix="penname-") as name, ExitStack() as opened:
        folder = Path(name)
        for file in files:
            path = folder / _name(file.name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.exists():
                    raise FileExistsError
            except (FileExistsError, NotADirectoryError):
                problem = "found two files, or a file and a folder, of one name, expected other names"
                raise ApiError(400, problem, "invalid_value", "file") from None
            _put(path, file.content, opened)
        yield folder


def _put(path: Path, content: bytes, opened: ExitStack) -> None:
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


def _name(sent: str) -> str:
    """A path below the folder, from the one that the client names, which may be of another system.

    Raises ApiError for one that cannot be a file's.
    """
    parts = [part for part in PurePosixPath(sent.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    name = "/".join(_end(part.replace("\0", "")) for part in parts[-5:])
    if not name:
        raise ApiError(
            400, "found a file without a name, expected one, as its end tells the kind", "invalid_value", "file"
        )
    return name


def _end(part: str) -> str:
    """The end of a name, which tells the kind, as long as file systems take one."""
    return part.encode("utf-8", "replace")[-_LONGEST_NAME:].decode("utf-8", "ignore")


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
