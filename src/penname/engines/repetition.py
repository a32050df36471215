"""Keeping a completion from repeating itself, with the semantics of transformers' logits processors.

It does what `RepetitionPenaltyLogitsProcessor` and `NoRepeatNGramLogitsProcessor` do, given the completion's tokens
alone. A token is added to a completion in constant time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch

from penname.engines.base import TokenIds


class CompletionTokens:
    """The tokens of one completion so far, and the tokens that would repeat one of its n-grams.

    no_repeat_ngram: n, in tokens; 0 blocks nothing.
    """

    def __init__(self, no_repeat_ngram: int) -> None:
        self.tokens: list[int] = []
        self._n = no_repeat_ngram
        self._followers: dict[tuple[int, ...], list[int]] = {}

    def add(self, token: int) -> None:
        """Append a token."""
        self.tokens.append(token)
        if 0 < self._n <= len(self.tokens):
            *start, last = self.tokens[-self._n :]
            self._followers.setdefault(tuple(start), []).append(last)

    def blocked_tokens(self) -> TokenIds:
        """The tokens that would repeat an n-gram if they came next."""
        if not self._n or len(self.tokens) < self._n:
            return ()
        return self._followers.get(tuple(self.tokens[len(self.tokens) - self._n + 1 :]), ())


def discourage_repetition(logits: torch.Tensor, written: Sequence[CompletionTokens], penalty: float) -> torch.Tensor:
    """The logits with the completion's tokens penalized and blocked tokens at minus infinity.

    logits: (batch, vocabulary); changed in place.
    written: the tokens of each completion so far.
    penalty: see `Sampling.repetition_penalty`.
    """
    if penalty != 1.0:
        _penalize(logits, [completion.tokens for completion in written], penalty)
    blocked = [(index, token) for index, completion in enumerate(written) for token in completion.blocked_tokens()]
    if blocked:
        indices, tokens = torch.tensor(blocked, device=logits.device).T
        logits[indices, tokens] = float("-inf")
    return logits


def _penalize(logits: torch.Tensor, written: Sequence[TokenIds], penalty: float) -> None:
    lengths = torch.tensor([len(tokens) for tokens in written])
    indices = torch.arange(len(written)).repeat_interleave(lengths).to(logits.device)
    tokens = torch.from_numpy(np.fromiter(chain.from_iterable(written), dtype=np.int64)).to(logits.device)
    penalized = logits[indices, tokens]
    # A token that occurs twice gets the same new logit both times.
    logits[indices, tokens] = torch.where(penalized < 0, penalized * penalty, penalized / penalty)
