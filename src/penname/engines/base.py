"""The one interface of all engines: two calls over token ids, `generate` and `score`.

An engine knows nothing of text, users or rewards; whoever calls it brings token ids and takes token ids back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

TokenIds = Sequence[int]
FinishReason = Literal["stop", "length"]

OnWritten = Callable[[int, int], object]
"""Told how many tokens were written and how many completions ended since the last call; for showing progress."""


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn.

    temperature: 0 means greedy, the most probable token at each step.
    top_p: nucleus sampling (Holtzman et al., 2020): the smallest set of tokens whose probability reaches
        top_p, renormalised. 1.0 keeps all tokens.
    stop_ids: tokens that end a completion; the token itself is not part of the result.
    """

    max_new_tokens: int
    temperature: float
    top_p: float
    stop_ids: tuple[int, ...]


@dataclass(frozen=True)
class Generated:
    """One completion: its token ids without the stop token, and why it ended."""

    tokens: list[int]
    finish_reason: FinishReason


class Engine(Protocol):
    """Text generation and scoring over token ids."""

    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[Generated]]:
        """Sample `len(seeds[i])` completions of `prompts[i]`, the j-th one with the random seed `seeds[i][j]`.

        A completion depends on its prompt, its seed and `sampling` only, up to rounding. Greedy completions
        ignore the seed. The result has the shape of `seeds`.
        """
        ...

    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """Natural-log probabilities of each token of `candidates[i][j]` when it follows `prompts[i]`.

        The result has the shape of `candidates`; the log-probability of a candidate is the sum over its tokens.
        """
        ...
