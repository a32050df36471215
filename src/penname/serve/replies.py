"""Responses in OpenAI's shapes: whole, or as server-sent events while they are written."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Literal, NamedTuple

import anyio
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from penname.engines.batch import TokenLogProbs
from penname.errors import UserError
from penname.serve.backend import EngineFailed
from penname.serve.errors import ApiError, engine_failed, of_user_error
from penname.serve.hanging_up import cancel_when_gone
from penname.serve.writing import Piece, Writing

Kind = Literal["chat", "completion"]

_OBJECTS = {"chat": ("chat.completion", "chatcmpl-"), "completion": ("text_completion", "cmpl-")}
_CHUNK = "chat.completion.chunk"
_EVENTS = "text/event-stream; charset=utf-8"
_DONE = b"[DONE]"
_HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", _EVENTS.encode()), (b"cache-control", b"no-store")],
}


class Form(NamedTuple):
    """How a response is asked for.

    model: the request's model, which the response repeats.
    with_usage: whether a stream ends with its usage.
    """

    kind: Kind
    model: str
    stream: bool
    with_usage: bool


def reply_of(text: str, form: Form) -> Response:
    """A conversation's next turn that is known already, and took nothing."""
    head = {**_head(form.kind), "model": form.model}
    usage = _usage(0, 0, 0)
    turn = {"role": "assistant", "content": text}
    ended = {"index": 0, "finish_reason": "stop", "logprobs": None}
    if not form.stream:
        return JSONResponse({**head, "choices": [{"message": turn, **ended}], "usage": usage})
    head["object"] = _CHUNK
    last = [{**head, "choices": [], "usage": usage}] if form.with_usage else []
    events = [*map(_json, ({**head, "choices": [{"delta": turn, **ended}]}, *last)), _DONE]
    return Response(b"".join(map(_event, events)), media_type=_EVENTS)


class WritingResponse(Response):
    """Answers with what is written, and stops the writing when the client hangs up.

    writing: one that was started.
    """

    def __init__(self, writing: Writing, form: Form) -> None:
        super().__init__()
        self._writing = writing
        self._form = form
        self._decode = writing.decode
        self._head = _head(form.kind)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, until it is done or the client has gone."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(cancel_when_gone, receive, group.cancel_scope)
                if self._form.stream:
                    await self._stream(send)
                else:
                    await (await self._whole())(scope, receive, send)
                group.cancel_scope.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None  # as whoever waits for the client raises none
        finally:
            await self._writing.close()

    async def _whole(self) -> Response:
        texts: dict[int, list[Piece]] = {}
        try:
            async with self._writing.until_stopped(), aclosing(self._writing.given_out()) as pieces:
                async for piece in pieces:
                    texts.setdefault(piece.choice, []).append(piece)
        except EngineFailed:
            raise engine_failed() from None
        await self._writing.close()  # whoever has the answer can rely on what it took being settled
        choices = [self._choice(index, texts[index]) for index in sorted(texts)]
        return JSONResponse({**self._head, **self._about(), "choices": choices, "usage": self._usage()})

    def _choice(self, index: int, pieces: list[Piece]) -> dict[str, Any]:
        """A text as a whole response has it."""
        text, reasoning = ("".join(getattr(p, name) for p in pieces) for name in ("text", "reasoning"))
        ended = {"index": index, "finish_reason": pieces[-1].finish_reason, "logprobs": self._log_probs(*pieces)}
        beside = {"reasoning_content": reasoning} if reasoning else {}
        if self._form.kind == "completion":
            return {"text": text, **beside, **ended}
        return {"message": {"role": "assistant", "content": text, **beside}, **ended}

    async def _stream(self, send: Send) -> None:
        begun, last = False, b""
        try:
            async with self._writing.until_stopped(), aclosing(self._events()) as events:
                async for event in events:
                    if not begun:
                        await send(_HEAD)
                        begun = True
                    await send({"type": "http.response.body", "body": _event(event), "more_body": True})
        except (ApiError, UserError, EngineFailed) as error:
            failure = _failure(error)
            if not begun:  # until then what cannot be written is refused with a status of its own
                raise failure from None
            last = _event(_json(failure.body()))
            await self._writing.close()  # a client that reads nothing any more would keep it waiting
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _events(self) -> AsyncGenerator[bytes]:
        """The data of the stream's events."""
        head = self._head | ({"object": _CHUNK} if self._form.kind == "chat" else {})
        head["model"] = self._form.model
        begun: set[int] = set()
        last: dict[str, Any] = {}  # the end of a text waits: that of the last one says more, as no event need follow it
        async with aclosing(self._writing.given_out()) as pieces:
            async for piece in pieces:
                first = piece.choice not in begun
                begun.add(piece.choice)
                if first or piece.text or piece.reasoning or piece.log_probs or piece.finish_reason:
                    if last:
                        yield _json(last)
                    event = {**head, "choices": [self._delta(piece, first=first)]}
                    last = event if piece.finish_reason else {}
                    if not last:
                        yield _json(event)
        usage = self._usage()
        await self._writing.close()
        yield _json({**last, **self._about()})
        if self._form.with_usage:
            yield _json({**head, "choices": [], "usage": usage})
        yield _DONE

    def _delta(self, piece: Piece, *, first: bool) -> dict[str, Any]:
        """A piece as a stream has it. first: whether it is the first one of its text."""
        ended = {"index": piece.choice, "finish_reason": piece.finish_reason, "logprobs": self._log_probs(piece)}
        beside = {"reasoning_content": piece.reasoning} if piece.reasoning else {}
        if self._form.kind == "completion":
            return {"text": piece.text, **beside, **ended}
        text = {"content": piece.text} if piece.text or first else {}
        return {"delta": {**({"role": "assistant"} if first else {}), **text, **beside}, **ended}

    def _about(self) -> dict[str, Any]:
        """What is said of all texts together."""
        writing = self._writing
        about = {
            "method": writing.method,
            "seed": writing.seed,
            "documents": writing.documents,
            "notes": writing.notes,
        }
        return {"model": self._form.model, "penname": about}

    def _usage(self) -> dict[str, Any]:
        writing = self._writing
        return _usage(writing.prompt_tokens, writing.completion_tokens, writing.reasoning_tokens)

    def _log_probs(self, *pieces: Piece) -> dict[str, Any] | None:
        """The log probabilities of the tokens in these pieces; None where they were not asked for."""
        if self._writing.most_likely is None:
            return None
        tokens = [token for piece in pieces for token in piece.tokens]
        told = [log_probs for piece in pieces for log_probs in piece.log_probs]
        of_kind = _of_chat if self._form.kind == "chat" else _of_completion
        return of_kind(tokens, told, self._decode)


def _failure(error: ApiError | UserError | EngineFailed) -> ApiError:
    """Why a text came to no end, as a client is told."""
    if isinstance(error, ApiError):
        return error
    return engine_failed() if isinstance(error, EngineFailed) else of_user_error(error)


def _of_chat(tokens: list[int], told: list[TokenLogProbs], decode: Callable[[list[int]], str]) -> dict[str, Any]:
    def entry(token: int, log_prob: float) -> dict[str, Any]:
        text = decode([token])
        return {"token": text, "logprob": log_prob, "bytes": list(text.encode())}

    content = [
        {**entry(token, here.log_prob), "top_logprobs": [entry(*likely) for likely in here.most_likely]}
        for token, here in zip(tokens, told, strict=False)
    ]
    return {"content": content, "refusal": None}


def _of_completion(tokens: list[int], told: list[TokenLogProbs], decode: Callable[[list[int]], str]) -> dict[str, Any]:
    return {
        "tokens": [decode([token]) for token in tokens],
        "token_logprobs": [here.log_prob for here in told],
        "top_logprobs": [{decode([token]): value for token, value in here.most_likely} for here in told],
    }


def _head(kind: Kind) -> dict[str, Any]:
    """What each response begins with."""
    name, prefix = _OBJECTS[kind]
    return {"id": prefix + secrets.token_hex(12), "object": name, "created": int(time.time())}


def _usage(prompt: int, completion: int, reasoning: int) -> dict[str, Any]:
    """Numbers of tokens. reasoning: those of the completion that are no response."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
