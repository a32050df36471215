"""Streams to pages go on without gaps and without doubles, however often a connection breaks."""

from __future__ import annotations

import asyncio
import random

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from penname.studio.events import EventLog


def request_after(last: str | None) -> Request:
    headers = [] if last is None else [(b"last-event-id", last.encode())]
    return Request({"type": "http", "headers": headers, "query_string": b""})


def parsed(block: str) -> dict[str, str]:
    lines = [line.partition(": ") for line in block.strip("\n").split("\n")]
    fields: dict[str, str] = {}
    for name, _, value in lines:
        fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return fields


async def read(log: EventLog, last: str | None, most: int | None = None) -> list[dict[str, str]]:
    """The events behind `last`, until the end or until `most` have come and the connection breaks."""
    found: list[dict[str, str]] = []
    answer = log.answer(request_after(last))
    assert isinstance(answer, StreamingResponse)
    async for block in answer.body_iterator:
        if "id" in (event := parsed(str(block))):
            found.append(event)
        if most is not None and len(found) >= most:
            break
    return found


def test_fifty_broken_connections_lose_nothing_and_repeat_nothing():
    async def through() -> list[dict[str, str]]:
        log, luck, found, last = EventLog(), random.Random(0), [], None

        async def write() -> None:
            for number in range(500):
                log.add("piece", f"line {number}\nsecond")
                if number % 7 == 0:
                    await asyncio.sleep(0)
            log.end()

        writing = asyncio.create_task(write())
        for _ in range(50):
            found += await read(log, last, luck.randrange(1, 9))
            last = found[-1]["id"]
        await writing
        return found + await read(log, last)

    found = asyncio.run(through())
    assert [event["data"] for event in found[:-1]] == [f"line {n}\nsecond" for n in range(500)]
    assert found[-1]["event"] == "end"


@pytest.mark.parametrize("last", [None, "", "other-3", "-1", "x", "é-٣"])
def test_a_page_that_has_events_of_another_log_gets_all(last):
    async def through() -> list[dict[str, str]]:
        log = EventLog()
        log.add("piece", "one")
        log.end()
        return await read(log, last)

    assert [event["event"] for event in asyncio.run(through())] == ["piece", "end"]


def test_a_page_that_has_all_is_told_not_to_ask_again():
    async def through() -> int:
        log = EventLog()
        log.add("piece", "one")
        log.end()
        everything = await read(log, None)
        return log.answer(request_after(everything[-1]["id"])).status_code

    assert asyncio.run(through()) == 204


def test_what_is_dropped_is_sent_to_nobody_and_the_rest_comes_once():
    async def through() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        log = EventLog()
        for number in range(4):
            log.add(("mine", "yours")[number % 2], f"words {number}")
        first = await read(log, None, 1)
        log.drop(["yours"])
        log.end()
        return await read(log, first[-1]["id"]), await read(log, None)

    behind, everything = asyncio.run(through())
    assert [event.get("data") for event in behind] == ["words 2", ""]
    assert [event.get("data") for event in everything] == ["words 0", "words 2", ""]
