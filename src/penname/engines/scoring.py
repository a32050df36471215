"""Packs prompts and candidates into sequences to be scored: what they share is computed once, without padding.

A judge scores many responses to one input: its prompts have a common prefix, up to the response, and each is followed
by a few candidates. So a packed sequence holds the shared prefix, then the rest of each prompt with its candidates as
branches after it; these attend to the prefix and the rest, but not to each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from penname.engines.base import TokenIds
from penname.engines.packed_sequence import PackedSequence

TOKENS_PER_BATCH = 6144
"""Approximate largest number of tokens in a batch."""


@dataclass
class ScoringBatch:
    """Prompts that are scored in one forward pass.

    packed: the packed sequence.
    indices: the prompts' indices.
    candidates: the candidates of each prompt.
    logit_indices: the tokens of the packed sequence whose logits are needed, prompt after prompt.
    """

    packed: PackedSequence = field(default_factory=PackedSequence)
    indices: list[int] = field(default_factory=list)
    candidates: list[Sequence[TokenIds]] = field(default_factory=list)
    logit_indices: list[int] = field(default_factory=list)

    def add(self, index: int, rest: TokenIds, candidates: Sequence[TokenIds]) -> None:
        """Add a prompt. The last token of a candidate is not part of the input, as its logits are not needed.

        index: the prompt's index.
        rest: the prompt's tokens after the prefix that was added to `packed` last.
        candidates: token ids.
        """
        positions = self.packed.add_continuation(rest, [candidate[:-1] for candidate in candidates])
        self.indices.append(index)
        self.candidates.append(candidates)
        self.logit_indices += positions[len(rest) - 1 :]

    def log_probs(self, logits: torch.Tensor) -> list[list[list[float]]]:
        """The log probabilities of each candidate's tokens.

        logits: (logit_indices, vocabulary).
        """
        log_probs = logits.float().log_softmax(-1)
        scored = []
        last = 0
        for candidates in self.candidates:
            start = last + 1
            scores = []
            for candidate in candidates:
                predicting = [last, *range(start, start + len(candidate) - 1)] if candidate else []
                scores.append(log_probs[predicting, list(candidate)].tolist())
                start += len(candidate[:-1])
            scored.append(scores)
            last = start
        return scored


def scoring_batches(
    prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]], workers: int
) -> Iterator[ScoringBatch]:
    """Batches of similar size, equally many for each worker, in the order of the prompts that have candidates.

    prompts: token ids.
    candidates: token ids of each prompt's candidates.
    workers: number of threads that score the batches.
    """
    branches = [tuple(len(candidate[:-1]) for candidate in of_prompt) for of_prompt in candidates]
    groups = _group_by_prefix(prompts, branches, [i for i, of_prompt in enumerate(candidates) if of_prompt])
    # A group's prefix counts once, though a batch that continues the group repeats it.
    tokens = sum(
        prefix + sum(len(prompts[i]) - prefix + sum(branches[i]) for i in members) for prefix, members in groups
    )
    batch_tokens = tokens / (workers * max(1, math.ceil(tokens / (workers * TOKENS_PER_BATCH))))
    batch, added = ScoringBatch(), 0
    for prefix, members in groups:
        added += prefix
        for i in members:
            if batch.indices and added >= batch_tokens:
                yield batch
                batch, added = ScoringBatch(), 0
            if not batch.indices or i == members[0]:
                batch.packed.add_prompt(prompts[i][:prefix], branches[i])
            batch.add(i, prompts[i][prefix:], candidates[i])
            added += len(prompts[i]) - prefix + sum(branches[i])
    if batch.indices:
        yield batch


def _group_by_prefix(
    prompts: Sequence[TokenIds], branches: Sequence[tuple[int, ...]], indices: Sequence[int]
) -> list[tuple[int, list[int]]]:
    """Groups of consecutive prompts whose common prefix is at least half of each, as (prefix length, indices).

    The prefix never includes a prompt's last token. Within a group, candidates have the same lengths.
    """
    groups: list[tuple[int, list[int]]] = []
    longest = 0
    for i in indices:
        if groups:
            prefix, members = groups[-1]
            first = prompts[members[0]]
            common = next((n for n in range(prefix) if n == len(prompts[i]) or first[n] != prompts[i][n]), prefix)
            common = min(common, len(prompts[i]) - 1)
            longest = max(longest, len(prompts[i]))
            if 2 * common >= longest and branches[i] == branches[members[0]]:
                groups[-1] = (common, [*members, i])
                continue
        groups.append((len(prompts[i]) - 1, [i]))
        longest = len(prompts[i])
    return groups
