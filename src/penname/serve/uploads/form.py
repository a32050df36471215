"""The form in which a request brings files, taken apart in memory alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from penname.serve.errors import ApiError

MOST_FILES = 1000


class Sent(NamedTuple):
    """A file as it was sent."""

    name: str
    content: bytes


class Form(NamedTuple):
    """What a form has. me: names of the user."""

    files: list[Sent]
    me: list[str]


class _InMemory(MultiPartParser):
    """Puts no file on the disk, however long it is."""

    spool_max_size = 0


def form_of(content_type: str, body: bytes) -> Form:
    """The form in a body. Raises ApiError for one that is broken, or has no file."""
    try:
        return asyncio.run(_parsed(content_type, body))
    except MultiPartException as error:
        raise ApiError(400, error.message, "invalid_request") from None
    except UnicodeError:
        raise ApiError(400, "found a form in another encoding, expected UTF-8", "invalid_request") from None


async def _parsed(content_type: str, body: bytes) -> Form:
    async def whole() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    parser = _InMemory(Headers({"content-type": content_type}), whole(), max_files=MOST_FILES)
    form: FormData = await parser.parse()
    files = form.getlist("file")
    if not files or not all(isinstance(file, UploadFile) for file in files):
        raise ApiError(400, "found no file, expected a form with the field 'file'", "invalid_value", "file")
    sent = [Sent(file.filename or "", await file.read()) for file in files if isinstance(file, UploadFile)]
    return Form(sent, [name for name in form.getlist("me") if isinstance(name, str)])
