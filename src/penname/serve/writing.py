"""What is asked for, and what is common to all ways of writing it: tokens are reserved, counted and settled."""

from __future__ import annotations

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from anyio import CancelScope, create_task_group, sleep
from anyio.lowlevel import checkpoint
from anyio.to_thread import run_sync

from penname.data.records import Document
from penname.engines.base import FinishReason
from penname.engines.batch import TokenLogProbs
from penname.serve.access import Caller
from penname.serve.admission import Admission
from penname.serve.errors import ApiError, forgotten
from penname.serve.in_flight import InFlight, Stop
from penname.serve.large_profiles import LargeProfiles
from penname.serve.store.records import Profile, UnknownUser
from penname.serve.store.store import Store
from penname.text_caches import empty_text_caches

SECONDS_BETWEEN_LOOKS = 0.8
"""How often it is looked whether another process has forgotten the user of a text that is being written."""

NOBODY = Profile(None, 0, [])
"""The profile of a user whom nobody knows."""


@dataclass(frozen=True)
class Order:
    """What is to be written, and for whom.

    user: the user's id; None for a new user.
    choices: number of texts.
    candidates: texts that are written for each of these; None for as many as the model's run does.
    sampling: settings in the place of the run's, by their names in `Sampling`.
    most_tokens: the longest completion, in tokens; None for the run's.
    most_likely: see `LiveEngine.submit`.
    reasoning: a reasoning in the place of the user's own.
    """

    caller: Caller
    user: str | None
    prompt: str
    query: str | None = None
    item: str | None = None
    seed: int | None = None
    choices: int = 1
    candidates: int | None = None
    stop: tuple[str, ...] = ()
    sampling: dict[str, Any] = field(default_factory=dict)
    most_tokens: int | None = None
    most_likely: int | None = None
    reasoning: str | None = None


class Piece(NamedTuple):
    """What has been added to one of the texts.

    finish_reason: why it ended; None while it goes on.
    """

    choice: int
    reasoning: str
    text: str
    tokens: list[int]
    log_probs: list[TokenLogProbs]
    finish_reason: FinishReason | None


@dataclass(frozen=True)
class Desk:
    """What every writing works with: the store, who may begin, who is being written as, and how documents are found."""

    store: Store
    admission: Admission
    in_flight: InFlight
    large_profiles: LargeProfiles


class Writing(ABC):
    """One request on its way. `start` it, iterate over what is `given_out`, `until_stopped`; `close` it in any case.

    Its attributes say what it has taken so far; all are known once its pieces have ended.

    method: the name of the method that writes.
    prompt_tokens, completion_tokens, reasoning_tokens: numbers of tokens; candidates that are not returned count too.
    seed: of its sampling.
    most_likely: as ordered; None where no log probabilities are told of its texts.
    shown: the user's documents that were found for the prompt, most relevant first.
    notes: what a reader of the texts should know.
    """

    def __init__(self, desk: Desk, method: str, order: Order) -> None:
        self.order = order
        self.method = method
        self._stop = Stop()
        self.seed = secrets.randbits(53) if order.seed is None else order.seed
        self.most_likely = order.most_likely
        self.prompt_tokens = self.completion_tokens = self.reasoning_tokens = 0
        self.shown: Sequence[Document] = ()
        self.notes: list[str] = []
        self._store, self._admission, self._in_flight = desk.store, desk.admission, desk.in_flight
        self._profile = NOBODY
        self._closed = False
        self._has_large_profile = False
        self._reserved: tuple[str, int] | None = None

    async def start(self) -> None:
        """Do all that can refuse the request. Raises ApiError, and UserError for what the model cannot be asked."""
        self._started = time.perf_counter()
        self._in_flight.add(self.order.caller.tenant, self.order.user, self)
        await self._begin()

    @abstractmethod
    async def _begin(self) -> None:
        """What `start` does of each way of writing."""

    @abstractmethod
    def pieces(self) -> AsyncGenerator[Piece]:
        """The texts as they are written. Raises EngineFailed."""

    @asynccontextmanager
    async def until_stopped(self) -> AsyncGenerator[None]:
        """A context in which to write once, which is left where the request is stopped.

        The user may be forgotten by whatever process has the same database. Raises ApiError, which says why it was
        stopped.
        """
        try:
            with self._stop.heeded():
                async with create_task_group() as group:
                    if self.slot is not None:
                        group.start_soon(self._watch_user)
                    yield
                    group.cancel_scope.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def given_out(self) -> AsyncGenerator[Piece]:
        """The pieces; none is the last one of a text of a user who was forgotten before. Raises EngineFailed."""
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                if piece.finish_reason is not None:
                    await self._stop_if_forgotten()
                yield piece

    @property
    def slot(self) -> int | None:
        """Where the user's key is, see `Profile`."""
        return self._profile.slot

    @property
    def documents(self) -> list[str | None]:
        """The ids of the documents that were found."""
        return [document.id for document in self.shown]

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids, without special tokens."""

    def stop(self, why: ApiError) -> None:
        """Nothing more is written. why: what the client is told."""
        self._stop.stop(why)

    async def _watch_user(self) -> None:
        """Look again and again, as no piece may come for long: none does before all candidates are written."""
        while True:
            await sleep(SECONDS_BETWEEN_LOOKS)
            await self._stop_if_forgotten()

    async def _stop_if_forgotten(self) -> None:
        if self.slot is not None and self._store.is_forgotten(self.slot):
            self.stop(forgotten())
            await checkpoint()  # where it ends

    async def close(self) -> None:
        """Settle what has been reserved, however the request ended; once that is done, nothing more."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._settle()
        finally:  # until then a server that stops waits for it
            self._in_flight.remove(self.order.caller.tenant, self.order.user, self)

    async def _settle(self) -> None:
        if self._profile is not NOBODY:
            empty_text_caches()
        self._admission.note_tokens(self.prompt_tokens, self.completion_tokens)
        if self._reserved is not None:
            (day, reserved), self._reserved = self._reserved, None
            key = self.order.caller.key
            assert key is not None
            used = self.prompt_tokens + self.completion_tokens
            with CancelScope(shield=True):
                await run_sync(self._store.settle, key, day, reserved, used)

    def _read_profile(self) -> None:
        """Read the user's documents; that nobody knows the user is noted."""
        if self.order.user is not None:
            try:
                self._profile = self._store.profile(self.order.caller.tenant, self.order.user)
            except UnknownUser:
                self.notes.append("nobody knows this user: written as for a new user")
                return
        if not self._profile.documents:
            whose = "no user is named" if self.order.user is None else "this user has no documents"
            self.notes.append(f"{whose}: written as for a new user")

    async def _reserve(self, tokens: int, needed: int) -> None:
        """Reserve tokens that the request may take, beside those that are reserved for it.

        needed: all that it may take, as far as is known.

        Raises ApiError where the key has no more: 429, or 400 where no day of the key's has so many.
        """
        key = self.order.caller.key
        if key is None:
            return
        if key.tokens_a_day is not None and needed > key.tokens_a_day:
            problem = f"found a request that may take {needed} tokens, expected at most the {key.tokens_a_day}"
            raise ApiError(400, f"{problem} that its key has in a day", "insufficient_quota", "max_tokens")
        now = datetime.now(UTC)
        day, reserved = self._reserved or (now.date().isoformat(), 0)
        if not await run_sync(self._store.reserve, key, day, tokens):
            wait = 86400 - (now.hour * 3600 + now.minute * 60 + now.second)
            problem = f"the key's tokens of this day do not suffice for the {needed} that this may take"
            raise ApiError(429, problem, "insufficient_quota", retry_after=wait)
        self._reserved = day, reserved + tokens

    def _check_wait(self, expected: float, before: int) -> None:
        """Raise ApiError where the first token would come too late.

        expected: seconds from now.
        before: see `Admission.check`.
        """
        now = time.perf_counter()
        # Whoever has so many documents waits for them, however soon the engine would write.
        spent = 0.0 if self._has_large_profile else now - self._started
        self._admission.check(self.method, expected, spent, before)
        self._checked, self._foretold = now, expected

    def _note_first_token(self) -> None:
        now = time.perf_counter()
        self._admission.note_first_token(self.method, now - self._started, now - self._checked, self._foretold)
