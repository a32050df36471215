"""The local engine, live: a thread that writes for many callers at once, whose requests come and go at any step."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from penname.engines.base import FinishReason, Sampling, TokenIds
from penname.engines.batch import Batch, Completion, TokenLogProbs, completions_of
from penname.engines.decoders import make_decoder
from penname.engines.memory import GrowthWatch
from penname.engines.pace import JOINING_TOKENS, Pace, Waiting
from penname.errors import UserError

BATCH_PER_WORKER = 16
"""Batch size for each thread below which more threads gain nothing."""

FEW_COMPLETIONS = 4
"""As long as there are fewer, one thread takes all: the weights are read once for all of them."""


PARTS = 8
"""In so many parts the completions of a request may join a batch."""

WARM_UP_TOKENS, WARM_UP_NEW = 128, 4
"""Length of the prompt that an engine is warmed up with, and of its completion: a server starts that much later."""


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
    """Samples completions for requests that join and leave at any step; threads of its own compute.

    model: a model's name, see `penname.engines.models.locate_model`.
    on_step: called in one of the engine's threads after each of its steps with all that it has added.
    dtype: compute dtype; "auto" is the fastest that the device supports.
    rows: the largest number of completions at once.
    max_new_tokens: the longest completion that may be asked for, in tokens.

    As in `LocalEngine`, a large batch is divided among threads with a core each, since one cannot keep several cores
    busy; while few completions are in progress, one thread has all cores. A completion depends on its prompt, its seed
    and its sampling alone, up to rounding. No prompt is kept once its completions have ended, and nothing of
    one is shared between requests, see `keep_opening`. Raises UserError where the model cannot be loaded.

    on_seconds: what is set here is called with the seconds that each step took, in one of the engine's threads, for
        which all others wait meanwhile; nothing is by default.
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
        self._cores = torch.get_num_threads() if self._decoder.device.type == "cpu" else 1
        threads = max(1, min(self._cores, rows // BATCH_PER_WORKER))
        self._on_step = on_step
        self.rows, self.max_new_tokens = rows, max_new_tokens
        self._queue: deque[Ticket] = deque()
        self._preparing: list[int] = []
        self._pace = Pace(rows)
        self._closing = False
        self._changed = threading.Condition()
        self._growth = GrowthWatch()
        shares = [rows // threads + (number < rows % threads) for number in range(threads)]
        self._workers = [_Worker(share) for share in shares]
        self._threads = [
            threading.Thread(target=self._run, args=(worker,), name="penname-engine", daemon=True)
            for worker in self._workers
        ]
        for thread in self._threads:
            thread.start()

    @property
    def max_length(self) -> int | None:
        """The longest prompt and completion together, in tokens; None where the model states no limit."""
        return self._decoder.max_length

    @property
    def most_completions(self) -> int:
        """The largest number of completions of one prompt."""
        return min(worker.rows for worker in self._workers)

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
            self._changed.notify_all()
        return ticket

    def check(self, prompt_tokens: int, completions: int, sampling: Sampling) -> None:
        """Raise UserError for a request that the model or this engine has no room for.

        prompt_tokens: length of the prompt.
        completions: their number.
        """
        longest, limit = prompt_tokens + sampling.max_new_tokens, self._decoder.max_length
        if limit is not None and longest > limit:
            raise UserError(f"a prompt and its completion have {longest} tokens, this model takes at most {limit}")
        if sampling.max_new_tokens > self.max_new_tokens:
            raise UserError(f"found {sampling.max_new_tokens} new tokens, expected at most {self.max_new_tokens}")
        if completions > self.most_completions:
            raise UserError(f"found {completions} completions of a prompt, expected at most {self.most_completions}")

    def warm_up(self) -> None:
        """Write a few tokens, so that the first request waits for nothing else, and how fast the engine is is known."""
        new = min(WARM_UP_NEW, self.max_new_tokens)
        room = WARM_UP_TOKENS if self.max_length is None else min(WARM_UP_TOKENS, self.max_length - new)
        for _ in range(2):  # what is only slow the first time would be taken for the engine's pace
            self._pace = Pace(self.rows)
            ticket = self.submit([0] * room, [0], Sampling(new, 1.0, 1.0, ()))
            while ticket.in_progress and self.alive:
                time.sleep(0.005)
        self._pace.prompt = JOINING_TOKENS

    def keep_opening(self, tokens: TokenIds) -> None:
        """Compute once what many prompts begin with. tokens: no user's words, as they stay in memory."""
        self._decoder.keep_opening(tokens)

    @contextmanager
    def preparing(self, completions: int) -> Iterator[None]:
        """Count completions among those that wait while their prompt is being prepared, before they are asked for.

        completions: their number.
        """
        with self._changed:
            self._preparing.append(completions)
        try:
            yield
        finally:
            with self._changed:
                self._preparing.remove(completions)

    def expected_wait(self, prompt_tokens: int | None, completions: int) -> float:
        """Seconds that a request would wait for its first token if it came now, as far as can be foretold.

        prompt_tokens: length of its prompt; None where it is not known yet.
        completions: number of its completions.
        """
        with self._changed:
            queued = [ticket.completions for ticket in self._queue if ticket.in_progress]
            ahead = Waiting(
                len(queued) + len(self._preparing),
                sum(len(of_prompt[0].prompt) for of_prompt in queued) + self._pace.prompt * len(self._preparing),
                sum(map(len, queued)) + sum(self._preparing),
            )
            length = self._pace.prompt if prompt_tokens is None else prompt_tokens
            in_progress = sum(worker.in_progress for worker in self._workers)
            return self._pace.wait(ahead, length, completions, in_progress, self._threads_at_work)

    @property
    def in_progress(self) -> int:
        """The number of completions that are being written or wait."""
        with self._changed:
            waiting = sum(len(ticket.completions) for ticket in self._queue if ticket.in_progress)
            return waiting + sum(worker.in_progress for worker in self._workers)

    @property
    def in_preparation(self) -> int:
        """The number of completions whose prompts are being prepared; see `preparing`."""
        with self._changed:
            return sum(self._preparing)

    @property
    def alive(self) -> bool:
        """Whether its threads are running."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def waiting(self) -> int:
        """The number of completions that wait for room."""
        with self._changed:
            queued = [*(ticket.completions for ticket in self._queue), *(worker.rest for worker in self._workers)]
            return sum(completion.in_progress for of_prompt in queued for completion in of_prompt)

    def cancel(self, ticket: Ticket, index: int | None = None) -> None:
        """Nobody waits for a request any more: what it takes is free at the next step, and nothing more is told.

        index: which of its completions nobody waits for; None for all.
        """
        for completion in ticket.completions if index is None else [ticket.completions[index]]:
            completion.stopped = True

    def close(self) -> None:
        """Stop after the current step; what is in progress is not finished."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self, worker: _Worker) -> None:
        """What a thread does until the engine is closed."""
        with torch.inference_mode():
            batch = self._empty_batch(worker)
            while (joining := self._wait_for_work(worker, batch.in_progress)) is not None:
                torch.set_num_threads(self._cores_of_one())
                started = time.perf_counter()
                try:
                    batch.step(joining)
                except Exception as error:  # out of memory, for example: those who wait are told, the others go on
                    self._fail(worker, error)
                    batch = self._empty_batch(worker)
                else:
                    prompts = [len(completions[0].prompt) for completions in joining]
                    self._tell(worker, time.perf_counter() - started, prompts)
                if worker is self._workers[0]:
                    self._growth.look()

    def _empty_batch(self, worker: _Worker) -> Batch:
        return Batch(self._decoder, worker.rows, self.max_new_tokens)

    def _cores_of_one(self) -> int:
        """How many cores each thread has that has work."""
        return max(1, self._cores // self._threads_at_work)

    @property
    def _threads_at_work(self) -> int:
        """How many threads share the machine; one where none has work yet."""
        return max(1, sum(bool(worker.tickets) for worker in self._workers))

    def _wait_for_work(self, worker: _Worker, in_batch: int) -> list[list[Completion]] | None:
        """Wait until a thread has work; the completions that join its batch, or None once the engine is closed.

        in_batch: number of completions in progress in its batch.
        """
        with self._changed:
            worker.tickets = [ticket for ticket in worker.tickets if ticket.in_progress]
            self._changed.wait_for(lambda: self._closing or worker.tickets or self._takes_next(worker))
            if self._closing:
                return None
            joining = self._joining(worker, worker.rows - in_batch)
            if joining:
                self._changed.notify_all()  # another thread may take the next in the queue
            return joining

    def _takes_next(self, worker: _Worker) -> bool:
        """Whether a thread takes the next request if it has room: all do, but few completions stay with one thread."""
        if not self._queue:
            return False
        if sum(other.in_progress for other in self._workers) >= FEW_COMPLETIONS:
            return True
        return worker is max(self._workers, key=lambda other: other.in_progress)

    def _joining(self, worker: _Worker, free: int) -> list[list[Completion]]:
        """The completions that join a thread's batch now, by their prompts, in the order in which they were asked for.

        Of a request that has more of them than there is room for, some join, and the others next: those behind it do
        not wait until the batch is empty. For each part its prompt is computed anew, so it is no small one.

        free: how many completions more the batch has room for.
        """
        joining: list[list[Completion]] = []
        tokens = 0
        while worker.rest or self._takes_next(worker):
            waiting = [c for c in worker.rest or self._queue[0].completions if c.in_progress]
            length = len(waiting[0].prompt) if waiting else 0
            if min(len(waiting), worker.smallest_part) > free or (joining and tokens + length > JOINING_TOKENS):
                break
            if not worker.rest:
                worker.tickets.append(self._queue.popleft())
            worker.rest = waiting[free:]
            if waiting:
                joining.append(waiting[:free])
                free, tokens = free - len(joining[-1]), tokens + length
        return joining

    def _tell(self, worker: _Worker, seconds: float, prompts: list[int]) -> None:
        """Tell what a step has added, and take in what it took."""
        updates = [update for ticket in worker.tickets for update in ticket.news()]
        ended = [update.ticket.told[update.index] for update in updates if update.finish_reason is not None]
        with self._changed:
            self._pace.note_step(seconds, prompts, self._threads_at_work)
            self.on_seconds(seconds)
            for tokens in ended:
                self._pace.note_completion(tokens)
        if updates:
            self._on_step(updates)

    def _fail(self, worker: _Worker, error: BaseException) -> None:
        """Tell all requests of a thread that it could not go on."""
        failed = [ticket for ticket in worker.tickets if ticket.in_progress]
        for ticket in failed:
            self.cancel(ticket)
        self._on_step([Update(ticket, 0, [], [], None, error) for ticket in failed])


@dataclass(eq=False)
class _Worker:
    """What a thread works on.

    rows: the largest size of its batch.
    tickets: the requests in its batch.
    rest: the completions of the last of them that have not joined it yet.
    """

    rows: int
    tickets: list[Ticket] = field(default_factory=list)
    rest: list[Completion] = field(default_factory=list)

    @property
    def smallest_part(self) -> int:
        """So many completions of a request join at once, unless it has no more."""
        return max(1, self.rows // PARTS)

    @property
    def in_progress(self) -> int:
        """The number of completions in progress."""
        return sum(completion.in_progress for ticket in self.tickets for completion in ticket.completions)
