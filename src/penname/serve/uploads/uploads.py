"""Takes the files that requests bring: which are read now, and which wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import NamedTuple

from fastapi import Request

from penname.serve.errors import ApiError
from penname.serve.hanging_up import unless_gone
from penname.serve.requests import media_type
from penname.serve.taken import Taken
from penname.serve.uploads.documents import TooLarge
from penname.serve.uploads.process import Allowance, TooMuch, read_form
from penname.serve.uploads.turns import Turns

FORM = "multipart/form-data"
"""The type of a body with files."""

SMALL, LARGE = Allowance(20, 2**20), Allowance(120, 2**27)


def has_files(request: Request) -> bool:
    """Whether a request brings files."""
    return media_type(request) == FORM


class _Upload(NamedTuple):
    """What there is to read, see `read_form`."""

    content_type: str
    body: bytes
    user: str
    me: Sequence[str]


class Uploads:
    """Takes the files of requests. Small ones, unpacked, do not wait for large ones."""

    def __init__(self) -> None:
        self._small, self._large = Turns(2), Turns(2)

    @asynccontextmanager
    async def taken(self, request: Request, tenant: str, user: str, me: Sequence[str]) -> AsyncIterator[Taken]:
        """The documents in the files of a request, as a context that is a turn of its tenant's: leave it soon.

        tenant, user: whose they are to be.
        me: names of the user that the request's address has, beside those in its form.

        Raises ApiError where they cannot be taken, do not get their turn, or the client hangs up meanwhile.
        """
        upload = _Upload(request.headers["content-type"], await request.body(), user, me)
        async with AsyncExitStack() as turn:
            yield await unless_gone(request.receive, partial(self._read, turn, tenant, upload))

    async def _read(self, turn: AsyncExitStack, tenant: str, upload: _Upload) -> Taken:
        """The documents in files. turn: is entered once it has come."""
        if len(upload.body) <= SMALL.most_bytes:
            await turn.enter_async_context(self._small.turn(tenant))
            try:
                return await read_form(*upload, SMALL)
            except (TooLarge, TooMuch):
                await turn.aclose()
        await turn.enter_async_context(self._large.turn(tenant))
        try:
            return await read_form(*upload, LARGE)
        except TooLarge:
            problem = f"expected at most {LARGE.most_bytes:,} bytes, unpacked"
            raise ApiError(400, f"file: {problem}", "invalid_value", "file") from None
