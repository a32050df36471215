"""Writes with PaT for users without documents: from what other users of the run have written about the same things."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from threading import Event, Lock
from typing import NamedTuple

import anyio
from anyio.to_thread import run_sync

from penname.config import Recipe
from penname.engines.pace import moving_mean
from penname.generate.by_pat import PaTWriter
from penname.generate.request import TextRequest, Written
from penname.serve.errors import ApiError
from penname.serve.writing import Desk, Order, Piece, Writing
from penname.text_caches import empty_text_caches

NAME = "pat"


class _Unwanted(Exception):
    """Nobody waits for the text any more."""


class _Job(NamedTuple):
    """A text that is asked for; see `ColdStart.write`. unwanted: set when nobody waits for it any more."""

    on_tokens: Callable[[int], None]
    unwanted: Event


class ColdStart:
    """The agents and the generator of a run, which write one text after the other in a thread.

    run: the run's folder.
    recipe: its recipe.
    """

    def __init__(self, run: Path, recipe: Recipe) -> None:
        self._writer = PaTWriter(run, recipe, self._note_step)
        self._turn = anyio.Lock()
        self._engine = Lock()  # one whom nobody waits for any more has it until its next step
        self._job = _Job(lambda tokens: None, Event())
        self._waiting = 0
        self._seconds = 0.0
        pat, prompt = recipe.pat, recipe.prompt
        self._most_summaries = 2 * pat.rounds * pat.max_summary_tokens
        self._most_of_a_text = prompt.max_output_tokens
        self._candidates = recipe.evaluation.candidates

    def most_tokens(self, choices: int, candidates: int | None) -> int:
        """The most tokens that so many texts can take."""
        return choices * (self._most_summaries + (candidates or self._candidates) * self._most_of_a_text)

    def expected_wait(self) -> float:
        """Seconds until a text would begin to be written if it were asked for now."""
        return self._waiting * self._seconds

    @property
    def in_progress(self) -> int:
        """The number of texts that are being written or wait."""
        return self._waiting

    async def write(self, request: TextRequest, on_tokens: Callable[[int], None]) -> Written:
        """Write a text. Where nobody waits for it any more, it ends at the next step of its engine.

        on_tokens: called in the engine's thread with the number of tokens that each step adds.

        Raises UserError as `PaTWriter.write` does.
        """
        job = _Job(on_tokens, Event())
        self._waiting += 1
        try:
            async with self._turn:
                return await run_sync(self._write, request, job, abandon_on_cancel=True)
        finally:
            job.unwanted.set()
            self._waiting -= 1

    def close(self) -> None:
        """Release the models."""
        with self._engine:
            self._writer.close()

    def _write(self, request: TextRequest, job: _Job) -> Written:
        try:
            with self._engine:
                self._job, started = job, time.perf_counter()
                written = self._writer.write(request)
                self._seconds = moving_mean(self._seconds, time.perf_counter() - started)
                return written
        finally:
            empty_text_caches()

    def _note_step(self, tokens: int, completions: int) -> None:
        if self._job.unwanted.is_set():
            raise _Unwanted
        self._job.on_tokens(tokens)


class ColdWriting(Writing):
    """Writes with PaT, each text in one piece."""

    def __init__(self, desk: Desk, cold_start: ColdStart, order: Order) -> None:
        super().__init__(desk, NAME, order)
        self._cold_start = cold_start

    async def _begin(self) -> None:
        order = self.order
        if order.most_likely is not None:
            raise ApiError(400, f"log probabilities are not told by the method {NAME}", "invalid_value", "logprobs")
        await run_sync(self._read_profile)
        self._check_wait(self._cold_start.expected_wait(), self._cold_start.in_progress)
        most = self._cold_start.most_tokens(order.choices, order.candidates)
        await self._reserve(most, most)

    async def pieces(self) -> AsyncGenerator[Piece]:
        """See `Writing.pieces`; raises UserError too, as what the prompt lacks is found on the way."""
        order, documents = self.order, self._profile.documents
        for choice in range(order.choices):
            seed = self.seed + choice
            request = TextRequest(
                order.prompt, documents, order.query, order.item, seed, order.candidates, order.reasoning
            )
            written = await self._cold_start.write(request, self._count)
            if choice == 0:
                self._note_first_token()
            self.notes += [note for note in written.notes if note not in self.notes]
            text = written.response
            for stop in order.stop:
                text = text.partition(stop)[0]
            yield Piece(choice, written.reasoning or "", text.strip(), [], [], "stop")

    def _count(self, tokens: int) -> None:
        self.completion_tokens += tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """See `Writing.decode`; no tokens are told."""
        return ""
