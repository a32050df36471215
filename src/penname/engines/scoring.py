"""Packs prompts and candidates into rows to be scored: what they share is computed once, and nothing is padded.

A judge scores many responses to one input: its prompts have a common prefix, up to the response, and each is followed
by a few candidates. So a row holds the shared prefix, then the rest of each prompt with its candidates side by side
after it; these attend to the prefix and the rest, but not to each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from penname.engines.base import TokenIds
from penname.engines.packed_row import PackedRow

TOKENS_AT_ONCE = 6144
"""Approximate number of tokens in a row at most."""


@dataclass
class ScoreRow:
    """Prompts that are scored in one forward pass.

    packed: the row of tokens.
    indices: the prompts' indices.
    candidates: the candidates of each prompt.
    sources: indices of the tokens whose logits are needed, prompt after prompt.
    """

    packed: PackedRow = field(default_factory=PackedRow)
    indices: list[int] = field(default_factory=list)
    candidates: list[Sequence[TokenIds]] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)

    def add(self, index: int, rest: TokenIds, candidates: Sequence[TokenIds]) -> None:
        """Add a prompt; `rest` continues the prefix that was opened last.

        A candidate's last token is left out: its logits are not needed.
        """
        positions = self.packed.add(rest, [candidate[:-1] for candidate in candidates])
        self.indices.append(index)
        self.candidates.append(candidates)
        self.sources += positions[len(rest) - 1 :]

    def log_probs(self, logits: torch.Tensor) -> list[list[list[float]]]:
        """Log-probabilities of the candidates' tokens from the logits (sources, vocabulary)."""
        log_probs = logits.float().log_softmax(-1)
        scored = []
        last = 0
        for candidates in self.candidates:
            start = last + 1
            scores = []
            for candidate in candidates:
                sources = [last, *range(start, start + len(candidate) - 1)] if candidate else []
                scores.append(log_probs[sources, list(candidate)].tolist())
                start += len(candidate[:-1])
            scored.append(scores)
            last = start
        return scored


def score_rows(
    prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]], workers: int
) -> Iterator[ScoreRow]:
    """Rows of similar length, equally many for each worker, in the order of the prompts that have candidates."""
    tails = [tuple(len(candidate[:-1]) for candidate in row) for row in candidates]
    groups = _alike(prompts, tails, [i for i, row in enumerate(candidates) if row])
    # A group's prefix counts once, though a row that continues the group repeats it.
    tokens = sum(shared + sum(len(prompts[i]) - shared + sum(tails[i]) for i in members) for shared, members in groups)
    full = tokens / (workers * max(1, math.ceil(tokens / (workers * TOKENS_AT_ONCE))))
    row, added = ScoreRow(), 0
    for shared, members in groups:
        added += shared
        for i in members:
            if row.indices and added >= full:
                yield row
                row, added = ScoreRow(), 0
            if not row.indices or i == members[0]:
                row.packed.open(prompts[i][:shared], tails[i])
            row.add(i, prompts[i][shared:], candidates[i])
            added += len(prompts[i]) - shared + sum(tails[i])
    if row.indices:
        yield row


def _alike(
    prompts: Sequence[TokenIds], tails: Sequence[tuple[int, ...]], wanted: Sequence[int]
) -> list[tuple[int, list[int]]]:
    """Groups of consecutive prompts whose common prefix is at least half of each, as (prefix length, indices).

    The prefix never includes a prompt's last token. Within a group, candidates have the same lengths.
    """
    groups: list[tuple[int, list[int]]] = []
    longest = 0
    for i in wanted:
        if groups:
            shared, members = groups[-1]
            first = prompts[members[0]]
            common = next((n for n in range(shared) if n == len(prompts[i]) or first[n] != prompts[i][n]), shared)
            common = min(common, len(prompts[i]) - 1)
            longest = max(longest, len(prompts[i]))
            if 2 * common >= longest and tails[i] == tails[members[0]]:
                groups[-1] = (common, [*members, i])
                continue
        groups.append((len(prompts[i]) - 1, [i]))
        longest = len(prompts[i])
    return groups
