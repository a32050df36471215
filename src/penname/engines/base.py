"""The interface of all engines: two calls over token ids, `generate` and `score`.

An engine knows nothing of text, users or rewards: token ids go in, token ids or log probabilities come out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

TokenIds = Sequence[int]
FinishReason = Literal["stop", "length"]

OnWritten = Callable[[int, int], object]
"""Progress callback: called with the numbers of tokens generated and of completions finished since the last call."""


@dataclass(frozen=True)
class Sampling:
    """How completions are sampled.

    Settings apply in the order of transformers' `generate`: repetition_penalty, no_repeat_ngram, temperature, top_k,
    top_p, min_p. The first two consider the completion alone, never the prompt, so that users' own phrases are not
    penalized. The last three have no effect at temperature 0.

    max_new_tokens: longest completion, in tokens.
    temperature: divides the logits; 0 means greedy decoding, the most probable token at each step.
    top_p: nucleus sampling (Holtzman et al., 2020): the smallest set of tokens whose probability reaches
        top_p, renormalized. 1.0 keeps all tokens.
    stop_ids: tokens that end a completion; the token itself is not part of the result.
    top_k: only the k most probable tokens, renormalized (Fan et al., 2018). 0 keeps all tokens.
    min_p: only tokens at least this share as probable as the most probable one (Nguyen et al., 2024). 0 keeps all.
    repetition_penalty: logits of tokens already in the completion are divided by it where positive and multiplied
        where negative (Keskar et al., 2019). 1.0 changes nothing.
    no_repeat_ngram: no n-gram of this many tokens occurs twice in a completion (Paulus et al., 2017). 0 allows all.
    """

    max_new_tokens: int
    temperature: float
    top_p: float
    stop_ids: tuple[int, ...]
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0


NEUTRAL = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "no_repeat_ngram": 0}
"""The sampling settings that not every server supports, with the values that turn them off."""


@dataclass(frozen=True)
class GeneratedTokens:
    """One completion.

    tokens: its token ids, without the stop token.
    finish_reason: why it ended: at a stop token, or at the longest permitted length.
    """

    tokens: list[int]
    finish_reason: FinishReason


class Engine(Protocol):
    """Text generation and scoring over token ids."""

    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[GeneratedTokens]]:
        """Sample `len(seeds[i])` completions of `prompts[i]`, the j-th one with the random seed `seeds[i][j]`.

        prompts: token ids.
        seeds: the random seed of each completion of each prompt.
        sampling: how completions are sampled.

        A completion depends on its prompt, its seed and `sampling` only, up to rounding. Greedy completions
        ignore the seed. The result has the shape of `seeds`.
        """
        ...

    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """Natural log probabilities of each token of `candidates[i][j]` when it follows `prompts[i]`.

        prompts: token ids.
        candidates: token ids of each prompt's candidates.

        The result has the shape of `candidates`; the log probability of a candidate is the sum over its tokens.
        """
        ...
