"""Writes for a request: the user's documents, the prompt, the reasoning that is kept, and the text piece by piece."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from anyio import CancelScope
from anyio.to_thread import run_sync

from penname.engines.base import GeneratedTokens, Sampling
from penname.engines.batch import TokenLogProbs
from penname.errors import UserError
from penname.generate.by_model import Prepared, candidate_seeds
from penname.generate.request import Request
from penname.serve.access import Caller
from penname.serve.admission import Admission
from penname.serve.backend import Added
from penname.serve.errors import ApiError
from penname.serve.methods import ServedMethod
from penname.serve.store.records import Profile, UnknownUser
from penname.serve.store.store import Store
from penname.serve.streaming import Pieces, StreamedCompletion

NOBODY = Profile(0, [])
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
    method: ServedMethod
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
    finish_reason: str | None


class Writing:
    """One request on its way. `start` it, then iterate over its `pieces`; `close` it in any case.

    Its attributes say what it has taken so far; all are known once its pieces have ended.

    prompt_tokens, completion_tokens, reasoning_tokens: numbers of tokens; candidates that are not returned count too.
    seed: of its sampling.
    notes: what a reader of the texts should know.
    """

    def __init__(self, store: Store, admission: Admission, order: Order) -> None:
        self._store = store
        self._admission = admission
        self.order = order
        self.seed = secrets.randbits(53) if order.seed is None else order.seed
        self.prompt_tokens = self.completion_tokens = self.reasoning_tokens = 0
        self.notes: list[str] = []
        self._profile = NOBODY
        self._reserved: tuple[str, int] | None = None

    async def start(self) -> None:
        """Do all that can refuse the request. Raises ApiError, and UserError for what the model cannot be asked."""
        self._started = time.perf_counter()
        await run_sync(self._prepare)
        order, prepared = self.order, self._prepared
        order.method.backend.check(len(prepared.tokens), len(prepared.seeds), prepared.sampling)
        self._admission.check(order.method, len(prepared.tokens), len(prepared.seeds))
        await self._reserve(len(prepared.tokens) + len(prepared.seeds) * prepared.sampling.max_new_tokens)
        self.prompt_tokens = len(prepared.tokens)

    async def pieces(self) -> AsyncGenerator[Piece]:
        """The texts as they are written. Raises EngineFailed."""
        async with aclosing(self._chosen() if self._candidates > 1 else self._written()) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Settle what has been reserved, however the request ended."""
        self._admission.note_tokens(self.prompt_tokens, self.completion_tokens)
        if self._reserved is not None:
            (day, reserved), self._reserved = self._reserved, None
            key = self.order.caller.key
            assert key is not None
            used = self.prompt_tokens + self.completion_tokens
            with CancelScope(shield=True):
                await run_sync(self._store.settle, key, day, reserved, used)

    def _prepare(self) -> None:
        """Read the profile and the reasoning, retrieve, and render the prompt."""
        order, writer = self.order, self.order.method.writer
        reasoning, self._own_reasoning = order.reasoning, writer.setup.with_reasoning
        if order.user is not None:
            try:
                self._profile = self._store.profile(order.caller.tenant, order.user)
                if reasoning is None and writer.setup.with_reasoning:
                    kept = self._store.reasoning(order.caller.tenant, order.user, order.method.model)
                    reasoning = kept.text if kept is not None else None
            except UnknownUser:
                self._profile = NOBODY
                self.notes.append("nobody knows this user: written as for a new user")
        self._reasoning = reasoning
        self._candidates = order.candidates or writer.setup.evaluation.candidates
        self._request = Request(
            order.prompt,
            self._profile.documents,
            order.query,
            order.item,
            self.seed,
            self._candidates,
            reasoning,
        )
        prepared = writer.prepare(self._request)
        seeds = candidate_seeds(self.seed, order.choices * self._candidates)
        self._prepared: Prepared = replace(prepared, seeds=seeds, sampling=self._sampling(prepared.sampling))

    def _sampling(self, of_run: Sampling) -> Sampling:
        asked = self.order.sampling
        if self.order.most_tokens is not None:
            asked = {**asked, "max_new_tokens": min(self.order.most_tokens, of_run.max_new_tokens)}
        return replace(of_run, **asked)

    async def _reserve(self, tokens: int) -> None:
        """Reserve the most tokens that the request can take. Raises ApiError (429) where the key has no more."""
        key = self.order.caller.key
        if key is None:
            return
        now = datetime.now(UTC)
        day = now.date().isoformat()
        if not await run_sync(self._store.reserve, key, day, tokens):
            wait = 86400 - (now.hour * 3600 + now.minute * 60 + now.second)
            problem = f"the key's tokens of this day do not suffice for the {tokens} that this may take"
            raise ApiError(429, problem, "insufficient_quota", retry_after=wait)
        self._reserved = day, tokens

    async def _written(self) -> AsyncGenerator[Piece]:
        """Pieces of the texts as the model writes them."""
        prepared, order = self._prepared, self.order
        texts = [self._streamed() for _ in prepared.seeds]
        if self._reasoning is not None:
            for choice in range(order.choices):
                yield Piece(choice, self._reasoning.strip(), "", [], [], None)
        unfinished = set(range(len(texts)))
        async with aclosing(self._updates(order.most_likely)) as updates:
            async for update in updates:
                if update.index not in unfinished:  # it has come to a stop string, which the engine does not know
                    continue
                piece = self._piece(texts[update.index], update)
                if piece.finish_reason is not None:
                    unfinished.remove(update.index)
                    await self._keep_reasoning(texts[update.index], update.index)
                yield piece
                if not unfinished:
                    break

    async def _updates(self, most_likely: int | None) -> AsyncGenerator[Added]:
        """What the engine adds to the texts, counted."""
        prepared, order = self._prepared, self.order
        asked = (prepared.tokens, prepared.seeds, prepared.sampling, most_likely, order.caller.tenant)
        async with aclosing(order.method.backend.write(*asked)) as updates:
            async for update in updates:
                if update.tokens and not self.completion_tokens:
                    self._admission.note_first_token(time.perf_counter() - self._started)
                self.completion_tokens += len(update.tokens)
                yield update

    def _piece(self, text: StreamedCompletion, update: Added) -> Piece:
        """What an update adds to a text."""
        added, reason = text.add(update.tokens), update.finish_reason
        self.reasoning_tokens += 0 if text.in_response else len(update.tokens)
        if text.stopped:
            reason = "stop"
        elif reason is not None:
            added = Pieces(*map("".join, zip(added, text.end(), strict=True)))
        return Piece(update.index, added.reasoning, added.response, update.tokens, update.log_probs, reason)

    async def _chosen(self) -> AsyncGenerator[Piece]:
        """Each text in one piece, chosen from its candidates once all of them are written."""
        prepared, order = self._prepared, self.order
        tokens: list[list[int]] = [[] for _ in prepared.seeds]
        reasons: dict[int, Any] = {}
        async with aclosing(self._updates(None)) as updates:
            async for update in updates:
                tokens[update.index] += update.tokens
                if update.finish_reason is not None:
                    reasons[update.index] = update.finish_reason
        written = [GeneratedTokens(of_text, reasons[i]) for i, of_text in enumerate(tokens)]
        for choice in range(order.choices):
            candidates = written[choice * self._candidates : (choice + 1) * self._candidates]
            best = await run_sync(order.method.writer.choose, self._request, candidates)
            text = self._streamed()
            parts = Pieces(*map("".join, zip(text.add(candidates[best].tokens), text.end(), strict=True)))
            reasoning = parts.reasoning if self._reasoning is None else self._reasoning.strip()
            reason = "stop" if text.stopped else candidates[best].finish_reason
            await self._keep_reasoning(text, choice)
            yield Piece(choice, reasoning, parts.response, candidates[best].tokens, [], reason)

    def _streamed(self) -> StreamedCompletion:
        """A completion before its first token."""
        renderer, given = self.order.method.writer.renderer, self._reasoning is not None
        return StreamedCompletion(
            lambda tokens: renderer.completion(tokens, continued=given),
            with_reasoning=self._own_reasoning and not given,
            stop=self.order.stop,
        )

    async def _keep_reasoning(self, text: StreamedCompletion, choice: int) -> None:
        """Keep what the model wrote about a user it had no reasoning of, for later texts."""
        order = self.order
        if choice or not text.in_response or not self._own_reasoning or self._reasoning is not None:
            return
        if order.user is None or not self._profile.documents:
            return
        keep = (order.caller.tenant, order.user, order.method.model, text.reasoning, self._profile.version)
        with suppress(UserError):  # the user was forgotten meanwhile
            await run_sync(self._store.keep_reasoning, *keep)
