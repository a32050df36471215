"""Texts, as OpenAI's clients ask for them."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from starlette.datastructures import Headers
from starlette.responses import Response

from penname.serve.access import Caller
from penname.serve.conversation import task_of
from penname.serve.errors import ApiError
from penname.serve.hanging_up import unless_gone
from penname.serve.methods import Methods
from penname.serve.new_writing import new_writing
from penname.serve.open_webui import job_reply
from penname.serve.replies import Form, Kind, WritingResponse, reply_of
from penname.serve.requests import ChatRequest, CompletionRequest, WritingRequest, media_type
from penname.serve.routes.common import caller_of
from penname.serve.state import State
from penname.serve.writing import Order


async def _expect_json(request: Request) -> None:
    """Raise ApiError (415) for a body of another type."""
    if media_type(request) != "application/json":
        problem = "expected the header Content-Type: application/json"
        raise ApiError(415, problem, "unsupported_media_type", "content-type")


router = APIRouter(prefix="/v1", tags=["texts"], dependencies=[Depends(caller_of), Depends(_expect_json)])

MODEL = "penname"
USER_HEADER = "x-penname-user"
NAMED_BY_HEADER: dict[str, Any] = {
    "parameters": [
        {
            "name": USER_HEADER,
            "in": "header",
            "schema": {"type": "string"},
            "description": "Whom to write as, where neither the model nor the user names one; in UTF-8, or as %C3%A9.",
        }
    ]
}
"""For the description of the interface."""

PROXY_HEADER = "x-openwebui-user-id"


class Named(NamedTuple):
    """Whom and what a model's name names; None where it names nobody or no method."""

    user: str | None
    method: str | None


@router.post("/chat/completions", openapi_extra=NAMED_BY_HEADER)
async def chat(body: ChatRequest, request: Request) -> Response:
    """Write the next turn of a conversation as a user would."""
    job = job_reply(body.messages)
    if job is not None:
        named_by(body.model, request.app.state.penname.methods)
        return reply_of(job, _form_of("chat", body))
    task = task_of(body.messages)
    return await _write("chat", body, request, task.prompt, task.query, body.most_tokens)


@router.post("/completions", openapi_extra=NAMED_BY_HEADER)
async def completions(body: CompletionRequest, request: Request) -> Response:
    """Write what a prompt asks for as a user would."""
    return await _write("completion", body, request, body.text, None, body.most_tokens)


async def _write(
    kind: Kind,
    body: ChatRequest | CompletionRequest,
    request: Request,
    prompt: str,
    query: str | None,
    most: int | None,
) -> Response:
    state: State = request.app.state.penname
    caller: Caller = request.state.caller
    named = named_by(body.model, state.methods)
    user = user_asked(named.user or body.user, request.headers, caller)
    if named.user is not None and named.method is None and "@" in named.user:
        await run_sync(_check_end, state, caller.tenant, named.user)
    order = Order(
        caller,
        user,
        prompt,
        body.query or query,
        body.item,
        body.seed,
        body.n or 1,
        body.candidates,
        body.stop_strings,
        body.sampling(),
        most,
        body.most_likely,
        body.reasoning,
    )
    writing = await new_writing(state, named.method, order)
    try:
        await unless_gone(request.receive, writing.start)
    except BaseException:
        await writing.close()
        raise
    return WritingResponse(writing, _form_of(kind, body))


def _form_of(kind: Kind, body: WritingRequest) -> Form:
    with_usage = body.stream_options is not None and body.stream_options.include_usage
    return Form(kind, body.model, bool(body.stream), with_usage)


def named_by(model: str, methods: Methods) -> Named:
    """Whom and what a model's name names: `penname/USER@METHOD`, where both may be left out; `penname@METHOD/USER` too.

    Raises ApiError (404) for another model or method.
    """
    name, _, user = model.partition("/")
    if name.partition("@")[0] != MODEL:
        raise ApiError(
            404, f"found no such model, expected {MODEL}/USER or {MODEL}/USER@METHOD", "model_not_found", "model"
        )
    method = name.partition("@")[2]
    if method or not user:
        methods.check(method or None)
        return Named(user or None, method or None)
    before, at, method = user.rpartition("@")
    if at and method in methods.names:  # a user's id may have an @ itself, as addresses have
        return Named(before or None, method)
    return Named(user, None)


def _check_end(state: State, tenant: str, user: str) -> None:
    """Raise ApiError (404) for a mistyped method: `ada@sfd` where nobody knows a user of this id, but `ada` is known.

    What ends as an address does (`ada@example.org`) is an id. user: whom a model's name names.
    """
    before, _, end = user.rpartition("@")
    if not before.strip() or "." in end or state.store.has_user(tenant, user):
        return
    if state.store.has_user(tenant, before):
        state.methods.check(end)


def user_asked(named: str | None, headers: Headers, caller: Caller) -> str | None:
    """Whom a request is written as; None for a new user.

    named: the user that the request itself names, by its model or its field.

    A key of a tenant may name any user of the tenant, in `X-Penname-User` too, whose letters outside ASCII are written
    as in addresses. Open WebUI sends its own header with whatever key it has, so it names the user only with a key for
    such programs; with that, it is also the only one who is written as. Raises ApiError for a header that is not UTF-8,
    and for a request that names another user than this header.
    """
    asked = named or _of_header(headers, USER_HEADER)
    if caller.key is None or not caller.key.proxy:
        return asked
    signed_in = _of_header(headers, PROXY_HEADER)
    if signed_in and asked not in (None, signed_in):
        raise ApiError(403, "found another user than the one who is signed in", "user_mismatch", "user")
    return signed_in or asked


def _of_header(headers: Headers, name: str) -> str | None:
    try:
        return unquote_to_bytes(headers.get(name, "").encode("latin-1")).decode() or None
    except UnicodeDecodeError:
        raise ApiError(400, "found another encoding, expected UTF-8", "invalid_value", name) from None
