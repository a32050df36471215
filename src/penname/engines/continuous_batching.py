"""Continuous batching: finished completions leave the batch, queued prompts join it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

import torch

from penname.engines.base import FinishReason, GeneratedTokens, OnWritten, Sampling, TokenIds
from penname.engines.decoders import Decoder
from penname.engines.lookup import PromptLookup
from penname.engines.packed_sequence import PackedSequence
from penname.engines.repetition import CompletionTokens, discourage_repetition
from penname.engines.sampling import next_tokens, uniform_numbers
from penname.engines.shared_prefix import SharedPrefixCache

COMPACT_BELOW = 0.75
"""Finished completions leave the batch once the share of it that is in progress is below this."""

REFILL_BELOW = 0.5
"""Queued prompts join once the completions in progress are at most this share of the batch size, and the prompts fit.
"""

DRAFT_BATCH = 2
"""Largest batch with drafts (see `lookup`): in larger ones, verifying them takes longer than it saves."""

PREFILL_TOKENS = 2048
"""Approximate number of tokens in a prefill: enough to keep the cores busy, few enough for their caches."""


@dataclass
class _Completion:
    """A completion in progress.

    prompt: token ids.
    uniforms: a uniform random number for each of its tokens.
    written: its tokens so far.
    finish_reason: None while it is in progress.
    lookup: source of drafts, made when first needed.
    """

    prompt: TokenIds
    uniforms: torch.Tensor
    written: CompletionTokens
    finish_reason: FinishReason | None = None
    lookup: PromptLookup | None = None

    def draft(self, max_tokens: int) -> list[int]:
        """A draft of at most `max_tokens` tokens after the newest one."""
        if self.finish_reason is not None:
            return []
        if self.lookup is None:
            self.lookup = PromptLookup([*self.prompt, *self.written.tokens])
        return self.lookup.draft(max_tokens)

    def append(self, token: int, sampling: Sampling) -> bool:
        """Append a sampled token, or finish at a stop token or at the length limit; return whether it was appended."""
        if token in sampling.stop_ids:
            self.finish_reason = "stop"
            return False
        self.written.add(token)
        if self.lookup is not None:
            self.lookup.add(token)
        if len(self.written.tokens) == sampling.max_new_tokens:
            self.finish_reason = "length"
        return True

    def generated(self) -> GeneratedTokens:
        assert self.finish_reason is not None
        return GeneratedTokens(self.written.tokens, self.finish_reason)


class ContinuousBatching:
    """Generates completions of prompts with continuous batching.

    decoder: the model.
    prompts: token ids.
    seeds: a random seed for each completion of each prompt.
    sampling: how completions are sampled.
    batch_size: number of completions generated together; larger where one prompt has more.

    The batches follow from the arguments alone, so a resumed run gives the same texts.
    """

    def __init__(
        self,
        decoder: Decoder,
        prompts: Sequence[TokenIds],
        seeds: Sequence[Sequence[int]],
        sampling: Sampling,
        batch_size: int,
    ) -> None:
        self._decoder = decoder
        self._prompts = prompts
        self._sampling = sampling
        self._completions = [
            [
                _Completion(prompt, uniforms, CompletionTokens(sampling.no_repeat_ngram))
                for uniforms in uniform_numbers(of_prompt, sampling.max_new_tokens)
            ]
            for prompt, of_prompt in zip(prompts, seeds, strict=True)
        ]
        self._batch_size = min(max(batch_size, *map(len, seeds)), sum(map(len, seeds)))
        self._queue = deque(range(len(prompts)))
        self._batch: list[_Completion] = []
        self._cache = SharedPrefixCache(self._batch_size, sampling.max_new_tokens, decoder.device)

    def run(self, on_written: OnWritten) -> list[list[GeneratedTokens]]:
        """The completions of each prompt.

        on_written: progress callback.
        """
        newest = torch.empty(0, dtype=torch.long)
        while True:
            active = [i for i, completion in enumerate(self._batch) if completion.finish_reason is None]
            free = self._batch_size - len(active)
            refill = len(active) <= REFILL_BELOW * self._batch_size and self._next_fits(free)
            if not active and not refill:
                return [[completion.generated() for completion in of_prompt] for of_prompt in self._completions]
            if refill or len(active) < COMPACT_BELOW * len(self._batch):
                self._cache.keep(active)
                self._batch = [self._batch[i] for i in active]
                newest = newest[active]
            ids = newest[:, None] if refill else self._with_drafts(newest)
            logits = [self._decoder.decode(ids, self._cache)] if self._batch else []
            if refill:
                logits.append(self._admit()[:, None])
            newest = self._sample(torch.cat(logits), ids, on_written)

    def _next_fits(self, free: int) -> bool:
        """Whether the next queued prompt has at most `free` completions; into an empty batch any prompt fits."""
        return bool(self._queue) and len(self._completions[self._queue[0]]) <= free

    def _admit(self) -> torch.Tensor:
        """Let as many queued prompts join the batch as fit; returns the logits after them, (joining, vocabulary)."""
        joining = []
        free = self._batch_size - len(self._batch)
        while self._next_fits(free):
            joining.append(self._queue.popleft())
            free -= len(self._completions[joining[-1]])
        lengths = [len(self._prompts[i]) for i in joining]
        cached = self._cache.add_prompts(lengths)
        ends = [*accumulate(lengths)]
        logits = []
        for _, group in groupby(range(len(joining)), key=lambda i: ends[i] // PREFILL_TOKENS):
            members = list(group)
            logits.append(self._prefill([cached[i] for i in members], [joining[i] for i in members]))
        counts = [len(self._completions[i]) for i in joining]
        self._cache.add_sequences([i for i, count in zip(cached, counts, strict=True) for _ in range(count)])
        self._batch += [completion for i in joining for completion in self._completions[i]]
        return torch.cat(logits).repeat_interleave(torch.tensor(counts, device=self._decoder.device), dim=0)

    def _prefill(self, cached: Sequence[int], prompts: Sequence[int]) -> torch.Tensor:
        """Logits (prompts, vocabulary) after each prompt.

        cached: indices of the prompts in the cache.
        prompts: indices of the prompts.
        """
        packed = PackedSequence()
        ends = [packed.add_text(self._prompts[i]) for i in prompts]
        self._cache.begin_prefill(cached, packed.spans)
        return self._decoder.prefill(packed, ends, self._cache)

    def _with_drafts(self, newest: torch.Tensor) -> torch.Tensor:
        """(batch, new): each completion's newest token and its draft, padded with zeros."""
        if len(self._batch) > DRAFT_BATCH:
            return newest[:, None]
        active = [completion for completion in self._batch if completion.finish_reason is None]
        room = min((len(c.uniforms) - len(c.written.tokens) - 1 for c in active), default=0)
        if room < 1:
            return newest[:, None]
        drafts = [completion.draft(room) for completion in self._batch]
        longest = max(map(len, drafts))
        padded = torch.tensor([draft + [0] * (longest - len(draft)) for draft in drafts], dtype=torch.long)
        return torch.cat([newest[:, None], padded.view(len(drafts), longest).to(newest.device)], dim=1)

    def _sample(self, logits: torch.Tensor, ids: torch.Tensor, on_written: OnWritten) -> torch.Tensor:
        """Sample each completion's next token, and further ones as long as they equal the draft.

        logits: (batch, new, vocabulary), after each of `ids`.
        ids: (batch, new), the newest token of each completion, then its draft.

        Returns the newest token of each completion, (batch,).
        """
        drafts = ids[:, 1:].tolist()
        new = logits.shape[1]
        newest = [0] * len(self._batch)
        accepted = [new] * len(self._batch)
        sampling = [*range(len(self._batch))]
        for position in range(new):
            logits_here = logits[:, position] if new == 1 else logits[sampling, position]
            tokens = self._sample_next([self._batch[i] for i in sampling], logits_here, on_written)
            for i, token in zip(sampling, tokens, strict=True):
                newest[i], accepted[i] = token, position + 1
            if position + 1 < new:
                sampling = [
                    i for i in sampling if self._batch[i].finish_reason is None and newest[i] == drafts[i][position]
                ]
            if not sampling:
                break
        if new > 1:
            self._cache.drop_last([new - kept for kept in accepted])
            for completion, kept in zip(self._batch, accepted, strict=True):
                if completion.lookup is not None:
                    completion.lookup.adapt(new - 1, kept - 1)
        return torch.tensor(newest, device=logits.device)

    def _sample_next(
        self, completions: Sequence[_Completion], logits: torch.Tensor, on_written: OnWritten
    ) -> list[int]:
        """Sample a token for each of `completions`, and append it to those in progress.

        logits: (completions, vocabulary).
        """
        written = [completion.written for completion in completions]
        logits = discourage_repetition(logits, written, self._sampling.repetition_penalty)
        uniforms = torch.stack([c.uniforms[min(len(c.written.tokens), len(c.uniforms) - 1)] for c in completions])
        tokens: list[int] = next_tokens(logits, self._sampling, uniforms.to(logits.device)).tolist()
        appended = finished = 0
        for completion, token in zip(completions, tokens, strict=True):
            if completion.finish_reason is None:
                appended += completion.append(token, self._sampling)
                finished += completion.finish_reason is not None
        on_written(appended, finished)
        return tokens
