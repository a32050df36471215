"""The local engine, live: a thread that writes for many callers at once, whose requests come and go at any step."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from penname.engines.base import FinishReason, Sampling, TokenIds
from penname.engines.batch import Batch, Completion, TokenLogProbs, completions_of
from penname.engines.decoders import make_decoder
from penname.engines.pace import JOINING_TOKENS, Pace
from penname.errors import UserError


@dataclass(eq=False)
class Ticket:
    """A request of a live engine: the completions of one prompt."""

    completions: list[Completion]
    told: list[int] = field(init=False)
    untold: set[int] = field(init=False)

    def __post_init__(self) -> None:
        self.told = [0] * len(self.completions)
        self.untold = set(range(len(self.completions)))

    @property
    def in_progress(self) -> bool:
        """Whether any of its completions is to get further tokens."""
        return any(completion.in_progress for completion in self.completions)

    def news(self) -> Iterator[Update]:
        """What has been added to its completions since the last call."""
        for index in sorted(self.untold):
            completion = self.completions[index]
            begin, self.told[index] = self.told[index], len(completion.written.tokens)
            if completion.finish_reason is not None:
                self.untold.remove(index)
            if not completion.stopped and (begin < self.told[index] or completion.finish_reason is not None):
                tokens, log_probs = completion.written.tokens[begin:], completion.log_probs[begin:]
                yield Update(self, index, tokens, log_probs, completion.finish_reason)


@dataclass(frozen=True)
class Update:
    """What a step has added to one completion.

    ticket: the request.
    index: which of its completions.
    tokens: the new token ids.
    log_probs: those of the new tokens, where they were asked for.
    finish_reason: why it ended; None while it is in progress.
    error: why the engine could not go on; None in all other cases.
    """

    ticket: Ticket
    index: int
    tokens: list[int]
    log_probs: list[TokenLogProbs]
    finish_reason: FinishReason | None
    error: BaseException | None = None


class LiveEngine:
    """Samples completions for requests that join and leave at any step; a thread of its own computes.

    model: a model's name, see `penname.engines.models.locate_model`.
    on_step: called in the engine's thread after each step with all that it has added.
    dtype: compute dtype; "auto" is the fastest that the device supports.
    rows: the largest number of completions at once.
    max_new_tokens: the longest completion that may be asked for, in tokens.

    A completion depends on its prompt, its seed and its sampling alone, up to rounding, as with `LocalEngine`. No
    prompt is kept once its completions have ended, and none is shared between requests. Raises UserError where the
    model cannot be loaded.

    on_seconds: called in the engine's thread with the seconds that each step took.
    """

    on_seconds: Callable[[float], None] = staticmethod(lambda seconds: None)

    def __init__(
        self,
        model: str,
        on_step: Callable[[list[Update]], None],
        dtype: str = "auto",
        rows: int = 64,
        max_new_tokens: int = 1024,
    ) -> None:
        self._decoder = make_decoder(model, dtype, rows)
        self._on_step = on_step
        self.rows, self.max_new_tokens = rows, max_new_tokens
        self._queue: deque[Ticket] = deque()
        self._tickets: list[Ticket] = []
        self._pace = Pace(rows)
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="penname-engine", daemon=True)
        self._thread.start()

    @property
    def max_length(self) -> int | None:
        """The longest prompt and completion together, in tokens; None where the model states no limit."""
        return self._decoder.max_length

    def check(self, prompt_tokens: int, completions: int, sampling: Sampling) -> None:
        """Raise UserError for a request that the model or this engine has no room for.

        prompt_tokens: length of its prompt.
        completions: number of its completions.
        """
        longest, limit = prompt_tokens + sampling.max_new_tokens, self._decoder.max_length
        if limit is not None and longest > limit:
            raise UserError(f"a prompt and its completion have {longest} tokens, this model takes at most {limit}")
        if sampling.max_new_tokens > self.max_new_tokens:
            raise UserError(f"found {sampling.max_new_tokens} new tokens, expected at most {self.max_new_tokens}")
        if completions > self.rows:
            raise UserError(f"found {completions} completions of a prompt, expected at most {self.rows}")

    def submit(
        self, prompt: TokenIds, seeds: Sequence[int], sampling: Sampling, most_likely: int | None = None
    ) -> Ticket:
        """Ask for completions of a prompt, one for each seed; they start as soon as there is room for them.

        most_likely: for how many most likely tokens log probabilities are told with each token; None tells none.

        Raises UserError as `check` does.
        """
        self.check(len(prompt), len(seeds), sampling)
        ticket = Ticket(completions_of(prompt, seeds, sampling, most_likely))
        with self._changed:
            self._queue.append(ticket)
            self._changed.notify()
        return ticket

    def expected_wait(self, prompt_tokens: int, completions: int) -> float:
        """Seconds that a request would wait for its first token if it came now, as far as can be foretold.

        prompt_tokens: length of its prompt.
        completions: number of its completions.
        """
        with self._changed:
            queued = [c for ticket in self._queue for c in ticket.completions[:1] if ticket.in_progress]
            waiting = sum(len(ticket.completions) for ticket in self._queue if ticket.in_progress)
            in_progress = sum(c.in_progress for ticket in self._tickets for c in ticket.completions)
            tokens = prompt_tokens + sum(len(completion.prompt) for completion in queued)
            return self._pace.wait(tokens, waiting + completions, in_progress)

    @property
    def in_progress(self) -> int:
        """The number of completions that are being written or wait."""
        with self._changed:
            return sum(c.in_progress for ticket in (*self._tickets, *self._queue) for c in ticket.completions)

    @property
    def waiting(self) -> int:
        """The number of completions that wait for room."""
        with self._changed:
            return sum(c.in_progress for ticket in self._queue for c in ticket.completions)

    @property
    def alive(self) -> bool:
        """Whether the engine's thread goes on."""
        return self._thread.is_alive()

    def cancel(self, ticket: Ticket) -> None:
        """Nobody waits for a request any more: what it takes is free at the next step, and nothing more is told."""
        for completion in ticket.completions:
            completion.stopped = True

    def close(self) -> None:
        """Stop after the current step; what is in progress is not finished."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with torch.inference_mode():
            batch = self._empty_batch()
            while self._wait_for_work():
                joining = self._joining(self.rows - batch.in_progress)
                started = time.perf_counter()
                try:
                    batch.step(joining)
                except Exception as error:  # out of memory, for example: those who wait are told, the others go on
                    self._fail(error)
                    batch = self._empty_batch()
                else:
                    tokens = sum(len(completions[0].prompt) for completions in joining)
                    seconds = time.perf_counter() - started
                    self._pace.note_step(seconds, tokens)
                    self.on_seconds(seconds)
                    self._tell()

    def _empty_batch(self) -> Batch:
        return Batch(self._decoder, self.rows, self.max_new_tokens)

    def _wait_for_work(self) -> bool:
        """Wait until there is a request in progress; False once the engine is closed."""
        with self._changed:
            self._tickets = [ticket for ticket in self._tickets if ticket.in_progress]
            self._changed.wait_for(lambda: self._closing or self._tickets or self._queue)
            return not self._closing

    def _joining(self, free: int) -> list[list[Completion]]:
        """The completions of the requests that join now, in the order in which they came.

        free: how many completions more the batch has room for.
        """
        joining: list[list[Completion]] = []
        tokens = 0
        with self._changed:
            while self._queue:
                completions = [c for c in self._queue[0].completions if c.in_progress]
                length = len(completions[0].prompt) if completions else 0
                if len(completions) > free or (joining and tokens + length > JOINING_TOKENS):
                    break
                ticket = self._queue.popleft()
                if completions:
                    joining.append(completions)
                    self._tickets.append(ticket)
                    free, tokens = free - len(completions), tokens + length
        return joining

    def _tell(self) -> None:
        """Tell what the step has added."""
        updates = [update for ticket in self._tickets for update in ticket.news()]
        for update in updates:
            if update.finish_reason is not None:
                self._pace.note_completion(update.ticket.told[update.index])
        if updates:
            self._on_step(updates)

    def _fail(self, error: BaseException) -> None:
        """Tell all requests in progress that the engine could not go on."""
        failed = [ticket for ticket in self._tickets if ticket.in_progress]
        for ticket in failed:
            self.cancel(ticket)
        self._on_step([Update(ticket, 0, [], [], None, error) for ticket in failed])
