"""The default engine, on torch: each prompt is prefilled once, whatever the number of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

import torch

from penname.engines.base import GeneratedTokens, OnWritten, Sampling, TokenIds
from penname.engines.continuous_batching import ContinuousBatching
from penname.engines.decoders import make_decoder
from penname.engines.scoring import ScoringBatch, scoring_batches
from penname.errors import UserError

Work = TypeVar("Work")
Result = TypeVar("Result")

BATCH_PER_WORKER = 32
"""Batch size for each worker below which more workers gain nothing, as they wait for the interpreter lock."""


class LocalEngine:
    """An `Engine` with a model in this process.

    model: a model's name, or a loaded transformers model.
    dtype: compute dtype; "auto" is the fastest that the device supports.
    batch_size: number of completions generated together; larger where one prompt has more.
    on_written: progress callback, see `OnWritten`.
    workers: threads that each generate or score a share of the prompts on an equal share of the CPU's cores, since the
        steps of a small batch cannot keep several cores busy; by default as many as can have a batch of
        `BATCH_PER_WORKER`.

    The batches of a call, and thus its rounding, depend on the call and the number of threads alone. Raises UserError
    where the model cannot be loaded or is not supported, and from both calls for a text that is too long for it.
    """

    def __init__(
        self,
        model: str | Any,
        dtype: str = "auto",
        batch_size: int = 64,
        on_written: OnWritten | None = None,
        workers: int | None = None,
    ) -> None:
        self._decoder = make_decoder(model, dtype, batch_size)
        cores = torch.get_num_threads() if self._decoder.device.type == "cpu" else 1
        self._max_workers, self._workers = cores, workers
        self.batch_size = batch_size
        self._on_written = on_written or (lambda tokens, completions: None)
        self._progress_lock = Lock()
        self._stopping = False

    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[GeneratedTokens]]:
        """See `Engine.generate`."""
        self._check_lengths(len(prompt) + sampling.max_new_tokens for prompt in prompts)
        results: list[list[GeneratedTokens]] = [[] for _ in prompts]
        workers = self._workers_for(min(self.batch_size, sum(map(len, seeds))))

        def generate_share(share: list[int]) -> list[list[GeneratedTokens]]:
            of_share = [prompts[i] for i in share], [seeds[i] for i in share]
            batching = ContinuousBatching(self._decoder, *of_share, sampling, self.batch_size // workers)
            return batching.run(self._report_progress)

        shares = _shares(prompts, seeds, workers)
        for share, generated in zip(shares, self._on_workers(workers, generate_share, shares), strict=True):
            for i, completions in zip(share, generated, strict=True):
                results[i] = completions
        return results

    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """See `Engine.score`.

        Consecutive prompts with a common prefix share its computation, and a prompt's candidates share the prompt.
        """
        self._check_lengths(
            len(prompt) + max(map(len, of_prompt), default=0)
            for prompt, of_prompt in zip(prompts, candidates, strict=True)
        )
        results: list[list[list[float]]] = [[] for _ in prompts]
        workers = self._workers_for(self.batch_size)
        batches = list(scoring_batches(prompts, candidates, workers))
        for batch, scores in zip(batches, self._on_workers(workers, self._score, batches), strict=True):
            for i, log_probs in zip(batch.indices, scores, strict=True):
                results[i] = log_probs
        return results

    def _check_lengths(self, lengths: Iterable[int]) -> None:
        limit = self._decoder.max_length
        longest = max(lengths, default=0)
        if limit is not None and longest > limit:
            raise UserError(f"a prompt and its completion have {longest} tokens, this model takes at most {limit}")

    def _workers_for(self, batch_size: int) -> int:
        return self._workers or max(1, min(self._max_workers, batch_size // BATCH_PER_WORKER))

    def _on_workers(self, workers: int, function: Callable[[Work], Result], items: Sequence[Work]) -> list[Result]:
        """Apply `function` to each item in a pool of threads; the results are in the order of the items."""
        without_grad = torch.inference_mode()(function)
        if min(workers, len(items)) < 2:
            return [without_grad(item) for item in items]
        threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(max(1, threads // workers),))
        try:
            return list(pool.map(without_grad, items))
        except BaseException:
            self._stopping = True  # makes the other workers stop at their next token
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            self._stopping = False
            torch.set_num_threads(threads)

    def _report_progress(self, tokens: int, completions: int) -> None:
        if self._stopping:
            raise RuntimeError("another worker has failed, or the process is stopping")
        with self._progress_lock:
            self._on_written(tokens, completions)

    def _score(self, batch: ScoringBatch) -> list[list[list[float]]]:
        return batch.log_probs(self._decoder.prefill(batch.packed, batch.logit_indices))


def _shares(prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], workers: int) -> list[list[int]]:
    """The indices of each worker's prompts, longest first, so that prompts in a batch have similar lengths."""
    by_length = sorted((i for i, of_prompt in enumerate(seeds) if of_prompt), key=lambda i: -len(prompts[i]))
    return [share for worker in range(workers) if (share := by_length[worker::workers])]
