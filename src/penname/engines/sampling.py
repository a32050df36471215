"""Sampling the next token: temperature, top-k, exact nucleus and min-p, with each sequence's own random numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

from penname.engines.base import Sampling

CANDIDATES = (256, 4096)
"""The nucleus is searched for among these numbers of most probable tokens, then among all: sorting all is slow."""

GREEDY_BELOW = 1e-5
"""Lower temperatures count as 0: divided by less, logits would overflow float32."""

CHUNK = 8
"""Number of sequences sampled together on a CPU: few enough for its cache, three times as fast as all together."""


def sample_seed(run_seed: int, purpose: str, example_id: str, index: int) -> int:
    """The random seed of one completion, 63 bits.

    It depends on the arguments alone, so that the number of workers and restarts change nothing.

    run_seed: the recipe's seed.
    purpose: why the completion is sampled, in words, such as `expectation 1` or `evaluation`.
    example_id: the example that it is sampled for.
    index: its index among the example's completions, from 0.
    """
    digest = hashlib.sha256(f"{run_seed}\n{purpose}\n{example_id}\n{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def uniform_numbers(seeds: Sequence[int], count: int) -> torch.Tensor:
    """Uniform random numbers in [0, 1), (len(seeds), count), one row from each seed."""
    rows = [np.random.Generator(np.random.Philox(seed)).random(count) for seed in seeds]
    return torch.from_numpy(np.stack(rows))


def next_tokens(logits: torch.Tensor, sampling: Sampling, uniform: torch.Tensor) -> torch.Tensor:
    """Sample a token for each sequence of a batch by inverting the cumulative distribution.

    Tokens are ordered by probability, so equal random numbers give equal tokens whatever else is in the batch.

    logits: (batch, vocabulary), after `discourage_repetition`.
    sampling: its temperature, top_k, top_p and min_p are used.
    uniform: a random number in [0, 1) for each sequence, (batch,).

    Returns token ids, (batch,).
    """
    if sampling.temperature < GREEDY_BELOW:
        return logits.argmax(dim=-1)
    chunk = CHUNK if logits.device.type == "cpu" else max(1, len(logits))
    parts = zip(logits.split(chunk), uniform.split(chunk), strict=True)
    return torch.cat([_next_tokens(part, sampling, numbers) for part, numbers in parts])


def _next_tokens(logits: torch.Tensor, sampling: Sampling, uniform: torch.Tensor) -> torch.Tensor:
    probabilities = torch.softmax(logits.float() / sampling.temperature, dim=-1)
    tokens = torch.empty(len(logits), dtype=torch.long, device=logits.device)
    rows = torch.arange(len(logits), device=logits.device)
    for candidates in (*CANDIDATES, logits.shape[-1]):
        top, ids = probabilities.topk(min(candidates, logits.shape[-1]), dim=-1)
        tokens[rows], beyond = _sample_candidates(top.double(), ids, sampling, uniform)
        if not bool(beyond.any()):
            break
        rows, probabilities, uniform = rows[beyond], probabilities[beyond], uniform[beyond]
    return tokens


def _sample_candidates(
    probabilities: torch.Tensor, ids: torch.Tensor, sampling: Sampling, uniform: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """A sampled token for each sequence, and whether more candidates are needed to sample it exactly.

    probabilities, ids: the most probable tokens, (batch, candidates), by descending probability.
    uniform: (batch,).

    top_k, top_p and min_p each keep a leading set of tokens, as transformers' processors do one after the other; ties
    with the k-th token are kept too.
    """
    cumulative = probabilities.cumsum(dim=-1)
    before = cumulative - probabilities
    kept = probabilities >= sampling.min_p * probabilities[:, :1]
    mass_from = mass_to = torch.ones_like(cumulative[:, :1])
    if sampling.top_k:
        kth = probabilities[:, min(sampling.top_k, probabilities.shape[-1]) - 1, None]
        in_top_k = probabilities >= kth
        kept &= in_top_k
        # The nucleus is a share of the mass of the top k. That mass is known once all of them, ties included, are
        # among the candidates; until then it is between `mass_from`, the candidates' mass, and `mass_to`, which is 1.
        mass_from = (probabilities * in_top_k).sum(dim=-1, keepdim=True)
        mass_to = torch.where(in_top_k[:, -1:], 1.0, mass_from)
    perhaps_kept = kept & (before < sampling.top_p * mass_to)
    kept &= before < sampling.top_p * mass_from
    beyond = perhaps_kept[:, -1] & (cumulative[:, -1:] < sampling.top_p * mass_to)[:, 0]
    beyond |= (perhaps_kept != kept).any(dim=-1)
    index = torch.searchsorted(cumulative, uniform[:, None] * (probabilities * kept).sum(-1, keepdim=True), right=True)
    last = kept.sum(dim=-1, keepdim=True) - 1
    return ids.gather(-1, torch.minimum(index, last))[:, 0], beyond
