"""Drawing the next token: temperature and exact nucleus sampling, with random numbers of each row's own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch

CANDIDATES = (256, 4096)
"""The nucleus is looked for among this many of the most probable tokens, then among all: sorting all takes longest."""

GREEDY_BELOW = 1e-5
"""A temperature under it is 0: divided by less, logits are beyond what float32 holds."""

ROWS_AT_ONCE = 8
"""So few rows stay in a processor's cache: three times as fast there as all at once."""


def sample_seed(run_seed: int, iteration: int, example_id: str, sample: int) -> int:
    """The seed of one sample: 63 bits that depend on nothing else, so workers and restarts change nothing."""
    digest = hashlib.sha256(f"{run_seed}\n{iteration}\n{example_id}\n{sample}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def uniforms(seeds: Sequence[int], count: int) -> torch.Tensor:
    """(len(seeds), count) numbers in [0, 1), row by row from each seed."""
    rows = [np.random.Generator(np.random.Philox(seed)).random(count) for seed in seeds]
    return torch.from_numpy(np.stack(rows))


def next_tokens(logits: torch.Tensor, temperature: float, top_p: float, uniform: torch.Tensor) -> torch.Tensor:
    """Draw a token for each row by inverting the cumulative distribution.

    logits: (rows, vocabulary); uniform: (rows,) in [0, 1). Tokens are ordered by probability, so equal
    uniforms give equal tokens whatever else is in the batch.
    """
    if temperature < GREEDY_BELOW:
        return logits.argmax(dim=-1)
    at_once = ROWS_AT_ONCE if logits.device.type == "cpu" else max(1, len(logits))
    parts = zip(logits.split(at_once), uniform.split(at_once), strict=True)
    return torch.cat([_next_tokens(part, temperature, top_p, draws) for part, draws in parts])


def _next_tokens(logits: torch.Tensor, temperature: float, top_p: float, uniform: torch.Tensor) -> torch.Tensor:
    probabilities = torch.softmax(logits.float() / temperature, dim=-1)
    drawn = torch.empty(len(logits), dtype=torch.long, device=logits.device)
    rows = torch.arange(len(logits), device=logits.device)
    for candidates in (*CANDIDATES, logits.shape[-1]):
        top, ids = probabilities.topk(min(candidates, logits.shape[-1]), dim=-1)
        top = top.double()
        drawn[rows] = _draw(top, ids, top_p, uniform)
        beyond = top.sum(dim=-1) < top_p
        if not bool(beyond.any()):
            break
        rows, probabilities, uniform = rows[beyond], probabilities[beyond], uniform[beyond]
    return drawn


def _draw(probabilities: torch.Tensor, ids: torch.Tensor, top_p: float, uniform: torch.Tensor) -> torch.Tensor:
    """Draw from the smallest leading set whose probability reaches `top_p`; `probabilities` fall."""
    cumulative = probabilities.cumsum(dim=-1)
    in_nucleus = cumulative - probabilities < top_p
    mass = (probabilities * in_nucleus).sum(dim=-1, keepdim=True)
    place = torch.searchsorted(cumulative, uniform[:, None] * mass, right=True)
    last = in_nucleus.sum(dim=-1, keepdim=True) - 1
    return ids.gather(-1, torch.minimum(place, last))[:, 0]
