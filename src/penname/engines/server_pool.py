"""Several servers of one model: each request goes to the one with the fewest in flight, and past those that fail."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

REST = 30.0
"""Seconds for which a server that failed is asked only where no other answers."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds before all servers are tried again, doubled each time."""


@dataclass(eq=False)
class _Server:
    """A server: its client, the number of its requests in flight, and the time until which it is avoided."""

    client: Any
    in_flight: int = 0
    rests_until: float = 0.0


class ServerPool:
    """The servers at several addresses.

    addresses: theirs, such as ``http://localhost:8000/v1``.
    max_retries: further tries of a request after a broken connection, a time-out, a 429 or a 5xx of all servers.
    options: other arguments of `openai.OpenAI`.
    """

    def __init__(self, addresses: Sequence[str], max_retries: int, **options: Any) -> None:
        import openai

        self._failures = (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError)
        # A single server's client tries again by itself, for as long as the server says.
        retries, self._rounds = (max_retries, 1) if len(addresses) == 1 else (0, max_retries + 1)
        self._servers = [
            _Server(openai.OpenAI(base_url=address, max_retries=retries, **options)) for address in addresses
        ]
        self._lock = Lock()

    def create(self, endpoint: str, **request: Any) -> Any:
        """The answer to a request by the first server that gives one.

        endpoint: `completions`, or `chat` for chat completions.
        request: arguments of the endpoint's `create`.

        Raises what `openai` raises: of the server that was tried first, where all fail.
        """
        errors: list[Exception] = []
        for number in range(self._rounds):
            if number > 0:
                time.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2 ** (number - 1)))
            errors.clear()
            left = list(self._servers)
            while left:
                server = self._take(left)
                try:
                    client = server.client.chat if endpoint == "chat" else server.client
                    return client.completions.create(**request)
                except self._failures as error:
                    server.rests_until = time.monotonic() + REST
                    errors.append(error)
                finally:
                    with self._lock:
                        server.in_flight -= 1
        raise errors[0]

    def _take(self, left: list[_Server]) -> _Server:
        """Take the server that a request is to try next from those that are left, and count the request as its own."""
        with self._lock:
            now = time.monotonic()
            server = min(left, key=lambda server: (server.rests_until > now, server.in_flight))
            server.in_flight += 1
        left.remove(server)
        return server
