"""Writes with PaT for users without documents: from what other users of the run have written about the same things."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import anyio
from anyio.to_thread import run_sync

from penname.config import Recipe
from penname.engines.pace import moving_mean
from penname.generate.by_pat import PaTWriter
from penname.generate.request import Request, Written
from penname.serve.errors import ApiError
from penname.serve.writing import Desk, Order, Piece, Writing

NAME = "pat"


class ColdStart:
    """The agents and the generator of a run, which write one text after the other in a thread.

    run: the run's folder.
    recipe: its recipe.
    """

    def __init__(self, run: Path, recipe: Recipe) -> None:
        self._writer = PaTWriter(run, recipe, self._count)
        self._turn = anyio.Lock()
        self._waiting = self._tokens = 0
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

    async def write(self, request: Request) -> tuple[Written, int]:
        """Write a text; with it, how many tokens were written. Raises UserError as `PaTWriter.write` does."""
        self._waiting += 1
        try:
            async with self._turn:
                self._tokens, started = 0, time.perf_counter()
                written = await run_sync(self._writer.write, request)
                self._seconds = moving_mean(self._seconds, time.perf_counter() - started)
                return written, self._tokens
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Release the models."""
        self._writer.close()

    def _count(self, tokens: int, completions: int) -> None:
        self._tokens += tokens


class ColdWriting(Writing):
    """Writes with PaT, each text in one piece."""

    def __init__(self, desk: Desk, cold_start: ColdStart, order: Order) -> None:
        super().__init__(desk, NAME, order)
        self._cold_start = cold_start
        self._texts: list[Written] = []

    async def _begin(self) -> None:
        """Write all texts: what the prompt lacks is found on the way."""
        order = self.order
        if order.most_likely is not None:
            raise ApiError(400, f"log probabilities are not told by the method {NAME}", "invalid_value", "logprobs")
        await run_sync(self._read_profile)
        self._admission.check(self._cold_start.expected_wait())
        await self._reserve(self._cold_start.most_tokens(order.choices, order.candidates))
        for choice in range(order.choices):
            seed = self.seed + choice
            documents = self._profile.documents
            request = Request(order.prompt, documents, order.query, order.item, seed, order.candidates, order.reasoning)
            written, tokens = await self._cold_start.write(request)
            self.completion_tokens += tokens
            self._texts.append(written)
            self.notes += [note for note in written.notes if note not in self.notes]
        self._note_first_token()

    async def pieces(self) -> AsyncGenerator[Piece]:
        """See `Writing.pieces`."""
        for choice, written in enumerate(self._texts):
            text = written.response
            for stop in self.order.stop:
                text = text.partition(stop)[0]
            yield Piece(choice, written.reasoning or "", text.strip(), [], [], "stop")

    def decode(self, tokens: Sequence[int]) -> str:
        """See `Writing.decode`; no tokens are told."""
        return ""
