"""Files of any kind that penname reads, as requests bring them in a form."""

from __future__ import annotations

from collections.abc import Sequence

from anyio.to_thread import run_sync
from fastapi import Request
from starlette.datastructures import UploadFile

from penname.serve.errors import ApiError
from penname.serve.hanging_up import unless_gone
from penname.serve.reading_process import read_files
from penname.serve.requests import media_type
from penname.serve.turns import Turns
from penname.serve.uploads import Sent, Taken, unpack_to_at_most

FORM = "multipart/form-data"
MOST_FILES = 1000

SMALL, SECONDS_OF_SMALL, SECONDS = 2**20, 20, 120
"""Bytes of small files, and how much of a processor's time may be spent on reading small files and others."""


def has_files(request: Request) -> bool:
    """Whether a request brings files."""
    return media_type(request) == FORM


class FilesGiven:
    """Reads the files that requests bring. Small ones do not wait for large ones."""

    def __init__(self) -> None:
        self._small, self._large = Turns(2), Turns(2)

    async def read(self, request: Request, tenant: str, user: str, me: Sequence[str]) -> Taken:
        """The documents in the files of a request, unless its client hangs up meanwhile.

        tenant, user: whose they are to be.
        me: names of the user that the request's address has, beside those in its form.

        Raises ApiError where they cannot be read.
        """
        files, named = await _form(request)
        is_small = await run_sync(unpack_to_at_most, files, SMALL)
        turns, seconds = (self._small, SECONDS_OF_SMALL) if is_small else (self._large, SECONDS)

        async def in_turn() -> Taken:
            async with turns.turn(tenant):
                return await read_files(files, user, [*named, *me], seconds)

        return await unless_gone(request.receive, in_turn)


async def _form(request: Request) -> tuple[list[Sent], list[str]]:
    """A form's files, and the names of the user in it."""
    async with request.form(max_files=MOST_FILES) as form:
        files = form.getlist("file")
        if not files or not all(isinstance(file, UploadFile) for file in files):
            raise ApiError(400, "found no file, expected a form with the field 'file'", "invalid_value", "file")
        sent = [Sent(file.filename or "", await file.read()) for file in files if isinstance(file, UploadFile)]
        return sent, [name for name in form.getlist("me") if isinstance(name, str)]
