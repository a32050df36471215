"""A server for tests that speaks vLLM's protocol, over penname's own engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from tests.serve.serving import in_thread

from penname.engines.base import Sampling
from penname.serve.backend import EngineFailed, LocalBackend

LIMIT = 40
"""Longest response of the tiny models, in tokens."""

CONTEXT = 2048


@dataclass
class Served:
    """What a server that speaks vLLM's protocol was asked, and how it behaves.

    names: its models' names.
    processor: whether it discourages repetition as penname does.
    broken: ends streams after so many tokens, with what vLLM says of an error.
    left: requests that were hung up on before their end.
    """

    model: str
    names: tuple[str, ...] = ("tiny",)
    processor: bool = True
    broken: int | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    left: int = 0


def vllm_app(served: Served) -> FastAPI:
    """vLLM's completions over penname's own engine, as far as penname uses them."""
    app = FastAPI()
    backends: list[LocalBackend] = []

    def backend() -> LocalBackend:
        if not backends:
            backends.append(LocalBackend(served.model, "float32", 16, LIMIT))
        return backends[0]

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        cards = [
            {"id": name, "object": "model", "root": served.model, "max_model_len": CONTEXT} for name in served.names
        ]
        return {"object": "list", "data": cards}

    @app.post("/v1/completions")
    async def complete(request: Request) -> Any:
        body = await request.json()
        served.requests.append(body)
        served.keys.append(request.headers["authorization"])
        if body["model"] not in served.names:
            return JSONResponse({"error": {"message": "no such model", "type": "NotFoundError", "code": 404}}, 404)
        if not body.get("stream"):
            likely = body["prompt"][0]
            forced = [likely, likely + 1] if served.processor else [likely, likely]
            choice = {"index": 0, "text": "", "finish_reason": "length", "token_ids": forced}
            return {"id": "cmpl-0", "object": "text_completion", "created": 0, "model": "tiny", "choices": [choice]}
        return StreamingResponse(_stream(backend(), served, body), media_type="text/event-stream")

    return app


async def _stream(backend: LocalBackend, served: Served, body: Mapping[str, Any]) -> Any:
    repetition = body.get("vllm_xargs") or {} if served.processor else {}
    sampling = Sampling(
        body["max_tokens"],
        body["temperature"],
        body["top_p"],
        tuple(body["stop_token_ids"]),
        body["top_k"],
        body["min_p"],
        **repetition,
    )
    head = {"id": "cmpl-0", "object": "text_completion", "created": 0, "model": body["model"]}
    written = 0
    ended = False
    try:
        async for added in backend.write(body["prompt"], [body["seed"]], sampling, body.get("logprobs"), "anyone"):
            written += len(added.tokens)
            stop = list(body["stop_token_ids"][:1]) if added.finish_reason == "stop" else []
            tokens, log_probs = [*added.tokens, *stop], None
            if added.log_probs or body.get("logprobs") is not None:
                told = [*added.log_probs, *added.log_probs[-1:] * len(stop)]
                tops = [
                    {f"token_id:{token}": here.log_prob, **{f"token_id:{i}": p for i, p in here.most_likely}}
                    for token, here in zip(tokens, told, strict=False)
                ]
                probs = [here.log_prob for here in told]
                names = [f"token_id:{token}" for token in tokens]
                log_probs = {"tokens": names, "token_logprobs": probs, "top_logprobs": tops, "text_offset": []}
            choice = {
                "index": 0,
                "text": "",
                "logprobs": log_probs,
                "finish_reason": added.finish_reason,
                "token_ids": tokens,
            }
            yield f"data: {json.dumps({**head, 'choices': [choice]})}\n\n"
            if served.broken is not None and written >= served.broken:
                error = {"message": "EngineCore died", "type": "InternalServerError", "code": 500}
                yield f"data: {json.dumps({'error': error})}\n\n"
                break
        ended = True
        yield "data: [DONE]\n\n"
    except EngineFailed:
        ended = True
    finally:
        served.left += not ended


@contextmanager
def vllm_running(served: Served) -> Iterator[str]:
    """A server that speaks vLLM's protocol; yields its address."""
    with in_thread(vllm_app(served), lifespan="off") as port:
        yield f"http://127.0.0.1:{port}/v1"
