"""Sampling the next token: temperature, top-k, exact nucleus and min-p, with each sequence's own random numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from penname.engines.base import Sampling

CANDIDATES = (256, 4096)
"""The nucleus is searched for among this many of the most probable tokens, then among all, as sorting all is slow."""

GREEDY_BELOW = 1e-5
"""Lower temperatures count as 0: divided by less, logits would overflow float32."""

ROWS_AT_ONCE = 8
"""Sequences sampled together on a CPU: few enough for its cache, three times as fast as all together."""


def sample_seed(run_seed: int, purpose: str, example_id: str, number: int) -> int:
    """The random seed of one completion: 63 bits that depend on nothing else, so workers and restarts change nothing.

    purpose: why it is sampled, in words: `expectation 1`, `evaluation`.
    example_id: its example.
    number: its index among the example's completions, from 0.
    """
    digest = hashlib.sha256(f"{run_seed}\n{purpose}\n{example_id}\n{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def uniforms(seeds: Sequence[int], count: int) -> torch.Tensor:
    """(len(seeds), count) uniform random numbers in [0, 1), one row from each seed."""
    rows = [np.random.Generator(np.random.Philox(seed)).random(count) for seed in seeds]
    return torch.from_numpy(np.stack(rows))


def next_tokens(logits: torch.Tensor, sampling: Sampling, uniform: torch.Tensor) -> torch.Tensor:
    """Sample a token for each sequence by inverting the cumulative distribution.

    Tokens are ordered by probability, so equal uniforms give equal tokens whatever else is in the batch.

    logits: (rows, vocabulary), after `discourage_repetition`.
    sampling: its temperature, top_k, top_p and min_p are used.
    uniform: (rows,) random numbers in [0, 1).
    """
    if sampling.temperature < GREEDY_BELOW:
        return logits.argmax(dim=-1)
    at_once = ROWS_AT_ONCE if logits.device.type == "cpu" else max(1, len(logits))
    parts = zip(logits.split(at_once), uniform.split(at_once), strict=True)
    return torch.cat([_next_tokens(part, sampling, draws) for part, draws in parts])


def _next_tokens(logits: torch.Tensor, sampling: Sampling, uniform: torch.Tensor) -> torch.Tensor:
    probabilities = torch.softmax(logits.float() / sampling.temperature, dim=-1)
    tokens = torch.empty(len(logits), dtype=torch.long, device=logits.device)
    rows = torch.arange(len(logits), device=logits.device)
    for candidates in (*CANDIDATES, logits.shape[-1]):
        top, ids = probabilities.topk(min(candidates, logits.shape[-1]), dim=-1)
        tokens[rows], beyond = _draw(top.double(), ids, sampling, uniform)
        if not bool(beyond.any()):
            break
        rows, probabilities, uniform = rows[beyond], probabilities[beyond], uniform[beyond]
    return tokens


def _draw(
    probabilities: torch.Tensor, ids: torch.Tensor, sampling: Sampling, uniform: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A sampled token for each sequence, and whether tokens beyond these candidates should have been considered.

    probabilities, ids: (rows, candidates), by descending probability.

    top_k, top_p and min_p each keep a leading set of tokens, as transformers' processors do one after the other; ties
    with the k-th token are kept too.
    """
    cumulative = probabilities.cumsum(dim=-1)
    before = cumulative - probabilities
    kept = probabilities >= sampling.min_p * probabilities[:, :1]
    least = most = torch.ones_like(cumulative[:, :1])
    if sampling.top_k:
        kth = probabilities[:, min(sampling.top_k, probabilities.shape[-1]) - 1, None]
        in_top_k = probabilities >= kth
        kept &= in_top_k
        # The nucleus is a share of the mass of the top k. That mass is known once all of them, ties included, are
        # among the candidates; until then it is between the candidates' mass and 1.
        least = (probabilities * in_top_k).sum(dim=-1, keepdim=True)
        most = torch.where(in_top_k[:, -1:], 1.0, least)
    perhaps_kept = kept & (before < sampling.top_p * most)
    kept &= before < sampling.top_p * least
    beyond = perhaps_kept[:, -1] & (cumulative[:, -1:] < sampling.top_p * most)[:, 0]
    beyond |= (perhaps_kept != kept).any(dim=-1)
    index = torch.searchsorted(cumulative, uniform[:, None] * (probabilities * kept).sum(-1, keepdim=True), right=True)
    last = kept.sum(dim=-1, keepdim=True) - 1
    return ids.gather(-1, torch.minimum(index, last))[:, 0], beyond
