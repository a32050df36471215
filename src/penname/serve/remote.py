"""A vLLM server as the engine: prompts are sent to it as token ids, completions come back token by token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any, cast

from anyio import CancelScope

from penname.engines.base import FinishReason, Sampling, TokenIds
from penname.engines.batch import TokenLogProbs
from penname.engines.pace import moving_mean
from penname.errors import UserError
from penname.serve.backend import Added, EngineFailed, GoesOn, to_its_end
from penname.serve.vllm_server import VLLMModel, client_options

logger = logging.getLogger(__name__)

MOST_UNREAD = 64
"""Parts of completions that may wait for a client that reads slowly, before the engine's server is read no further."""

SECONDS_TO_ANSWER = 2.0
"""How long the server may take to say that it is there."""


class RemoteBackend:
    """A model on a vLLM server, as `Backend`.

    model: see `find_models`.
    rows: the largest number of completions of one request.

    The server's cache of prompts is salted by tenant, with a secret that this process alone has: how long an answer
    takes tells nobody what another tenant has asked for. Raises UserError where packages are missing.
    """

    def __init__(self, model: VLLMModel, rows: int) -> None:
        options = client_options(model.address)
        import openai

        self._client = openai.AsyncOpenAI(**options)
        self._model = model
        self._rows = rows
        self._secret = secrets.token_bytes(32)
        self._first_tokens = FirstTokens()
        self._in_progress = self._preparing = 0

    def check(self, prompt_tokens: int, completions: int, sampling: Sampling) -> None:
        """See `Backend.check`."""
        longest, limit = prompt_tokens + sampling.max_new_tokens, self._model.max_length
        if limit is not None and longest > limit:
            raise UserError(f"a prompt and its completion have {longest} tokens, this model takes at most {limit}")
        if completions > self._rows:
            raise UserError(f"found {completions} completions of a prompt, expected at most {self._rows}")
        self._model.check(sampling)

    async def write(
        self,
        prompt: TokenIds,
        seeds: Sequence[int],
        sampling: Sampling,
        most_likely: int | None,
        tenant: str,
        goes_on: GoesOn = to_its_end,
    ) -> AsyncGenerator[Added]:
        """See `Backend.write`; each completion is a request of its own, with its own seed."""
        request = self._request(prompt, sampling, most_likely, tenant)
        told: asyncio.Queue[Added | Exception] = asyncio.Queue(MOST_UNREAD)
        written = [self._completion(index, {**request, "seed": seed}, sampling) for index, seed in enumerate(seeds)]
        tasks = [asyncio.create_task(_tell(completion, told)) for completion in written]
        unfinished = set(range(len(seeds)))
        self._in_progress += len(seeds)
        try:
            while unfinished:
                added = await told.get()
                if isinstance(added, Exception):
                    logger.error("the engine at %s failed: %s", self._model.address, type(added).__name__)
                    raise EngineFailed from added
                if added.index not in unfinished:
                    continue
                yield added
                if added.finish_reason is not None or not goes_on(added.index):
                    unfinished.remove(added.index)
                    self._in_progress -= 1
                    tasks[added.index].cancel()
        finally:
            self._in_progress -= len(unfinished)
            for task in tasks:
                task.cancel()
            with CancelScope(shield=True):
                await asyncio.gather(*tasks, return_exceptions=True)

    @contextmanager
    def preparing(self, completions: int) -> Iterator[None]:
        """See `Backend.preparing`."""
        self._preparing += completions
        try:
            yield
        finally:
            self._preparing -= completions

    def expected_wait(self, prompt_tokens: int | None, completions: int) -> float:
        """See `Backend.expected_wait`; foretold from how fast first tokens have come lately."""
        return self._first_tokens.wait(self._preparing + completions)

    @property
    def in_progress(self) -> int:
        """See `Backend.in_progress`."""
        return self._in_progress

    @property
    def in_preparation(self) -> int:
        """See `Backend.in_preparation`."""
        return self._preparing

    @property
    def waiting(self) -> int:
        """See `Backend.waiting`."""
        return self._first_tokens.waiting

    async def alive(self) -> bool:
        """See `Backend.alive`: whether the server answers."""
        import openai

        try:
            await self._client.with_options(max_retries=0, timeout=SECONDS_TO_ANSWER).models.list()
        except openai.OpenAIError:
            return False
        return True

    def watch_steps(self, on_seconds: Callable[[float], None]) -> None:
        """See `Backend.watch_steps`; the server tells its own."""

    async def close(self) -> None:
        """Close the connections to the server."""
        await self._client.close()

    def _request(self, prompt: TokenIds, sampling: Sampling, most_likely: int | None, tenant: str) -> dict[str, Any]:
        """The fields of a request but its seed."""
        extra: dict[str, Any] = {
            # What is unset here the server would take from the model's generation_config.json.
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "repetition_penalty": 1.0,
            "stop_token_ids": list(sampling.stop_ids),
            "ignore_eos": True,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
            "cache_salt": hmac.new(self._secret, tenant.encode(), hashlib.sha256).hexdigest(),
        }
        if self._model.discourages_repetition:
            names = ("no_repeat_ngram", "repetition_penalty")
            extra["vllm_xargs"] = {name: getattr(sampling, name) for name in names}
        return {
            "model": self._model.name,
            "prompt": list(prompt),
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stream": True,
            **({} if most_likely is None else {"logprobs": most_likely}),
            "extra_body": extra,
        }

    async def _completion(self, index: int, request: dict[str, Any], sampling: Sampling) -> AsyncGenerator[Added]:
        """What is added to one completion, until it has ended; leaving closes the connection."""
        last = None
        with self._first_tokens.awaited() as waiting:
            async with await self._client.completions.create(**request) as chunks:
                async for chunk in chunks:
                    if not chunk.choices:
                        continue
                    waiting.over()
                    added = _added(index, chunk.choices[0], sampling.stop_ids, request.get("logprobs"))
                    if added.finish_reason is None:
                        yield added
                    else:
                        last = added  # told once the stream has been read to its end, so that its connection is kept
        if last is None:
            raise EngineFailed("the stream ended before the completion")
        yield last


async def _tell(completion: AsyncGenerator[Added], told: asyncio.Queue[Added | Exception]) -> None:
    """Put all that is added to a completion into a queue, or why it failed."""
    try:
        async with aclosing(completion):
            async for added in completion:
                await told.put(added)
    except Exception as error:  # whatever it is, somebody waits for the completion
        await told.put(error)


def _added(index: int, choice: Any, stop_ids: Sequence[int], most_likely: int | None) -> Added:
    """What a chunk adds to a completion. Raises EngineFailed for one that cannot be used."""
    tokens = getattr(choice, "token_ids", None)
    if tokens is None:
        raise EngineFailed("a chunk has no token ids")
    if choice.finish_reason not in (None, "stop", "length"):
        raise EngineFailed(f"a completion ended with {choice.finish_reason!r}")
    end = next((i for i, token in enumerate(tokens) if token in stop_ids), None)
    reason = cast(FinishReason | None, choice.finish_reason) if end is None else "stop"
    log_probs = [] if most_likely is None else _log_probs(choice.logprobs, most_likely)
    return Added(index, list(tokens[:end]), log_probs[: len(tokens[:end])], reason)


def _log_probs(told: Any, most_likely: int) -> list[TokenLogProbs]:
    """The log probabilities in a chunk, whose tokens are named by their ids."""
    if told is None:
        return []
    found = []
    for log_prob, by_name in zip(told.token_logprobs, told.top_logprobs, strict=True):
        # The token that was sampled is among them, also where it is less likely than all that were asked for.
        likely = sorted(by_name.items(), key=lambda item: -item[1])[:most_likely]
        found.append(TokenLogProbs(log_prob, [(int(name.removeprefix("token_id:")), value) for name, value in likely]))
    return found


class FirstTokens:
    """How long first tokens have taken lately, and who waits for one."""

    def __init__(self) -> None:
        self._interval = 0.0
        self._last = 0.0
        self._waiting: set[Awaited] = set()

    def awaited(self) -> Awaited:
        """Someone waits for a first token from now on."""
        return Awaited(self, self._waiting)

    def came(self, since: float) -> None:
        """A first token has come. since: when it was asked for, of `time.monotonic`."""
        now = time.monotonic()
        # In a queue, the time since the one before; alone, the whole time that it took.
        self._interval = moving_mean(self._interval, now - max(since, self._last))
        self._last = now

    @property
    def waiting(self) -> int:
        """The number of those who wait."""
        return len(self._waiting)

    def wait(self, more: int) -> float:
        """Seconds that so many more would wait; 0 while nobody waits, so that the server is always tried."""
        if not self._waiting:
            return 0.0
        oldest = time.monotonic() - min(waiting.since for waiting in self._waiting)
        return max(oldest, self._interval * (len(self._waiting) + more))


class Awaited:
    """Someone who waits for a first token, until it is `over` or the context is left."""

    def __init__(self, first_tokens: FirstTokens, waiting: set[Awaited]) -> None:
        self._first_tokens = first_tokens
        self._waiting = waiting
        self.since = time.monotonic()

    def over(self) -> None:
        """A token has come, the first one or a further one."""
        if self in self._waiting:
            self._waiting.remove(self)
            self._first_tokens.came(self.since)

    def __enter__(self) -> Awaited:
        self._waiting.add(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._waiting.discard(self)
