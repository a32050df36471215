"""What is sent to an open page as it comes: numbered, so that a page whose connection broke goes on where it was."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

SECONDS_OF_SILENCE = 15.0
"""After so long something is sent in any case, so that a connection that is gone is noticed on both sides."""

MILLISECONDS_TO_RETRY = 2000
"""How long a browser waits before it connects again, each time."""

END = "end"
"""The event that tells a page that no other one follows."""


@dataclass(frozen=True)
class Event:
    """kind: what the page takes it for. html: what it shows of it."""

    kind: str
    html: str


class EventLog:
    """The events of something that goes on, from its beginning; all calls are made in the event loop.

    A page that names the last event that it has gets those behind it: none is missing, none comes twice.
    """

    def __init__(self) -> None:
        self._name = secrets.token_hex(6)
        self._events: list[Event | None] = []
        self._more = asyncio.Event()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether no event follows."""
        return self._ended

    def add(self, kind: str, html: str) -> None:
        """Add an event."""
        self._events.append(Event(kind, html))
        self._wake()

    def drop(self, kinds: Collection[str]) -> None:
        """Keep nothing of the events of these kinds; pages that do not have them yet never get them."""
        self._events = [None if event and event.kind in kinds else event for event in self._events]

    def end(self) -> None:
        """Say that no event follows."""
        if not self._ended:
            self._ended = True
            self.add(END, "")

    def answer(self, request: Request) -> Response:
        """The events as a stream for a page, behind the last one that it has."""
        first = self._behind(last_seen(request))
        if self._ended and first == len(self._events):
            return Response(status_code=204)  # which tells a browser not to ask again
        return StreamingResponse(
            self._stream(first),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )

    def _behind(self, last: str) -> int:
        """The number of the first event that a page does not have; 0 where it names one of another log's."""
        name, _, number = last.partition("-")
        known = name == self._name and number.isascii() and number.isdigit()
        return min(int(number) + 1, len(self._events)) if known else 0

    async def _stream(self, number: int) -> AsyncGenerator[str]:
        yield f"retry: {MILLISECONDS_TO_RETRY}\n\n"
        while True:
            while number < len(self._events):  # none is held here while a page is slow to take it
                if (event := self._events[number]) is not None:
                    yield written(f"{self._name}-{number}", event)
                number += 1
            if self._ended and number == len(self._events):
                return
            more = self._more
            try:
                await asyncio.wait_for(more.wait(), SECONDS_OF_SILENCE)
            except TimeoutError:
                yield ":\n\n"

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()


def last_seen(request: Request) -> str:
    """The number of the last event that a page has; empty for none.

    A browser that connects again by itself has it in a header, a page that does in its address.
    """
    return request.headers.get("last-event-id") or request.query_params.get("last", "")


def written(number: str, event: Event) -> str:
    """An event as it is sent. number: what a page that has it says, to get those behind it."""
    lines = event.html.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return f"id: {number}\nevent: {event.kind}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"
