"""The engine behind the server, as its event loop sees it: requests are asked for, and told token by token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from penname.engines.base import Sampling, TokenIds
from penname.engines.live import LiveEngine, Ticket, Update


class EngineFailed(Exception):
    """The engine could not go on with a request."""


class LocalBackend:
    """The local engine in a thread of this process. It must be made in the event loop that waits for it.

    model, dtype, rows, max_new_tokens: see `LiveEngine`.
    """

    def __init__(self, model: str, dtype: str, rows: int, max_new_tokens: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Ticket, asyncio.Queue[Update]] = {}
        self.engine = LiveEngine(model, self._on_step, dtype, rows, max_new_tokens)

    async def write(
        self, prompt: TokenIds, seeds: Sequence[int], sampling: Sampling, most_likely: int | None
    ) -> AsyncGenerator[Update]:
        """Ask for completions, see `LiveEngine.submit`, and tell what is added to them until all have ended.

        Whoever stops iterating sets the engine free. Raises EngineFailed.
        """
        ticket = self.engine.submit(prompt, seeds, sampling, most_likely)
        updates = self._waiting[ticket] = asyncio.Queue()
        unfinished = set(range(len(seeds)))
        try:
            while unfinished:
                update = await updates.get()
                if update.error is not None:
                    raise EngineFailed from update.error
                if update.finish_reason is not None:
                    unfinished.discard(update.index)
                yield update
        finally:
            self.engine.cancel(ticket)
            del self._waiting[ticket]

    def close(self) -> None:
        """Stop the engine's thread."""
        self.engine.close()

    def _on_step(self, updates: list[Update]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all who waited
            self._loop.call_soon_threadsafe(self._tell, updates)

    def _tell(self, updates: list[Update]) -> None:
        for update in updates:
            waiting = self._waiting.get(update.ticket)
            if waiting is not None:
                waiting.put_nowait(update)
