"""`penname serve` for one client: seconds to the first token, and what a reasoning that is kept costs.

Users with ten documents each ask for one text after the other, as nobody else does. Each is first written for by the
method with reasoning, which then is kept; what is compared are the user's next texts by it and by the method without
reasoning: the ratio is that of the medians of their seconds. Without --run only first tokens of the bundled model are
measured, and the ratio is that of their median to one second.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import common

import serve


def main() -> None:
    """Measure one server."""
    options = common.parser(__doc__)
    options.add_argument("--run", help="a run with both methods")
    options.add_argument("--methods", nargs=2, default=("rest-pg", "sft"), help="with and without reasoning")
    options.add_argument("--users", type=int, default=20)
    chosen = options.parse_args()
    users = 3 if chosen.quick else chosen.users
    methods = tuple(chosen.methods) if chosen.run else ()
    with (
        tempfile.TemporaryDirectory() as folder,
        serve.serving(Path(folder), 64, chosen.run or "bundled", methods) as (
            port,
            _,
        ),
    ):
        first = asyncio.run(first_tokens(port, users, methods[-1:]))
        seconds = {method: [] for method in methods}
        if methods:
            seconds = asyncio.run(second_texts(port, users, methods))
    facts: dict[str, Any] = {
        "first_token_s_and_prompt_tokens": [(round(took, 2), tokens) for took, tokens in sorted(first)],
        "first_token_p50": statistics.median(took for took, _ in first),
        "ms_a_prompt_token": statistics.median(1000 * took / tokens for took, tokens in first),
    }
    if not methods:
        common.finish(facts["first_token_p50"], 1.0, at_most=True, **facts)
        return
    medians = {method: statistics.median(found) for method, found in seconds.items()}
    common.finish(medians[methods[0]] / medians[methods[1]], 1.3, at_most=True, **facts, seconds=medians)


async def first_tokens(port: int, users: int, methods: tuple[str, ...]) -> list[tuple[float, int]]:
    """Seconds to the first token of a text of each user, and the tokens of its prompt."""
    found = []
    for user in range(users):
        load, asked = serve.Load(), time.perf_counter()
        body = body_of((user, 0), methods)
        await serve.stream(port, body, (user, 0), load, asked)
        _, answer = await serve.ask(port, "POST", "/v1/chat/completions", {**body, "stream": False, "max_tokens": 1})
        found.append((load.first[0], json.loads(answer)["usage"]["prompt_tokens"]))
    return found


async def second_texts(port: int, users: int, methods: tuple[str, ...]) -> dict[str, list[float]]:
    """Seconds of the second text of each user by each method."""
    seconds: dict[str, list[float]] = {method: [] for method in methods}
    for user in range(users):
        await timed(port, body_of((user, 0), methods[:1], most=None))
        for method in methods if user % 2 else methods[::-1]:
            seconds[method].append(await timed(port, body_of((user, 1), (method,))))
    return seconds


async def timed(port: int, body: dict[str, Any]) -> float:
    """Seconds of a text."""
    started = time.perf_counter()
    status, answer = await serve.ask(port, "POST", "/v1/chat/completions", {**body, "stream": False})
    if status != 200:
        raise SystemExit(f"{status} {answer!r}")
    return time.perf_counter() - started


def body_of(key: serve.Key, methods: tuple[str, ...], most: int | None = serve.TOKENS) -> dict[str, Any]:
    """The request of a user and a seed. methods: the one that writes, or none for the server's own."""
    body = serve.body_of(key)
    return {**body, "model": "@".join((body["model"], *methods)), "max_tokens": most}


if __name__ == "__main__":
    common.run(main)
