"""Texts, as OpenAI's clients ask for them."""

from __future__ import annotations

from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from penname.serve.access import Caller
from penname.serve.conversation import asked
from penname.serve.errors import ApiError
from penname.serve.methods import Methods, ServedMethod
from penname.serve.replies import Asked, Kind, WritingResponse
from penname.serve.requests import ChatRequest, CompletionRequest, WritingRequest
from penname.serve.writing import Order, Writing

router = APIRouter(prefix="/v1")

MODEL = "penname"
USER_HEADER = "x-penname-user"


class Named(NamedTuple):
    """Whom and what a model's name names. user: None where it names nobody."""

    user: str | None
    method: ServedMethod


@router.post("/chat/completions")
async def chat(body: ChatRequest, request: Request) -> Response:
    """Write the next turn of a conversation as a user would."""
    conversation = asked(body.messages)
    return await _write("chat", body, request, conversation.prompt, conversation.query, body.most_tokens)


@router.post("/completions")
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
    state = request.app.state.penname
    caller: Caller = await state.access.caller(request)
    named = named_by(body.model, state.methods)
    order = Order(
        caller,
        named.method,
        named.user or _user(body, request),
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
    writing = Writing(state.store, state.admission, order)
    await writing.start()
    with_usage = body.stream_options is not None and body.stream_options.include_usage
    return WritingResponse(writing, Asked(kind, body.model, bool(body.stream), with_usage))


def named_by(model: str, methods: Methods) -> Named:
    """Whom and what a model's name names: `penname`, `penname/USER` or `penname/USER@METHOD`.

    Raises ApiError (404) for another model or method.
    """
    name, _, user = model.partition("/")
    if name.partition("@")[0] != MODEL:
        raise ApiError(
            404, f"found no such model, expected {MODEL}/USER or {MODEL}/USER@METHOD", "model_not_found", "model"
        )
    if not user:
        return Named(None, methods.get(name.partition("@")[2] or None))
    before, at, method = user.rpartition("@")
    if at and method in methods.served:  # a user's id may have an @ itself, as addresses have
        return Named(before or None, methods.get(method))
    return Named(user, methods.get(None))


def _user(body: WritingRequest, request: Request) -> str | None:
    return body.user or request.headers.get(USER_HEADER) or None
