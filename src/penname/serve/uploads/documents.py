"""Files of a user's texts as one user's documents, whatever program has written them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from penname.data.load_report import LoadReport
from penname.data.own_texts import own_texts
from penname.data.readers.base import SourceFile, source_files
from penname.data.rows import ARCHIVE_ERRORS, open_bytes
from penname.errors import ArgumentError, DataError, UserError
from penname.serve.errors import ApiError, of_user_error
from penname.serve.private_folder import path_named
from penname.serve.taken import MOST_DOCUMENTS, Taken
from penname.serve.uploads.form import Sent

MOST_LINES = 40
"""Lines that are told of how files were read."""

_PORTION, _ROWS = 2**20, 64
"""So many bytes of a file, and rows of Parquet, are looked at once."""
_PARQUET = b"PAR1"


class TooLarge(Exception):
    """There is more in files than may be read."""


def documents_of_files(files: Sequence[Sent], folder: Path, user: str, me: Sequence[str], most_bytes: int) -> Taken:
    """The documents of one user in files.

    folder: an empty folder, in which their names will be; whoever calls deletes it.
    user: the user's id.
    me: see `own_texts`.
    most_bytes: largest size of what is in the files, unpacked.

    Raises TooLarge, and ApiError where there are none, or it is not clear whose texts are the user's; no text is kept
    then.
    """
    lines: list[str] = []
    report = LoadReport(on_problem=lines.append)
    with _put(files, folder) as paths:
        path = paths[0] if len(paths) == 1 else folder
        try:
            _check_size(path, most_bytes)
            documents = own_texts(path, user, me, report, lines.append)
            if sum(len(document.text) + len(document.title or "") for document in documents) > most_bytes:
                raise TooLarge
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


def _check_size(path: Path, most_bytes: int) -> None:
    """Refuse what would not fit into memory: a small archive may have gigabytes in it.

    Raises TooLarge, and DataError for an archive that cannot be read.
    """
    size = 0
    for found in source_files(path):
        for unpacked in _sizes_of_columns(found):
            size += unpacked
            if size > most_bytes:
                raise TooLarge
        try:
            with open_bytes(found.place) as file:
                while portion := file.read(_PORTION):
                    size += len(portion)
                    if size > most_bytes:
                        raise TooLarge
        except (OSError, *ARCHIVE_ERRORS) as error:
            cause = getattr(error, "strerror", None) or str(error)[:80] or type(error).__name__
            raise DataError(found.path, found=f"a broken file ({cause})", expected="one that can be read") from None


def _sizes_of_columns(file: SourceFile) -> Iterator[int]:
    """Bytes of what is in the columns of Parquet, unpacked, some rows at a time; none of other files.

    Its own figures count a text once that a thousand rows share.
    """
    if not file.head.startswith(_PARQUET):
        return
    from pyarrow import parquet

    with suppress(OSError, ValueError), file.place.open("rb") as content:  # its reader tells what is wrong with it
        for batch in parquet.ParquetFile(content).iter_batches(_ROWS):
            yield batch.nbytes


def _shortened(line: str, folder: Path) -> str:
    return line.replace(f"{folder}/", "").replace(str(folder), "the files")
