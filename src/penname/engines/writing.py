"""Completions of several prompts written together, a token a step: rows that end leave, waiting prompts join."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

import torch

from penname.engines.base import FinishReason, Generated, OnWritten, Sampling, TokenIds
from penname.engines.packed_row import PackedRow
from penname.engines.repetition import History, discourage_repetition
from penname.engines.sampling import next_tokens, uniforms
from penname.engines.shared_prefix import SharedPrefixCache

COMPACT_BELOW = 0.75
"""Ended rows leave the batch once fewer than this share of its rows are still being written."""

REFILL_BELOW = 0.5
"""Waiting prompts join once no more than this share of the rows that there may be are being written, and they fit."""

TOKENS_AT_ONCE = 2048
"""Prompts are read in rows of about so many tokens: enough to keep the cores busy, few enough to stay near them."""


@dataclass
class _Row:
    """A completion in progress; draws: a random number for each of its tokens."""

    draws: torch.Tensor
    history: History
    finish_reason: FinishReason | None = None

    def generated(self) -> Generated:
        assert self.finish_reason is not None
        return Generated(self.history.tokens, self.finish_reason)


class Writing:
    """Writes completions of `prompts`, one a seed, at most `most` rows at once (more where one prompt has more).

    Which rows stand together follows from the arguments alone, so a run that is resumed gives the same texts.
    """

    def __init__(
        self,
        model: Any,
        prompts: Sequence[TokenIds],
        seeds: Sequence[Sequence[int]],
        sampling: Sampling,
        most: int,
    ) -> None:
        self._model = model
        self._prompts = prompts
        self._sampling = sampling
        self._rows = [
            [_Row(draws, History(sampling.no_repeat_ngram)) for draws in uniforms(own, sampling.max_new_tokens)]
            for own in seeds
        ]
        self._most = min(max(most, *map(len, seeds)), sum(map(len, seeds)))
        self._waiting = deque(range(len(prompts)))
        self._batch: list[_Row] = []
        self._cache = SharedPrefixCache(self._most, sampling.max_new_tokens, model.device)

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
            logits = [self._read(drawn)] if self._batch else []
            if refill:
                logits.append(self._join())
            drawn = self._draw(torch.cat(logits), on_written)

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
        return torch.cat(logits).repeat_interleave(torch.tensor(samples, device=self._model.device), dim=0)

    def _read_prompts(self, numbers: Sequence[int], prompts: Sequence[int]) -> torch.Tensor:
        """Logits (prompts, vocabulary) after each of `prompts`, which the cache has under `numbers`."""
        row = PackedRow()
        ends = [row.add_alone(self._prompts[i]) for i in prompts]
        self._cache.read_prompts(numbers, row.spans)
        out = self._model(
            **row.inputs(self._model.device),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=torch.tensor(ends, device=self._model.device),
        )
        logits: torch.Tensor = out.logits[0]
        return logits

    def _read(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits (rows, vocabulary) after the rows' newest tokens, `ids`."""
        out = self._model(
            input_ids=ids[:, None],
            position_ids=self._cache.advance()[:, None],
            past_key_values=self._cache,
            use_cache=True,
            shared_prefix=self._cache,
        )
        return out.logits[:, -1]

    def _draw(self, logits: torch.Tensor, on_written: OnWritten) -> torch.Tensor:
        """Draw a token a row, and give it to the rows that have not ended."""
        histories = [row.history for row in self._batch]
        logits = discourage_repetition(logits, histories, self._sampling.repetition_penalty)
        draws = torch.stack([row.draws[min(len(row.history.tokens), len(row.draws) - 1)] for row in self._batch])
        drawn = next_tokens(logits, self._sampling, draws.to(logits.device))
        written = ended = 0
        for row, token in zip(self._batch, drawn.tolist(), strict=True):
            if row.finish_reason is not None:
                continue
            if token in self._sampling.stop_ids:
                row.finish_reason = "stop"
            else:
                row.history.add(token)
                written += 1
                if len(row.history.tokens) == self._sampling.max_new_tokens:
                    row.finish_reason = "length"
            ended += row.finish_reason is not None
        on_written(written, ended)
        return drawn
