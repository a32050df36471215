"""Continuous batching: finished completions leave the batch, queued prompts join it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import torch

from penname.engines.base import FinishReason, Generated, OnWritten, Sampling, TokenIds
from penname.engines.decoders import Decoder
from penname.engines.lookup import Lookup
from penname.engines.packed_row import PackedRow
from penname.engines.repetition import History, discourage_repetition
from penname.engines.sampling import next_tokens, uniforms
from penname.engines.shared_prefix import SharedPrefixCache

COMPACT_BELOW = 0.75
"""Finished rows leave the batch once the share of its rows in progress is below this."""

REFILL_BELOW = 0.5
"""Queued prompts join once the rows in progress are at most this share of the batch size, and the prompts fit."""

GUESS_ROWS = 2
"""Largest batch with drafts (see `lookup`): in larger ones, verifying them takes longer than it saves."""

TOKENS_AT_ONCE = 2048
"""Approximate tokens in a packed row of prefill: enough to keep the cores busy, few enough for their caches."""


@dataclass
class _Row:
    """A completion in progress.

    prompt: token ids.
    draws: a uniform random number for each of its tokens.
    history: its tokens so far.
    finish_reason: None while it is in progress.
    lookup: source of drafts, made when first needed.
    """

    prompt: TokenIds
    draws: torch.Tensor
    history: History
    finish_reason: FinishReason | None = None
    lookup: Lookup | None = None

    def guess(self, most: int) -> list[int]:
        """A draft of at most `most` tokens after the newest one."""
        if self.finish_reason is not None:
            return []
        if self.lookup is None:
            self.lookup = Lookup([*self.prompt, *self.history.tokens])
        return self.lookup.guess(most)

    def generated(self) -> Generated:
        assert self.finish_reason is not None
        return Generated(self.history.tokens, self.finish_reason)


class Writing:
    """Generates completions of prompts with continuous batching.

    prompts: token ids.
    seeds: a seed for each completion of each prompt.
    most: batch size, in completions; larger where one prompt has more.

    The batches follow from the arguments alone, so a resumed run gives the same texts.
    """

    def __init__(
        self,
        decoder: Decoder,
        prompts: Sequence[TokenIds],
        seeds: Sequence[Sequence[int]],
        sampling: Sampling,
        most: int,
    ) -> None:
        self._decoder = decoder
        self._prompts = prompts
        self._sampling = sampling
        self._rows = [
            [
                _Row(prompt, draws, History(sampling.no_repeat_ngram))
                for draws in uniforms(samples, sampling.max_new_tokens)
            ]
            for prompt, samples in zip(prompts, seeds, strict=True)
        ]
        self._most = min(max(most, *map(len, seeds)), sum(map(len, seeds)))
        self._waiting = deque(range(len(prompts)))
        self._batch: list[_Row] = []
        self._cache = SharedPrefixCache(self._most, sampling.max_new_tokens, decoder.device)

    def run(self, on_written: OnWritten) -> list[list[Generated]]:
        """The completions of each prompt."""
        newest = torch.empty(0, dtype=torch.long)
        while True:
            active = [i for i, row in enumerate(self._batch) if row.finish_reason is None]
            free = self._most - len(active)
            refill = len(active) <= REFILL_BELOW * self._most and self._next_fits(free)
            if not active and not refill:
                return [[row.generated() for row in samples] for samples in self._rows]
            if refill or len(active) < COMPACT_BELOW * len(self._batch):
                self._cache.keep(active)
                self._batch = [self._batch[i] for i in active]
                newest = newest[active]
            ids = newest[:, None] if refill else self._with_guesses(newest)
            logits = [self._decoder.write(ids, self._cache)] if self._batch else []
            if refill:
                logits.append(self._join()[:, None])
            newest = self._draw(torch.cat(logits), ids, on_written)

    def _next_fits(self, free: int) -> bool:
        """Whether the next queued prompt has at most `free` rows; an empty batch has room for any prompt's rows."""
        return bool(self._waiting) and len(self._rows[self._waiting[0]]) <= free

    def _join(self) -> torch.Tensor:
        """Let as many queued prompts join the batch as fit; returns the logits after them, (new rows, vocabulary)."""
        joining = []
        free = self._most - len(self._batch)
        while self._next_fits(free):
            joining.append(self._waiting.popleft())
            free -= len(self._rows[joining[-1]])
        lengths = [len(self._prompts[i]) for i in joining]
        numbers = self._cache.open_prompts(lengths)
        ends = [*accumulate(lengths)]
        logits = []
        for _, group in groupby(range(len(joining)), key=lambda i: ends[i] // TOKENS_AT_ONCE):
            indices = list(group)
            logits.append(self._read_prompts([numbers[i] for i in indices], [joining[i] for i in indices]))
        samples = [len(self._rows[i]) for i in joining]
        self._cache.open_rows([number for number, count in zip(numbers, samples, strict=True) for _ in range(count)])
        self._batch += [row for i in joining for row in self._rows[i]]
        return torch.cat(logits).repeat_interleave(torch.tensor(samples, device=self._decoder.device), dim=0)

    def _read_prompts(self, numbers: Sequence[int], prompts: Sequence[int]) -> torch.Tensor:
        """Prefill: logits (prompts, vocabulary) after each of `prompts`, which are `numbers` in the cache."""
        row = PackedRow()
        ends = [row.add_alone(self._prompts[i]) for i in prompts]
        self._cache.read_prompts(numbers, row.spans)
        return self._decoder.read(row, ends, self._cache)

    def _with_guesses(self, newest: torch.Tensor) -> torch.Tensor:
        """(rows, new): each row's newest token and its draft, padded with zeros."""
        if len(self._batch) > GUESS_ROWS:
            return newest[:, None]
        active = [row for row in self._batch if row.finish_reason is None]
        room = min((len(row.draws) - len(row.history.tokens) - 1 for row in active), default=0)
        if room < 1:
            return newest[:, None]
        guesses = [row.guess(room) for row in self._batch]
        longest = max(map(len, guesses))
        drafts = torch.tensor([guess + [0] * (longest - len(guess)) for guess in guesses], dtype=torch.long)
        return torch.cat([newest[:, None], drafts.view(len(guesses), longest).to(newest.device)], dim=1)

    def _draw(self, logits: torch.Tensor, ids: torch.Tensor, on_written: OnWritten) -> torch.Tensor:
        """Sample each row's next token, and further ones as long as they equal the draft; returns the newest, (rows,).

        logits: (rows, new, vocabulary), after each of `ids`.
        ids: (rows, new), the newest token of each row, then its draft.
        """
        guesses = ids[:, 1:].tolist()
        new = logits.shape[1]
        newest = [0] * len(self._batch)
        accepted = [new] * len(self._batch)
        sampling = [*range(len(self._batch))]
        for position in range(new):
            logits_here = logits[:, position] if new == 1 else logits[sampling, position]
            for i, token in zip(
                sampling, self._next([self._batch[i] for i in sampling], logits_here, on_written), strict=True
            ):
                newest[i], accepted[i] = token, position + 1
            if position + 1 < new:
                sampling = [
                    i for i in sampling if self._batch[i].finish_reason is None and newest[i] == guesses[i][position]
                ]
            if not sampling:
                break
        if new > 1:
            self._cache.take_back([new - kept for kept in accepted])
            for row, kept in zip(self._batch, accepted, strict=True):
                if row.lookup is not None:
                    row.lookup.learn(new - 1, kept - 1)
        return torch.tensor(newest, device=logits.device)

    def _next(self, rows: Sequence[_Row], logits: torch.Tensor, on_written: OnWritten) -> list[int]:
        """Sample a token for each of `rows`, and append it to those in progress."""
        logits = discourage_repetition(logits, [row.history for row in rows], self._sampling.repetition_penalty)
        draws = torch.stack([row.draws[min(len(row.history.tokens), len(row.draws) - 1)] for row in rows])
        tokens: list[int] = next_tokens(logits, self._sampling, draws.to(logits.device)).tolist()
        written = ended = 0
        for row, token in zip(rows, tokens, strict=True):
            if row.finish_reason is not None:
                continue
            if token in self._sampling.stop_ids:
                row.finish_reason = "stop"
            else:
                row.history.add(token)
                if row.lookup is not None:
                    row.lookup.add(token)
                written += 1
                if len(row.history.tokens) == self._sampling.max_new_tokens:
                    row.finish_reason = "length"
            ended += row.finish_reason is not None
        on_written(written, ended)
        return tokens
