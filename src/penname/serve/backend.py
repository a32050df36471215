"""The engine behind the server, as its event loop sees it: requests are asked for, and told token by token."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from penname.engines.base import FinishReason, Sampling, TokenIds
from penname.engines.batch import TokenLogProbs
from penname.engines.live import LiveEngine, Ticket, Update


class EngineFailed(Exception):
    """The engine could not go on with a request."""


@dataclass(frozen=True)
class Added:
    """What has been added to one of a request's completions; see `Update`."""

    index: int
    tokens: list[int]
    log_probs: list[TokenLogProbs]
    finish_reason: FinishReason | None


GoesOn = Callable[[int], bool]
"""Whether a completion, by its index, is to get further tokens."""


def to_its_end(index: int) -> bool:
    """The `GoesOn` of completions that nothing ends but the model or their length."""
    return True


class Backend(Protocol):
    """An engine that many requests share."""

    def check(self, prompt_tokens: int, completions: int, sampling: Sampling) -> None:
        """Raise UserError for a request that the engine cannot do; see `LiveEngine.check`."""
        ...

    def write(
        self,
        prompt: TokenIds,
        seeds: Sequence[int],
        sampling: Sampling,
        most_likely: int | None,
        tenant: str,
        goes_on: GoesOn = to_its_end,
    ) -> AsyncGenerator[Added]:
        """Ask for completions, see `LiveEngine.submit`, and tell what is added to them until all have ended.

        tenant: whose prompt it is; no other tenant can notice that it was computed.
        goes_on: asked after each addition; a completion that is not to go on ends at the engine's next step.

        Whoever stops iterating sets the engine free. Raises EngineFailed.
        """
        ...

    def preparing(self, completions: int) -> AbstractContextManager[None]:
        """Count completions among those that wait while their prompt is being prepared."""
        ...

    def expected_wait(self, prompt_tokens: int | None, completions: int) -> float:
        """Seconds that a request would wait for its first token if it came now; see `LiveEngine.expected_wait`."""
        ...

    @property
    def in_progress(self) -> int:
        """The number of completions that are being written or wait."""
        ...

    @property
    def in_preparation(self) -> int:
        """The number of completions whose prompts are being prepared; see `preparing`."""
        ...

    @property
    def waiting(self) -> int:
        """The number of completions that wait for their first token."""
        ...

    async def alive(self) -> bool:
        """Whether the engine goes on."""
        ...

    def watch_steps(self, on_seconds: Callable[[float], None]) -> None:
        """Have it told how long each step of an engine of this process takes."""
        ...

    async def close(self) -> None:
        """Release the engine."""
        ...


class LocalBackend:
    """The local engine in a thread of this process.

    model, dtype, rows, max_new_tokens: see `LiveEngine`.
    loop: the event loop that waits for it; None for the one that it is made in.
    opening: what all prompts begin with, see `LiveEngine.keep_opening`.
    """

    def __init__(
        self,
        model: str,
        dtype: str,
        rows: int,
        max_new_tokens: int,
        loop: asyncio.AbstractEventLoop | None = None,
        opening: TokenIds = (),
    ) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._waiting: dict[Ticket, asyncio.Queue[Update]] = {}
        self.engine = LiveEngine(model, self._on_step, dtype, rows, max_new_tokens)
        if opening:
            self.engine.keep_opening(opening)
        self.engine.warm_up()

    def check(self, prompt_tokens: int, completions: int, sampling: Sampling) -> None:
        """See `Backend.check`."""
        self.engine.check(prompt_tokens, completions, sampling)

    async def write(
        self,
        prompt: TokenIds,
        seeds: Sequence[int],
        sampling: Sampling,
        most_likely: int | None,
        tenant: str,
        goes_on: GoesOn = to_its_end,
    ) -> AsyncGenerator[Added]:
        """See `Backend.write`; the local engine shares nothing between requests but their opening."""
        ticket = self.engine.submit(prompt, seeds, sampling, most_likely)
        updates = self._waiting[ticket] = asyncio.Queue()
        unfinished = set(range(len(seeds)))
        try:
            while unfinished:
                update = await updates.get()
                if update.error is not None:
                    raise EngineFailed from update.error
                if update.index not in unfinished:
                    continue
                yield Added(update.index, update.tokens, update.log_probs, update.finish_reason)
                if update.finish_reason is not None or not goes_on(update.index):
                    unfinished.remove(update.index)
                    self.engine.cancel(ticket, update.index)
        finally:
            self.engine.cancel(ticket)
            del self._waiting[ticket]

    def preparing(self, completions: int) -> AbstractContextManager[None]:
        """See `Backend.preparing`."""
        return self.engine.preparing(completions)

    def expected_wait(self, prompt_tokens: int | None, completions: int) -> float:
        """See `Backend.expected_wait`."""
        return self.engine.expected_wait(prompt_tokens, completions)

    @property
    def in_progress(self) -> int:
        """See `Backend.in_progress`."""
        return self.engine.in_progress

    @property
    def in_preparation(self) -> int:
        """See `Backend.in_preparation`."""
        return self.engine.in_preparation

    @property
    def waiting(self) -> int:
        """See `Backend.waiting`."""
        return self.engine.waiting

    async def alive(self) -> bool:
        """See `Backend.alive`."""
        return self.engine.alive

    def watch_steps(self, on_seconds: Callable[[float], None]) -> None:
        """See `Backend.watch_steps`."""
        self.engine.on_seconds = on_seconds

    async def close(self) -> None:
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
