"""What tests against a server need: chat servers of many kinds, waiting for others, plain `generate` to compare."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from penname.engines.base import GeneratedTokens, Sampling

END, PERIOD = 2, 30  # <|im_end|> and "." of the bundled model


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"no server at {url}:\n{log.read_text()[-2000:]}")


def plain_generate(model: Any, prompt: list[int], sampling: Sampling) -> GeneratedTokens:
    tokens = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=sampling.max_new_tokens,
        do_sample=False,
        eos_token_id=list(sampling.stop_ids) or [-1],
        pad_token_id=END,
    )[0, len(prompt) :].tolist()
    return (
        GeneratedTokens(tokens[:-1], "stop") if tokens[-1] in sampling.stop_ids else GeneratedTokens(tokens, "length")
    )


Refusal = tuple[int, dict[str, Any]]


def named(field: str, message: str, code: str = "unsupported_parameter") -> Refusal:
    """A refusal of OpenAI's kind."""
    return 400, {"error": {"message": message, "type": "invalid_request_error", "param": field, "code": code}}


@dataclass
class Kind:
    """How a chat server behaves.

    reply: the choices' fields and the usage for a request.
    completions: what /v1/completions answers.
    refuses: the refusal of a request, None where it is taken.
    failures: statuses that the first requests are answered with.
    """

    reply: Callable[[dict[str, Any]], dict[str, Any]]
    completions: Refusal = (404, {"detail": "Not Found"})
    refuses: Callable[[dict[str, Any]], Refusal | None] = lambda body: None
    failures: list[int] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def says(text: Any, finish_reason: str = "stop", usage: Any = None, **message: Any) -> dict[str, Any]:
    """A reply of one choice."""
    said = {"role": "assistant", "content": text, **message}
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish_reason}], "usage": usage}


KINDS: dict[str, Kind] = {}
"""The chat servers that are running, by the beginning of their path: one port has all of them."""
NUMBERS = count()


def chat_app() -> Any:
    app = FastAPI()

    def answered(status: int, body: dict[str, Any]) -> JSONResponse:
        return JSONResponse(body, status, {"retry-after-ms": "5"})

    @app.post("/{name}/v1/completions")
    async def complete(name: str) -> JSONResponse:
        return answered(*KINDS[name].completions)

    @app.post("/{name}/v1/chat/completions")
    async def chat(name: str, request: Request) -> JSONResponse:
        kind, body = KINDS[name], await request.json()
        kind.requests.append(body)
        kind.keys.append(request.headers["authorization"])
        if kind.failures:
            return answered(kind.failures.pop(0), {"error": {"message": "busy"}})
        refusal = kind.refuses(body)
        return answered(*refusal) if refusal else answered(200, {"object": "chat.completion", **kind.reply(body)})

    return app


@cache
def chat_port() -> int:
    """The port of a server in a thread that ends with the tests."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(chat_app(), port=port, log_level="error", lifespan="off"))
    Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.005)
    return port


@contextmanager
def serving(kind: Kind) -> Iterator[str]:
    """A chat server; yields its address."""
    name = str(next(NUMBERS))
    KINDS[name] = kind
    yield f"http://127.0.0.1:{chat_port()}/{name}/v1"
    del KINDS[name]


@dataclass
class ServedModel:
    """Replies of a real model, greedy, with the log probabilities of its most probable tokens.

    continues: whether a last message of the assistant's is continued, where the request asks for it.
    shows_end: whether the token that ends a reply is among those with log probabilities.
    """

    model: Any
    tokenizer: Any
    continues: bool = True
    shows_end: bool = True

    def __call__(self, body: dict[str, Any]) -> dict[str, Any]:
        going_on = self.continues and body.get("continue_final_message", False)
        prompt = self.tokenizer.apply_chat_template(
            body["messages"], tokenize=False, add_generation_prompt=not going_on, continue_final_message=going_on
        )
        ids = self.tokenizer(prompt, add_special_tokens=False).input_ids
        written, shown, finish_reason = [], [], "length"
        limit = body.get("max_tokens") or body["max_completion_tokens"]
        while len(written) < limit and finish_reason == "length":
            with torch.no_grad():
                log_probs = self.model(torch.tensor([ids + written])).logits[0, -1].float().log_softmax(-1)
            best = log_probs.topk(body.get("top_logprobs") or 1)
            token = int(best.indices[0])
            ended = token == self.tokenizer.eos_token_id
            if not ended or self.shows_end:
                pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
                top = [{"token": self.tokenizer.decode([i]), "logprob": p, "bytes": None} for i, p in pairs]
                shown.append({**top[0], "top_logprobs": top})
            written += [] if ended else [token]
            finish_reason = "stop" if ended else "length"
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(written), "total_tokens": len(ids) + len(written)}
        answer = says(self.tokenizer.decode(written), finish_reason, usage)
        answer["choices"][0]["logprobs"] = {"content": shown} if body.get("logprobs") else None
        return answer
