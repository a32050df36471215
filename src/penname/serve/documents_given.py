"""Documents as requests bring them: JSON, JSON lines, or files of any kind that penname reads, in a form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from weakref import WeakValueDictionary

from anyio import BrokenWorkerProcess, CapacityLimiter, Lock, to_process
from anyio.to_thread import run_sync
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from starlette.datastructures import UploadFile

from penname.data.jsonl import document_of
from penname.data.records import Document, Location
from penname.errors import ArgumentError, DataError
from penname.serve.errors import ApiError
from penname.serve.invalid_fields import field_of, invalid
from penname.serve.requests import Text, media_type
from penname.serve.uploads import Sent, Taken, read_in_limits
from penname.text_caches import empty_text_caches

MOST_FILES = 1000
SMALL = 2**20
"""Bytes of files that are read without regard to large ones."""

_SMALL_AT_ONCE, _LARGE_AT_ONCE = CapacityLimiter(2), CapacityLimiter(2)
"""Requests whose files are read at once, each in a process of its own."""

_OF_TENANT: WeakValueDictionary[str, Lock] = WeakValueDictionary()
"""A tenant's large files are read one request after the other, so that others' are read beside them."""

JSON, FORM = "application/json", "multipart/form-data"
LINES = ("application/x-ndjson", "application/jsonl", "application/jsonlines", "application/x-jsonlines")

Place = tuple[str | int, ...]
"""Where a document is in a request, from the outside in."""

_Known = Annotated[str, Field(max_length=4000)] | int


class DocumentGiven(BaseModel):
    """A text that the user wrote. A document with an id that the user has takes the place of that one."""

    model_config = ConfigDict(allow_inf_nan=False)

    text: Annotated[Text, Field(min_length=1)]
    id: _Known | None = None
    title: Text | None = None
    date: _Known | None = Field(None, description="in ISO 8601")
    item_id: _Known | None = Field(None, description="the item that the text is about")
    rating: Annotated[float, Field(strict=True)] | None = Field(None, description="of that item")
    description: Text | None = Field(None, description="of that item")
    user_id: _Known | None = Field(None, description="who wrote it, as data of penname has it: one author in a request")


class DocumentsGiven(BaseModel):
    """Several documents: all of them are added, or none."""

    documents: Annotated[list[DocumentGiven], Field(min_length=1)]


_DOCUMENT = DocumentGiven.model_json_schema()
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {
            "schema": {
                "anyOf": [
                    _DOCUMENT,
                    {
                        "type": "object",
                        "description": "Several documents: all of them are added, or none.",
                        "required": ["documents"],
                        "properties": {"documents": {"type": "array", "minItems": 1, "items": _DOCUMENT}},
                    },
                ]
            }
        },
        LINES[0]: {"schema": {"type": "string", "description": "A document a line."}},
        FORM: {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "format": "binary"},
                        "description": "Whatever `penname data convert` reads.",
                    },
                    "me": {
                        "type": "array",
                        "items": {"type": "string"},
                        "description": "Names and addresses of the user, where others wrote texts in the files too.",
                    },
                },
            }
        },
    },
}
"""What a request may hold, for the description of the interface."""


def has_files(request: Request) -> bool:
    """Whether a request brings files."""
    return media_type(request) == FORM


async def documents_given(request: Request, tenant: str, user: str, me: Sequence[str]) -> Taken:
    """The documents that a request brings for a user.

    tenant: whose user it is.
    me: names of the user that the request's address has, beside those in its form.

    Raises ApiError or UserError where one of them is faulty.
    """
    kind = media_type(request)
    try:
        if kind == FORM:
            files, named = await _form(request)
            if sum(len(file.content) for file in files) <= SMALL:
                return await _of_files(files, user, [*named, *me], _SMALL_AT_ONCE)
            async with _OF_TENANT.setdefault(tenant, Lock()):
                return await _of_files(files, user, [*named, *me], _LARGE_AT_ONCE)
        if kind == JSON or kind in LINES:
            of_body = _of_json if kind == JSON else _of_lines
            return await run_sync(of_body, await request.body(), user)
    finally:
        empty_text_caches()
    raise ApiError(415, f"expected a body of {JSON}, {LINES[0]} or {FORM}", "unsupported_media_type", "content-type")


async def _of_files(files: Sequence[Sent], user: str, me: Sequence[str], at_once: CapacityLimiter) -> Taken:
    """Documents of files, which are read in a process of its own: whatever is in them, others are served on.

    at_once: how many such processes read at once.
    """
    try:
        try:
            return await to_process.run_sync(read_in_limits, files, user, me, cancellable=True, limiter=at_once)
        finally:  # the process keeps in memory what it did last, until it does something else
            await to_process.run_sync(len, (), limiter=at_once)
    except (BrokenWorkerProcess, ProcessLookupError, MemoryError):  # the second where it ended as it began
        problem = "found files that take too much memory or time to read, or end the program that reads them"
        raise ApiError(400, f"{problem}, expected smaller or whole ones", "invalid_value", "file") from None


async def _form(request: Request) -> tuple[list[Sent], list[str]]:
    """A form's files, and the names of the user in it."""
    async with request.form(max_files=MOST_FILES) as form:
        files = form.getlist("file")
        if not files or not all(isinstance(file, UploadFile) for file in files):
            raise ApiError(400, "found no file, expected a form with the field 'file'", "invalid_value", "file")
        sent = [Sent(file.filename or "", await file.read()) for file in files if isinstance(file, UploadFile)]
        return sent, [name for name in form.getlist("me") if isinstance(name, str)]


def _of_json(body: bytes, user: str) -> Taken:
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ArgumentError("body", f"found no JSON ({error}), expected a document or a list of documents") from None
    if isinstance(value, dict) and "documents" in value:
        with _told_as():
            given = DocumentsGiven.model_validate(value).documents
        return _taken(((("documents", index), document) for index, document in enumerate(given)), user)
    with _told_as():
        document = DocumentGiven.model_validate(value)
    return _taken([((), document)], user)


def _of_lines(body: bytes, user: str) -> Taken:
    return _taken(_lines(body), user)


def _lines(body: bytes) -> Iterator[tuple[Place, DocumentGiven]]:
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            with _told_as(f"line {number}"):
                yield (f"line {number}",), DocumentGiven.model_validate_json(line)


@contextmanager
def _told_as(*place: str) -> Iterator[None]:
    """Tell faults as those of a request's body. place: where in it."""
    try:
        yield
    except ValidationError as error:
        raise invalid(error.errors(include_url=False), *place) from None


def _taken(placed: Iterable[tuple[Place, DocumentGiven]], user: str) -> Taken:
    """The documents, with dates and ids as penname's own files have them. placed: each with its place."""
    documents: list[Document] = []
    authors: set[str] = set()
    for place, given in placed:
        if given.user_id is not None:
            authors.add(str(given.user_id))
        record = given.model_dump(exclude={"user_id"}, exclude_none=True)
        try:
            documents.append(document_of({**record, "user_id": user}, Location(Path("body"), len(documents) + 1)))
        except DataError as error:
            raise ArgumentError(field_of((*place, *filter(None, [error.field]))), error.problem) from None
    if not documents:
        raise ArgumentError("body", "found no document, expected one or more")
    if len(authors) > 1:
        raise ArgumentError("user_id", f"found {len(authors)} of them, expected documents by one author in a request")
    return Taken(documents, len(documents), [], [])
