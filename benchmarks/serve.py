"""`penname serve` under load: its speed beside the engine's own in a batch, first words, refusals, and memory.

200 clients stream texts of 50 users for ten minutes; each asks again as soon as it has a text, or when the server says
that it may. Every text that was accepted must be whole, and be the one that the same prompt and seed give alone. The
ratio is the server's new tokens a second, once it is busy, over those of `LocalEngine.generate` with the same prompts
in one call before it, with as many at once.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from common import finish

from penname.data.presidents import load_examples

TARGET = 0.9
CLIENTS, USERS, TOKENS, ROWS = 200, 50, 48, 64
SEEDS = 4
"""Each user's prompt is asked for with so many seeds, so that equal requests meet at different times."""
BUSY_FROM = 30.0
"""Seconds after which the server counts as busy."""


@dataclass
class Load:
    """What clients have seen.

    texts: the texts of each user and seed, which should be one.
    first, refused: seconds until the first word, or until a refusal.
    tokens: for each text, when it was whole and how many tokens it took.
    broken: streams that ended too soon.
    """

    texts: dict[tuple[int, int], set[str]] = field(default_factory=dict)
    first: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    tokens: list[tuple[float, int]] = field(default_factory=list)
    broken: int = 0


def main() -> None:
    """Measure the engine, then the server."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--quick", action="store_true", help="20 clients for half a minute")
    chosen = options.parse_args()
    clients, seconds = (20, 30.0) if chosen.quick else (CLIENTS, 60 * chosen.minutes)
    rows = 8 if chosen.quick else ROWS
    busy_from = 5.0 if chosen.quick else BUSY_FROM
    engine = engine_tokens_a_second(rows, 2 * rows)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), rows) as (port, process):
        load, memory = asyncio.run(press(port, process, clients, seconds))
        alone = asyncio.run(texts_alone(port, load))
    busy = [count for moment, count in load.tokens if moment > busy_from]
    rate = sum(busy) / (seconds - busy_from)
    middle = len(memory) // 2
    measured = {
        "engine_tokens_a_second": engine,
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
    }
    finish(rate / engine, TARGET, **measured)


def prompt_of(user: int) -> str:
    """What a user asks for."""
    return f"Write about the state of the Union, and of subject {user}."


def documents_of(user: int) -> list[dict[str, str]]:
    """A user's documents: passages of the bundled corpus."""
    texts = [example.output or "" for example in load_examples("train")]
    return [{"text": text} for text in random.Random(user).sample(texts, 10)]


def engine_tokens_a_second(rows: int, texts: int) -> float:
    """New tokens a second of the engine in one call, in a process of its own, as its memory is given back then."""
    command = [sys.executable, "-c", f"import serve; serve.measure_engine({rows}, {texts})"]
    here = Path(__file__).parent
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=here)
    return float(done.stdout.split()[-1])


def measure_engine(rows: int, texts: int) -> None:
    """Print new tokens a second of `LocalEngine.generate` with users' prompts."""
    from dataclasses import replace

    from penname.data.records import Document
    from penname.engines.local import LocalEngine
    from penname.generate.by_model import ModelWriter, setup_of_model
    from penname.generate.request import Request

    writer = ModelWriter(setup_of_model("bundled"))
    prepared = [
        writer.prepare(
            Request(
                prompt_of(n % USERS), [Document("u", d["text"]) for d in documents_of(n % USERS)], seed=n, candidates=1
            )
        )
        for n in range(texts)
    ]
    sampling = replace(prepared[0].sampling, max_new_tokens=TOKENS)
    engine = LocalEngine(writer.setup.engine.model, batch_size=rows)
    engine.generate([prepared[0].tokens], [[0]], replace(sampling, max_new_tokens=2))
    started = time.perf_counter()
    written = engine.generate([p.tokens for p in prepared], [p.seeds for p in prepared], sampling)
    print(sum(len(w[0].tokens) for w in written) / (time.perf_counter() - started))


@contextmanager
def serving(folder: Path, rows: int) -> Iterator[tuple[int, psutil.Process]]:
    """A server of the bundled model, with its users."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    penname = str(Path(sys.executable).with_name("penname"))
    command = [penname, "serve", "bundled", "--port", str(port), "--rows", str(rows), "--db", f"sqlite:///{folder}/db"]
    server = subprocess.Popen(command, env=os.environ)
    try:
        asyncio.run(add_users(port))
        yield port, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(60)


async def add_users(port: int) -> None:
    """Wait for the server, and add the users' documents."""
    for _ in range(600):
        try:
            status, _ = await ask(port, "GET", "/readyz", None)
            if status == 200:
                break
        except OSError:
            pass
        await asyncio.sleep(0.2)
    for user in range(USERS):
        status, body = await ask(port, "POST", f"/v1/users/u{user}/documents", {"documents": documents_of(user)})
        if status >= 300:
            raise SystemExit(f"documents: {status} {body!r}")


async def press(port: int, process: psutil.Process, clients: int, seconds: float) -> tuple[Load, list[float]]:
    """Have all clients ask for so long; what they saw, and the server's memory every second in MiB."""
    load, memory, start = Load(), [], time.perf_counter()

    async def watch() -> None:
        while True:
            memory.append(process.memory_info().rss / 2**20)
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(client(port, number, load, start, seconds) for number in range(clients)))
    watching.cancel()
    return load, memory


async def client(port: int, number: int, load: Load, start: float, seconds: float) -> None:
    """Ask for one text after the other."""
    rng = random.Random(number)
    while time.perf_counter() - start < seconds:
        key = rng.randrange(USERS), rng.randrange(SEEDS)
        wait = await stream(port, key, load, start)
        await asyncio.sleep(wait)


async def stream(port: int, key: tuple[int, int], load: Load, start: float) -> float:
    """Stream one text; the seconds to wait before the next one."""
    asked = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        writer.write(request("POST", "/v1/chat/completions", body_of(key)))
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        status = int(head.split()[1])
        if status == 429:
            load.refused.append(time.perf_counter() - asked)
            return float(head.partition("retry-after:")[2].split()[0])
        text, first, ended = "", None, False
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            now = time.perf_counter()
            if line.startswith(b"data: [DONE]"):
                ended = True
                break
            event = json.loads(line[6:])
            for choice in event["choices"]:
                first = first or now - asked
                text += choice["delta"].get("content", "")
            if "usage" in event:
                load.tokens.append((now - start, event["usage"]["completion_tokens"]))
        if not ended or first is None:
            load.broken += 1
            return 1.0
        load.first.append(first)
        load.texts.setdefault(key, set()).add(text)
        return 0.0
    finally:
        writer.close()


async def texts_alone(port: int, load: Load) -> dict[tuple[int, int], str]:
    """Some of the texts, asked for again one by one."""
    alone = {}
    for key in sorted(load.texts)[:: max(1, len(load.texts) // 20)]:
        _, body = await ask(port, "POST", "/v1/chat/completions", body_of(key) | {"stream": False})
        alone[key] = json.loads(body)["choices"][0]["message"]["content"]
    return alone


def body_of(key: tuple[int, int]) -> dict[str, Any]:
    """The request of a user and a seed."""
    user, seed = key
    messages = [{"role": "user", "content": prompt_of(user)}]
    options = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": TOKENS}
    return {"model": f"penname/u{user}", "messages": messages, "seed": seed, **options}


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
