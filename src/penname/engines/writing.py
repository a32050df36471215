"""Completions of several prompts written together, a token a step: rows that end leave, waiting prompts join."""

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
"""Ended rows leave the batch once fewer than this share of its rows are still being written."""

REFILL_BELOW = 0.5
"""Waiting prompts join once no more than this share of the rows that there may be are being written, and they fit."""

GUESS_ROWS = 2
"""In a batch of no more rows than these tokens are guessed: with more, reading them takes longer than it saves."""

TOKENS_AT_ONCE = 2048
"""Prompts are read in rows of about so many tokens: enough to keep the cores busy, few enough to stay near them."""


@dataclass
class _Row:
    """A completion of a prompt in progress; draws: a random number for each of its tokens."""

    prompt: TokenIds
    draws: torch.Tensor
    history: History
    finish_reason: FinishReason | None = None
    lookup: Lookup | None = None

    def guess(self, most: int) -> list[int]:
        """What may follow the newest token, at most so many tokens."""
        if self.finish_reason is not None:
            return []
        if self.lookup is None:
            self.lookup = Lookup([*self.prompt, *self.history.tokens])
        return self.lookup.guess(most)

    def generated(self) -> Generated:
        assert self.finish_reason is not None
        return Generated(self.history.tokens, self.finish_reason)


class Writing:
    """Writes completions of `prompts`, one a seed, at most `most` rows at once (more where one prompt has more).

    Which rows stand together follows from the arguments alone, so a run that is resumed gives the same texts.
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
            [_Row(prompt, draws, History(sampling.no_repeat_ngram)) for draws in uniforms(own, sampling.max_new_tokens)]
            for prompt, own in zip(prompts, seeds, strict=True)
        ]
        self._most = min(max(most, *map(len, seeds)), sum(map(len, seeds)))
        self._waiting = deque(range(len(prompts)))
        self._batch: list[_Row] = []
        self._cache = SharedPrefixCache(self._most, sampling.max_new_tokens, decoder.device)

    def run(self, on_written: OnWritten) -> list[list[Generated]]:
        """The completions of each prompt."""
        drawn = torch.empty(0, dtype=torch.long)
        while True:
            living = [place for place, row in enumerate(self._batch) if row.finish_reason is None]
            free = self._most - len(living)
            refill = len(living) <= REFILL_BELOW * self._most and self._next_fits(free)
            if not living and not refill:
                return [[row.generated() for row in own] for own in self._rows]
            if refill or len(living) < COMPACT_BELOW * len(self._batch):
                self._cache.keep(living)
                self._batch = [self._batch[place] for place in living]
                drawn = drawn[living]
            ids = drawn[:, None] if refill else self._with_guesses(drawn)
            logits = [self._decoder.write(ids, self._cache)] if self._batch else []
            if refill:
                logits.append(self._join()[:, None])
            drawn = self._draw(torch.cat(logits), ids, on_written)

    def _next_fits(self, free: int) -> bool:
        """Whether a prompt waits that has no more rows than these; the rows of one always fit where no other is."""
        return bool(self._waiting) and len(self._rows[self._waiting[0]]) <= free

    def _join(self) -> torch.Tensor:
        """Let prompts join the batch, as many as there are rows for; logits (new rows, vocabulary) after them."""
        joining = []
        free = self._most - len(self._batch)
        while self._next_fits(free):
            joining.append(self._waiting.popleft())
            free -= len(self._rows[joining[-1]])
        lengths = [len(self._prompts[i]) for i in joining]
        numbers = self._cache.open_prompts(lengths)
        ends = [*accumulate(lengths)]
        logits = []
        for _, group in groupby(range(len(joining)), key=lambda place: ends[place] // TOKENS_AT_ONCE):
            together = list(group)
            logits.append(self._read_prompts([numbers[i] for i in together], [joining[i] for i in together]))
        samples = [len(self._rows[i]) for i in joining]
        self._cache.open_rows([number for number, count in zip(numbers, samples, strict=True) for _ in range(count)])
        self._batch += [row for i in joining for row in self._rows[i]]
        return torch.cat(logits).repeat_interleave(torch.tensor(samples, device=self._decoder.device), dim=0)

    def _read_prompts(self, numbers: Sequence[int], prompts: Sequence[int]) -> torch.Tensor:
        """Logits (prompts, vocabulary) after each of `prompts`, which the cache has under `numbers`."""
        row = PackedRow()
        ends = [row.add_alone(self._prompts[i]) for i in prompts]
        self._cache.read_prompts(numbers, row.spans)
        return self._decoder.read(row, ends, self._cache)

    def _with_guesses(self, newest: torch.Tensor) -> torch.Tensor:
        """(rows, new): the rows' newest tokens and behind each what is guessed to follow it, filled up with zeros."""
        if len(self._batch) > GUESS_ROWS:
            return newest[:, None]
        living = [row for row in self._batch if row.finish_reason is None]
        room = min((len(row.draws) - len(row.history.tokens) - 1 for row in living), default=0)
        if room < 1:
            return newest[:, None]
        guesses = [row.guess(room) for row in self._batch]
        longest = max(map(len, guesses))
        filled = torch.tensor([own + [0] * (longest - len(own)) for own in guesses], dtype=torch.long)
        return torch.cat([newest[:, None], filled.view(len(guesses), longest).to(newest.device)], dim=1)

    def _draw(self, logits: torch.Tensor, ids: torch.Tensor, on_written: OnWritten) -> torch.Tensor:
        """Draw each row's next token, and the ones after it while they are those that were guessed.

        logits: (rows, new, vocabulary) after each of `ids` (rows, new); the newest token of each row, then guesses.
        Returns the newest tokens, (rows,).
        """
        guesses = ids[:, 1:].tolist()
        new = logits.shape[1]
        newest = [0] * len(self._batch)
        read = [new] * len(self._batch)
        drawing = [*range(len(self._batch))]
        for place in range(new):
            own = logits[:, place] if new == 1 else logits[drawing, place]
            for i, token in zip(drawing, self._next([self._batch[i] for i in drawing], own, on_written), strict=True):
                newest[i], read[i] = token, place + 1
            if place + 1 < new:
                drawing = [
                    i for i in drawing if self._batch[i].finish_reason is None and newest[i] == guesses[i][place]
                ]
            if not drawing:
                break
        if new > 1:
            self._cache.take_back([new - kept for kept in read])
            for row, kept in zip(self._batch, read, strict=True):
                if row.lookup is not None:
                    row.lookup.learn(new - 1, kept - 1)
        return torch.tensor(newest, device=logits.device)

    def _next(self, rows: Sequence[_Row], logits: torch.Tensor, on_written: OnWritten) -> list[int]:
        """Draw a token for each of `rows`, and give it to those that have not ended."""
        logits = discourage_repetition(logits, [row.history for row in rows], self._sampling.repetition_penalty)
        draws = torch.stack([row.draws[min(len(row.history.tokens), len(row.draws) - 1)] for row in rows])
        drawn: list[int] = next_tokens(logits, self._sampling, draws.to(logits.device)).tolist()
        written = ended = 0
        for row, token in zip(rows, drawn, strict=True):
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
        return drawn
