"""What the routes have in common: who asks, ids in paths, pages of lists, and what errors look like."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from penname.serve.access import Caller
from penname.serve.methods import ServedMethod
from penname.serve.paths import id_of
from penname.serve.state import State

JSONL = "application/x-ndjson"
MOST_ON_A_PAGE = 1000

Shown = TypeVar("Shown", bound=BaseModel)
Kept = TypeVar("Kept")


class Error(BaseModel):
    """What was found and what was expected."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorAnswer(BaseModel):
    """An answer that is an error, in OpenAI's shape."""

    error: Error


ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorAnswer, "description": "What the request lacks"}}
"""For the routes' description; answers with 5XX have the same shape."""


def state_of(request: Request) -> State:
    """What a request is answered with."""
    state: State = request.app.state.penname
    return state


_bearer = HTTPBearer(auto_error=False, description="A key that penname keys add has printed; none on the loopback.")


async def caller_of(request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> Caller:
    """Who asks, see `penname.serve.callers`."""
    caller: Caller = request.state.caller
    return caller


def method_asked(
    request: Request,
    method: Annotated[str | None, Query(max_length=200, description="by default the one that writes")] = None,
) -> ServedMethod:
    """The method that a request is about. Raises ApiError (404)."""
    return state_of(request).methods.get(method)


StateOf = Annotated[State, Depends(state_of)]
CallerOf = Annotated[Caller, Depends(caller_of)]
MethodOf = Annotated[ServedMethod, Depends(method_asked)]
Id = Annotated[
    str,
    Path(max_length=4000, description="up to 500 bytes in UTF-8, 1000 of a document; / as %2F"),
    AfterValidator(id_of),
]


class Page(BaseModel):
    """Which part of a list is asked for."""

    after: Annotated[str, Field(max_length=4000)] = Field("", description="the `last_id` of the page before")
    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = 100


PageOf = Annotated[Page, Query()]


class Listed(BaseModel, Generic[Shown]):
    """A page of a list.

    has_more: whether there is another page, those after `last_id`.
    """

    object: Literal["list"] = "list"
    data: list[Shown]
    has_more: bool = False
    last_id: str | None = None


class Deleted(BaseModel):
    """That something is deleted."""

    object: str
    id: str
    deleted: Literal[True] = True


def shown_page(
    found: Sequence[Kept], limit: int, id_of: Callable[[Kept], str]
) -> tuple[Sequence[Kept], dict[str, Any]]:
    """What is shown of one more than a page has, and what is said of it.

    found: up to `limit` + 1 of them.
    """
    shown = found[:limit]
    return shown, {"has_more": len(found) > limit, "last_id": id_of(shown[-1]) if shown else None}


def jsonl(records: list[dict[str, Any]]) -> Response:
    """Records as JSON lines."""
    return Response("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), media_type=JSONL)


def without_none(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the fields that have no value."""
    return {name: value for name, value in record.items() if value is not None}
