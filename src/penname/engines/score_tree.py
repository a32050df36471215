"""How prompts and candidates are laid out to be scored in one forward pass: what they share is computed once.

A judge scores many responses to one input: its prompts start alike, up to the response. And it compares a few
candidates after each. So a row holds a prompt's own rest, after the start it shares with others, and then all of
its candidates side by side, which see the rest but not each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from penname.engines.base import TokenIds
from penname.engines.shared_prefix import Tree

TOKENS_AT_ONCE = 8192
"""A batch holds at most so many tokens, padding included, unless a single row is longer."""


@dataclass
class ScoreBatch:
    """Rows scored together. starts: what rows share; owners: each row's start; indices: each row's prompt."""

    starts: list[TokenIds] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)
    rests: list[TokenIds] = field(default_factory=list)
    candidates: list[Sequence[TokenIds]] = field(default_factory=list)

    def add(self, start: TokenIds, index: int, rest: TokenIds, candidates: Sequence[TokenIds]) -> None:
        if not self.starts or self.starts[-1] is not start:
            self.starts.append(start)
        self.owners.append(len(self.starts) - 1)
        self.indices.append(index)
        self.rests.append(rest)
        self.candidates.append(candidates)

    @property
    def tail(self) -> int:
        """How many places at the end of a row have logits that count: the rest's last token and the candidates."""
        return 1 + max(_width(row) for row in self.candidates)

    def layout(self, device: torch.device) -> tuple[torch.Tensor, Tree]:
        """Token ids (rows, new) and how they see each other.

        Rests are padded in front, so that all end at the same place. A candidate's last token is left out: nothing
        follows it.
        """
        before = max(map(len, self.rests))
        ids = torch.zeros(len(self.rests), before + self.tail - 1, dtype=torch.long)
        depths = torch.zeros_like(ids)
        # 0 for padding, 1 for the rest, 2 and on for the candidates.
        part = torch.zeros_like(ids)
        for row, (rest, candidates) in enumerate(zip(self.rests, self.candidates, strict=True)):
            _lay(ids, depths, part, row, before - len(rest), rest, 0, 1)
            place = before
            for number, candidate in enumerate(candidates):
                nodes = candidate[:-1]
                _lay(ids, depths, part, row, place, nodes, len(rest), number + 2)
                place += len(nodes)
        later = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).triu(1)
        own = (part[:, None] == part[:, :, None]) | (part[:, None] == 1)
        unseen = later | ~own | (part[:, None] == 0)
        return ids.to(device), Tree(depths.to(device), unseen.to(device))

    def log_probs(self, logits: torch.Tensor) -> list[list[list[float]]]:
        """Log-probabilities of the candidates' tokens from the logits (rows, tail, vocabulary)."""
        log_probs = logits.float().log_softmax(-1)
        scored = []
        for row, candidates in enumerate(self.candidates):
            place = 1
            scores = []
            for candidate in candidates:
                places = [0, *range(place, place + len(candidate) - 1)] if candidate else []
                scores.append(log_probs[row, places, list(candidate)].tolist())
                place += max(0, len(candidate) - 1)
            scored.append(scores)
        return scored


def score_batches(
    prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]], rows: int
) -> Iterator[ScoreBatch]:
    """Batches of at most `rows` prompts, in their order; prompts without candidates are left out."""
    batch = ScoreBatch()
    longest = 0
    for shared, members in _alike(prompts, [i for i, row in enumerate(candidates) if row]):
        start = prompts[members[0]][:shared]
        for i in members:
            rest = prompts[i][shared:]
            length = len(rest) + _width(candidates[i])
            over = (len(batch.rests) + 1) * max(longest, length) > TOKENS_AT_ONCE
            if len(batch.rests) == rows or (batch.rests and over):
                yield batch
                batch, longest = ScoreBatch(), 0
            batch.add(start, i, rest, candidates[i])
            longest = max(longest, length)
    if batch.rests:
        yield batch


def _alike(prompts: Sequence[TokenIds], wanted: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Neighbours that start alike for half or more of each prompt; how many tokens they share, short of the last."""
    groups: list[tuple[int, list[int]]] = []
    longest = 0
    for i in wanted:
        if groups:
            shared, members = groups[-1]
            first = prompts[members[0]]
            common = next((n for n in range(shared) if n == len(prompts[i]) or first[n] != prompts[i][n]), shared)
            common = min(common, len(prompts[i]) - 1)
            longest = max(longest, len(prompts[i]))
            if 2 * common >= longest:
                groups[-1] = (common, [*members, i])
                continue
        groups.append((len(prompts[i]) - 1, [i]))
        longest = len(prompts[i])
    return groups


def _width(candidates: Sequence[TokenIds]) -> int:
    return sum(max(0, len(candidate) - 1) for candidate in candidates)


def _lay(
    ids: torch.Tensor,
    depths: torch.Tensor,
    part: torch.Tensor,
    row: int,
    place: int,
    tokens: TokenIds,
    depth: int,
    number: int,
) -> None:
    end = place + len(tokens)
    ids[row, place:end] = torch.tensor(list(tokens), dtype=torch.long)
    depths[row, place:end] = torch.arange(depth, depth + len(tokens))
    part[row, place:end] = number
