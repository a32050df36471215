"""A batch of completions in progress: one step gives each of them its next token, and lets prompts join."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby

import torch

from penname.engines.base import FinishReason, GeneratedTokens, Sampling, TokenIds
from penname.engines.decoders import Decoder
from penname.engines.lookup import PromptLookup
from penname.engines.packed_sequence import PackedSequence
from penname.engines.repetition import CompletionTokens, discourage_repetition
from penname.engines.sampling import next_tokens, uniform_numbers
from penname.engines.shared_prefix import SharedPrefixCache

COMPACT_BELOW = 0.75
"""Finished completions leave the batch once the share of it that is in progress is below this."""

DRAFT_BATCH = 2
"""Largest batch with drafts (see `lookup`): in larger ones, verifying them takes longer than it saves."""

PREFILL_TOKENS = 2048
"""Approximate number of tokens in a prefill: enough to keep the cores busy, few enough for their caches."""


@dataclass(frozen=True)
class TokenLogProbs:
    """Natural log probabilities under the model itself, before temperature and all other settings of the sampling.

    log_prob: that of the token that was sampled.
    most_likely: the most likely tokens with theirs, by descending probability.
    """

    log_prob: float
    most_likely: list[tuple[int, float]]


@dataclass(eq=False)
class Completion:
    """A completion in progress.

    prompt: token ids.
    sampling: how it is sampled.
    uniforms: a uniform random number for each of its tokens.
    most_likely: for how many most likely tokens log probabilities are kept at each of its tokens; None keeps none.
    log_probs: those of each of its tokens so far.
    finish_reason: None while it is in progress.
    stopped: whether nobody waits for it any more; it leaves the batch at the next step.
    lookup: source of drafts, made when first needed.
    """

    prompt: TokenIds
    sampling: Sampling
    uniforms: torch.Tensor
    most_likely: int | None = None
    written: CompletionTokens = field(init=False)
    log_probs: list[TokenLogProbs] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    stopped: bool = False
    lookup: PromptLookup | None = None

    def __post_init__(self) -> None:
        self.written = CompletionTokens(self.sampling.no_repeat_ngram)

    @property
    def in_progress(self) -> bool:
        """Whether it is to get further tokens."""
        return self.finish_reason is None and not self.stopped

    def draft(self, max_tokens: int) -> list[int]:
        """A draft of at most `max_tokens` tokens after the newest one."""
        if not self.in_progress:
            return []
        if self.lookup is None:
            self.lookup = PromptLookup([*self.prompt, *self.written.tokens])
        return self.lookup.draft(max_tokens)

    def append(self, token: int) -> bool:
        """Append a sampled token, or finish at a stop token or at the length limit; return whether it was appended."""
        if token in self.sampling.stop_ids:
            self.finish_reason = "stop"
            return False
        self.written.add(token)
        if self.lookup is not None:
            self.lookup.add(token)
        if len(self.written.tokens) == self.sampling.max_new_tokens:
            self.finish_reason = "length"
        return True

    def generated(self) -> GeneratedTokens:
        """The completion as the engine returns it."""
        assert self.finish_reason is not None
        return GeneratedTokens(self.written.tokens, self.finish_reason)


def completions_of(
    prompt: TokenIds, seeds: Sequence[int], sampling: Sampling, most_likely: int | None = None
) -> list[Completion]:
    """The completions of a prompt, before their first token: one for each random seed; see `Completion`."""
    uniforms = uniform_numbers(seeds, sampling.max_new_tokens)
    return [Completion(prompt, sampling, numbers, most_likely) for numbers in uniforms]


@dataclass(frozen=True)
class Step:
    """What a step has done: the numbers of tokens appended and of completions finished."""

    appended: int
    finished: int


class Batch:
    """Completions that are decoded together, each with its own prompt, sampling and random numbers.

    decoder: the model.
    size: largest number of completions at once.
    capacity: longest completion, in tokens.
    """

    def __init__(self, decoder: Decoder, size: int, capacity: int) -> None:
        self._decoder = decoder
        self._cache = SharedPrefixCache(size, capacity, decoder.device)
        self._rows: list[Completion] = []
        self._newest = torch.empty(0, dtype=torch.long)
        self._appended = self._finished = 0

    @property
    def in_progress(self) -> int:
        """The number of completions in progress."""
        return sum(row.in_progress for row in self._rows)

    def step(self, joining: Sequence[Sequence[Completion]]) -> Step:
        """Give each completion its next token, or several where they were guessed.

        joining: for each prompt that joins, all its completions.
        """
        active = [i for i, row in enumerate(self._rows) if row.in_progress]
        if joining or len(active) < COMPACT_BELOW * len(self._rows):
            self._cache.keep(active)
            self._rows = [self._rows[i] for i in active]
            self._newest = self._newest[active]
        ids = self._newest[:, None] if joining else self._with_drafts()
        self._appended = self._finished = 0
        if joining:
            self._newest = self._sample(self._join(joining, ids), ids)
        elif self._rows:
            self._newest = self._sample(self._decoder.decode(ids, self._cache), ids)
        return Step(self._appended, self._finished)

    def _join(self, joining: Sequence[Sequence[Completion]], ids: torch.Tensor) -> torch.Tensor:
        """Decode the completions in progress, and let prompts join.

        ids: (completions in progress, 1), the newest token of each.

        Returns the logits after them and after each joining completion's prompt, (completions, 1, vocabulary).
        """
        prompts = [of_prompt[0].prompt for of_prompt in joining]
        cached = self._cache.add_prompts([*map(len, prompts)])
        decoded: list[torch.Tensor] = []
        prefilled: list[torch.Tensor] = []
        for group in _prefills(prompts):
            packed = PackedSequence()
            last = [packed.add_text(prompts[i]) for i in group]
            self._cache.begin_prefill([cached[i] for i in group], packed.spans)
            if self._rows and not decoded:
                of_rows, of_prompts = self._decoder.decode_and_prefill(ids, packed, last, self._cache)
                decoded.append(of_rows)
            else:
                of_prompts = self._decoder.prefill(packed, last, self._cache)
            prefilled.append(of_prompts)
        counts = [*map(len, joining)]
        self._cache.add_sequences([i for i, count in zip(cached, counts, strict=True) for _ in range(count)])
        self._rows += [completion for of_prompt in joining for completion in of_prompt]
        after = torch.cat(prefilled).repeat_interleave(torch.tensor(counts, device=self._decoder.device), dim=0)
        return torch.cat([*decoded, after[:, None]])

    def _with_drafts(self) -> torch.Tensor:
        """(batch, new): each completion's newest token and its draft, padded with zeros."""
        newest = self._newest[:, None]
        if len(self._rows) > DRAFT_BATCH:
            return newest
        active = [row for row in self._rows if row.in_progress]
        room = min((len(row.uniforms) - len(row.written.tokens) - 1 for row in active), default=0)
        if room < 1:
            return newest
        drafts = [row.draft(room) for row in self._rows]
        longest = max(map(len, drafts))
        padded = torch.tensor([draft + [0] * (longest - len(draft)) for draft in drafts], dtype=torch.long)
        return torch.cat([newest, padded.view(len(drafts), longest).to(newest.device)], dim=1)

    def _sample(self, logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Sample each completion's next token, and further ones as long as they equal the draft.

        logits: (batch, new, vocabulary), after each of `ids`.
        ids: (batch, new), the newest token of each completion, then its draft.

        Returns the newest token of each completion, (batch,).
        """
        drafts = ids[:, 1:].tolist()
        new = logits.shape[1]
        newest = [0] * len(self._rows)
        accepted = [new] * len(self._rows)
        sampling = [*range(len(self._rows))]
        for position in range(new):
            logits_here = logits[:, position] if new == 1 else logits[sampling, position]
            tokens = self._sample_next([self._rows[i] for i in sampling], logits_here)
            for i, token in zip(sampling, tokens, strict=True):
                newest[i], accepted[i] = token, position + 1
            if position + 1 < new:
                sampling = [i for i in sampling if self._rows[i].in_progress and newest[i] == drafts[i][position]]
            if not sampling:
                break
        if new > 1:
            self._cache.drop_last([new - kept for kept in accepted])
            for row, kept in zip(self._rows, accepted, strict=True):
                if row.lookup is not None:
                    row.lookup.adapt(new - 1, kept - 1)
        return torch.tensor(newest, device=logits.device)

    def _sample_next(self, rows: Sequence[Completion], logits: torch.Tensor) -> list[int]:
        """Sample a token for each of these completions, and append it to those in progress.

        logits: (completions, vocabulary).
        """
        asked = {i: row.most_likely for i, row in enumerate(rows) if row.most_likely is not None}
        log_probs = {i: torch.log_softmax(logits[i].float(), dim=-1) for i in asked}  # before the logits are changed
        tokens = _tokens_by_sampling(rows, logits)
        for i, (row, token) in enumerate(zip(rows, tokens, strict=True)):
            if row.in_progress:
                appended = row.append(token)
                if appended and i in asked:
                    row.log_probs.append(_log_probs_of(log_probs[i], token, asked[i]))
                self._appended += appended
                self._finished += row.finish_reason is not None
        return tokens


def _prefills(prompts: Sequence[TokenIds]) -> list[list[int]]:
    """The prompts, by their indices, that are computed together: about `PREFILL_TOKENS` each time."""
    ends = [*accumulate(map(len, prompts))]
    return [[*group] for _, group in groupby(range(len(prompts)), key=lambda i: ends[i] // PREFILL_TOKENS)]


def _log_probs_of(log_probs: torch.Tensor, token: int, most_likely: int) -> TokenLogProbs:
    """What is kept of the log probabilities (vocabulary,) that a token was sampled from."""
    top, ids = log_probs.topk(most_likely)
    return TokenLogProbs(float(log_probs[token]), list(zip(ids.tolist(), top.tolist(), strict=True)))


def _tokens_by_sampling(rows: Sequence[Completion], logits: torch.Tensor) -> list[int]:
    """A sampled token for each completion; those that are sampled alike are sampled together.

    logits: (completions, vocabulary); changed in place.
    """
    groups: dict[Sampling, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row.sampling, []).append(index)
    if len(groups) == 1:
        return _sampled(rows, logits)
    tokens = [0] * len(rows)
    for members in groups.values():
        for index, token in zip(members, _sampled([rows[i] for i in members], logits[members]), strict=True):
            tokens[index] = token
    return tokens


def _sampled(rows: Sequence[Completion], logits: torch.Tensor) -> list[int]:
    """A sampled token for each of some completions that are sampled alike."""
    sampling = rows[0].sampling
    logits = discourage_repetition(logits, [row.written for row in rows], sampling.repetition_penalty)
    uniforms = torch.stack([row.uniforms[min(len(row.written.tokens), len(row.uniforms) - 1)] for row in rows])
    tokens: list[int] = next_tokens(logits, sampling, uniforms.to(logits.device)).tolist()
    return tokens
