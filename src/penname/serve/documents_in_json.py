"""Documents as requests bring them in JSON or JSON lines; `penname.serve.uploads` has those in files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from penname.data.jsonl import document_of
from penname.data.records import Document, Location
from penname.errors import ArgumentError, DataError
from penname.serve.errors import ApiError
from penname.serve.invalid_fields import field_of, invalid
from penname.serve.requests import Text, media_type
from penname.serve.taken import MOST_DOCUMENTS, Taken
from penname.serve.uploads.uploads import FORM
from penname.text_caches import empty_text_caches

JSON = "application/json"
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
    """Several documents: all of them are added, or none. They are checked one by one, as others wait meanwhile."""

    documents: Annotated[list[Any], Field(min_length=1, max_length=MOST_DOCUMENTS)]


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
                        "properties": {
                            "documents": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": MOST_DOCUMENTS,
                                "items": _DOCUMENT,
                            }
                        },
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


async def documents_in_json(request: Request, user: str) -> Taken:
    """The documents that a request brings for a user as JSON. Raises ApiError or UserError where one is faulty."""
    kind = media_type(request)
    if kind != JSON and kind not in LINES:
        problem = f"expected a body of {JSON}, {LINES[0]} or {FORM}"
        raise ApiError(415, problem, "unsupported_media_type", "content-type")
    try:
        return await run_sync(_of_json if kind == JSON else _of_lines, await request.body(), user)
    finally:
        empty_text_caches()


def _of_json(body: bytes, user: str) -> Taken:
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ArgumentError("body", f"found no JSON ({error}), expected a document or a list of documents") from None
    if isinstance(value, dict) and "documents" in value:
        with _told_as():
            given = DocumentsGiven.model_validate(value).documents
        return _taken((_checked(document, "documents", index) for index, document in enumerate(given)), user)
    return _taken([_checked(value)], user)


def _checked(document: Any, *place: str | int) -> tuple[Place, DocumentGiven]:
    with _told_as(*place):
        return place, DocumentGiven.model_validate(document)


def _of_lines(body: bytes, user: str) -> Taken:
    return _taken(_lines(body), user)


def _lines(body: bytes) -> Iterator[tuple[Place, DocumentGiven]]:
    for number, line in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            with _told_as(f"line {number}"):
                yield (f"line {number}",), DocumentGiven.model_validate_json(line)


@contextmanager
def _told_as(*place: str | int) -> Iterator[None]:
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
        if len(documents) == MOST_DOCUMENTS:
            raise ArgumentError("body", f"found more than {MOST_DOCUMENTS:,} documents, expected fewer in a request")
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
    return Taken(documents, len(documents))
