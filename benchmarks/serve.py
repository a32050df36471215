"""`penname serve` under load: its speed beside the engine's own in a batch, first words, refusals, and memory.

200 clients stream texts of 50 users for ten minutes; each asks again as soon as it has a text, or when the server says
that it may. Every text that was accepted must be whole, and be the one that the same prompt and seed give alone. The
ratio is the server's new tokens a second, once it is busy, over those of `LocalEngine.generate` with such prompts in
one call, with as many at once: the mean of one call before and one after, as other machines' work on the same processor
changes its speed. With --vllm the same clients then ask a vLLM server for completions of the same prompts (as token
ids, as it finds no documents), as many at once, in the same data type.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import psutil
from common import finish

from penname.data.presidents import load_examples
from penname.data.records import Document
from penname.generate.by_model import ModelWriter, Prepared
from penname.generate.request import TextRequest

TARGET = 0.9
CLIENTS, USERS, TOKENS, ROWS = 200, 50, 48, 64
SEEDS = 500
"""So many texts of each user are asked for: few are asked for twice."""
VLLM_GIB = "4"
"""Memory of vLLM's prefix cache: penname's server has taken as much at most."""
BUSY_FROM = 30.0
"""Seconds after which the server counts as busy."""


Key = tuple[int, int]
"""A user and a seed."""


@dataclass
class Load:
    """What clients have seen.

    texts: the texts of each user and seed, which should be one.
    first, refused: seconds until the first word, or until a refusal.
    tokens: when pieces of texts came, and how many tokens each of them has on average over its text.
    broken: streams that ended too soon.
    """

    texts: dict[Key, set[str]] = field(default_factory=dict)
    first: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    tokens: list[tuple[float, float]] = field(default_factory=list)
    broken: int = 0

    def tokens_a_second(self, begin: float, end: float) -> float:
        """New tokens a second between two moments."""
        return sum(tokens for moment, tokens in self.tokens if begin < moment < end) / (end - begin)


def main() -> None:
    """Measure the engine, then the server."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--vllm", metavar="PYTHON", help="the interpreter of an environment with vLLM")
    options.add_argument("--quick", action="store_true", help="20 clients for half a minute")
    chosen = options.parse_args()
    clients, seconds = (20, 30.0) if chosen.quick else (CLIENTS, 60 * chosen.minutes)
    rows = 8 if chosen.quick else ROWS
    busy_from = 5.0 if chosen.quick else BUSY_FROM
    engine = [engine_tokens_a_second(rows, 2 * rows)]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), rows) as (port, process):
        load, memory = asyncio.run(press(port, body_of, clients, seconds, process))
        alone = asyncio.run(texts_alone(port, load))
    engine.append(engine_tokens_a_second(rows, 2 * rows))
    rate = load.tokens_a_second(busy_from, seconds)
    middle = len(memory) // 2
    measured = {
        "engine_tokens_a_second_before_and_after": engine,
        "server_tokens_a_second": rate,
        "accepted": len(load.first),
        "refused": len(load.refused),
        "broken": load.broken,
        "first_token_p50": statistics.median(load.first),
        "first_token_p95": statistics.quantiles(load.first, n=20)[-1],
        "refusal_p95": statistics.quantiles(load.refused, n=20)[-1] if len(load.refused) > 1 else None,
        "different_texts_of_one_seed": sum(len(texts) > 1 for texts in load.texts.values()),
        "texts_unlike_alone": sum(load.texts[key] != {text} for key, text in alone.items()),
        "texts_compared_with_alone": len(alone),
        "memory_mib_first_and_second_half": [max(memory[:middle]), max(memory[middle:])],
        "memory_mib_each_minute": [round(mib) for mib in memory[::60]],
    }
    if chosen.vllm:
        print(json.dumps(measured), flush=True)  # vLLM takes much memory
        from penname.generate.by_model import setup_of_model

        body_of_vllm = partial(vllm_body, ModelWriter(setup_of_model("bundled")))
        with vllm_serving(chosen.vllm, rows) as (port, process):
            of_vllm, _ = asyncio.run(press(port, body_of_vllm, clients, seconds, process))
        measured["vllm_tokens_a_second"] = of_vllm.tokens_a_second(busy_from, seconds)
    finish(rate / statistics.mean(engine), TARGET, **measured)


@cache
def passages() -> list[str]:
    """Passages of the bundled corpus."""
    return [example.output or "" for example in load_examples("train")]


def prompt_of(key: Key) -> str:
    """What a user asks for: it is about something else each time, so other documents are found."""
    return f"Write about this: {' '.join(random.Random(str(key)).choice(passages()).split()[:12])}"


def documents_of(user: int) -> list[dict[str, str]]:
    """A user's documents."""
    return [{"text": text} for text in random.Random(user).sample(passages(), 10)]


def prepared_by(writer: ModelWriter, key: Key) -> Prepared:
    """A user's prompt as the server makes it."""
    documents = [Document(f"u{key[0]}", document["text"]) for document in documents_of(key[0])]
    return writer.prepare(TextRequest(prompt_of(key), documents, seed=key[1], candidates=1))


def engine_tokens_a_second(rows: int, texts: int) -> float:
    """New tokens a second of the engine in one call, in a process of its own, as its memory is given back then."""
    command = [sys.executable, "-c", f"import serve; serve.measure_engine({rows}, {texts})"]
    here = Path(__file__).parent
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=here)
    return float(done.stdout.split()[-1])


def measure_engine(rows: int, texts: int) -> None:
    """Print new tokens a second of `LocalEngine.generate` with users' prompts."""
    from penname.engines.local import LocalEngine
    from penname.generate.by_model import setup_of_model

    writer = ModelWriter(setup_of_model("bundled"))
    prepared = [prepared_by(writer, (n % USERS, n // USERS)) for n in range(texts)]
    sampling = replace(prepared[0].sampling, max_new_tokens=TOKENS)
    engine = LocalEngine(writer.setup.engine.model, batch_size=rows)
    engine.generate([prepared[0].tokens], [[0]], replace(sampling, max_new_tokens=2))
    started = time.perf_counter()
    written = engine.generate([p.tokens for p in prepared], [p.seeds for p in prepared], sampling)
    print(sum(len(w[0].tokens) for w in written) / (time.perf_counter() - started))


@contextmanager
def serving(
    folder: Path, rows: int, model: str = "bundled", methods: Sequence[str] = ()
) -> Iterator[tuple[int, psutil.Process]]:
    """A server of a model, with its users. methods: those of a run that are served."""
    with ready(folder / "db", rows, model, methods) as found:
        asyncio.run(add_users(found[0]))
        yield found


@contextmanager
def ready(
    database: Path, rows: int, model: str = "bundled", methods: Sequence[str] = ()
) -> Iterator[tuple[int, psutil.Process]]:
    """A server that is ready, and its port. database: file with its users, if there are any yet."""
    port = free_port()
    penname = str(Path(sys.executable).with_name("penname"))
    command = [penname, "serve", model, *(f"--method={method}" for method in methods)]
    command += ["--port", str(port), "--rows", str(rows), "--db", f"sqlite:///{database}"]
    server = subprocess.Popen(command, env=os.environ)
    try:
        asyncio.run(wait_until_ready(port, "/readyz"))
        yield port, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(60)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def wait_until_ready(port: int, path: str) -> None:
    """Wait until a server answers with 200."""
    for _ in range(12_000):
        try:
            if (await ask(port, "GET", path, None))[0] == 200:
                return
        except OSError:
            pass
        await asyncio.sleep(0.05)
    raise SystemExit("the server does not start")


async def add_users(port: int) -> None:
    """Add the users' documents."""
    for user in range(USERS):
        status, body = await ask(port, "POST", f"/v1/users/u{user}/documents", {"documents": documents_of(user)})
        if status >= 300:
            raise SystemExit(f"documents: {status} {body!r}")


async def press(
    port: int, body_of: Callable[[Key], dict[str, Any]], clients: int, seconds: float, process: psutil.Process
) -> tuple[Load, list[float]]:
    """Have all clients ask for so long; what they saw, and the server's memory every second in MiB."""
    load, memory, start = Load(), [], time.perf_counter()

    async def watch() -> None:
        while True:
            memory.append(process.memory_info().rss / 2**20)
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(client(port, body_of, number, load, start, seconds) for number in range(clients)))
    watching.cancel()
    return load, memory


async def client(
    port: int, body_of: Callable[[Key], dict[str, Any]], number: int, load: Load, start: float, seconds: float
) -> None:
    """Ask for one text after the other."""
    rng = random.Random(number)
    while time.perf_counter() - start < seconds:
        key = rng.randrange(USERS), rng.randrange(SEEDS)
        wait = await stream(port, body_of(key), key, load, start)
        await asyncio.sleep(wait)


async def stream(port: int, body: dict[str, Any], key: Key, load: Load, start: float) -> float:
    """Stream one text; the seconds to wait before the next one."""
    asked = time.perf_counter()
    path = "/v1/chat/completions" if "messages" in body else "/v1/completions"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        writer.write(request("POST", path, body))
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        if int(head.split()[1]) == 429:
            load.refused.append(time.perf_counter() - asked)
            return float(head.partition("retry-after:")[2].split()[0])
        text, moments, tokens = await streamed(reader)
    finally:
        writer.close()
    if not tokens or not moments:
        load.broken += 1
        return 1.0
    load.first.append(moments[0] - asked)
    load.tokens += [(moment - start, tokens / len(moments)) for moment in moments]
    load.texts.setdefault(key, set()).add(text)
    return 0.0


async def streamed(reader: asyncio.StreamReader) -> tuple[str, list[float], int]:
    """A streamed text, when its pieces came, and its number of tokens, which is 0 unless it came to its end."""
    text, tokens = "", 0
    moments: list[float] = []
    while line := await reader.readline():
        if line.startswith(b"data: [DONE]"):
            return text, moments, tokens
        if line.startswith(b"data: "):
            event = json.loads(line[6:])
            if "error" in event:
                break
            for choice in event["choices"]:
                moments.append(time.perf_counter())
                text += choice["text"] if "text" in choice else choice["delta"].get("content", "")
            if event.get("usage"):
                tokens = event["usage"]["completion_tokens"]
    return text, moments, 0


async def texts_alone(port: int, load: Load) -> dict[Key, str]:
    """Some of the texts, asked for again one by one."""
    alone = {}
    for key in sorted(load.texts)[:: max(1, len(load.texts) // 20)]:
        _, body = await ask(port, "POST", "/v1/chat/completions", body_of(key) | {"stream": False})
        alone[key] = json.loads(body)["choices"][0]["message"]["content"]
    return alone


STREAMED = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": TOKENS}


def body_of(key: Key) -> dict[str, Any]:
    """The request of a user and a seed."""
    messages = [{"role": "user", "content": prompt_of(key)}]
    return {"model": f"penname/u{key[0]}", "messages": messages, "seed": key[1], **STREAMED}


@contextmanager
def vllm_serving(python: str, rows: int) -> Iterator[tuple[int, psutil.Process]]:
    """A vLLM server of the bundled model."""
    from penname.engines.models import compute_dtype, locate_model

    port = free_port()
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", locate_model("bundled")]
    command += ["--served-model-name", "bundled", "--port", str(port), "--max-num-seqs", str(rows)]
    command += ["--dtype", compute_dtype(), "--max-model-len", "2048"]
    settings = {"VLLM_CPU_KVCACHE_SPACE": VLLM_GIB, "VLLM_CPU_NUM_OF_RESERVED_CPU": "0"}  # all cores compute
    server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": "", **settings})
    try:
        asyncio.run(wait_until_ready(port, "/health"))
        yield port, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(60)


def vllm_body(writer: ModelWriter, key: Key) -> dict[str, Any]:
    """The request of a user and a seed for vLLM."""
    prepared = prepared_by(writer, key)
    sampling = prepared.sampling
    return {
        "model": "bundled",
        "prompt": prepared.tokens,  # without a seed, as vLLM 0.32 on a CPU ends at the first of a seed with top_p
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop_token_ids": list(sampling.stop_ids),
        **STREAMED,
    }


def request(method: str, path: str, body: Any) -> bytes:
    """An HTTP request."""
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


async def ask(port: int, method: str, path: str, body: Any) -> tuple[int, bytes]:
    """The status and the body of an answer that is not streamed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request(method, path, body))
        head = await reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), await reader.read()
    finally:
        writer.close()


if __name__ == "__main__":
    main()
