"""Connections that hold nothing for long: who sends a request's head or takes an answer too slowly is hung up on."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from penname.serve.errors import ApiError
from penname.serve.headers import HEADERS

SECONDS_FOR_HEAD = 30.0
"""How long the line and the headers of a request may take."""

SECONDS_FOR_READING = 60.0
"""How long a client may take nothing of an answer that is more than what the network holds for it."""


class Connection(H11Protocol):
    """A connection, closed where a request's head is not there in time, or nothing of its answer is read in time.

    `penname.serve.limits.Limits` sees to the body. What is no HTTP is refused in the shape of other errors.
    """

    _head_due: asyncio.TimerHandle | None = None
    _reading_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A client has connected, and is expected to ask for something."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """More of a request has come."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._expect_head()
        else:
            self._stop_expecting()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._stop_expecting()
        self._stop_waiting()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client is behind with reading."""
        super().pause_writing()
        # Closing would wait until all has been read.
        self._reading_due = self.loop.call_later(SECONDS_FOR_READING, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        self._stop_waiting()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, unless an answer has begun, which is broken off."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        answer = ApiError(400, "found no request of HTTP", "invalid_http").answer(close=True)
        head = h11.Response(status_code=answer.status_code, headers=[*HEADERS.items(), *answer.headers.items()])
        for event in (head, h11.Data(bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()

    def _expect_head(self) -> None:
        if self._head_due is None:
            self._head_due = self.loop.call_later(SECONDS_FOR_HEAD, self.transport.close)

    def _stop_expecting(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _stop_waiting(self) -> None:
        if self._reading_due is not None:
            self._reading_due.cancel()
            self._reading_due = None
