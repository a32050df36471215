"""The default engine, on torch: each prompt is prefilled once, whatever the number of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

import torch

from penname.engines.base import Generated, OnWritten, Sampling, TokenIds
from penname.engines.decoders import make_decoder
from penname.engines.scoring import ScoreRow, score_rows
from penname.engines.writing import Writing
from penname.errors import UserError

Batch = TypeVar("Batch")
Result = TypeVar("Result")

ROWS_A_WORKER = 32
"""Batch size for each worker below which more workers gain nothing, as they wait for the interpreter lock."""


class LocalEngine:
    """Generates and scores with a model in this process.

    model: a model's name, or a loaded transformers model.
    dtype: compute dtype; "auto" is the fastest that the device supports.
    rows: batch size, in completions; larger where one prompt has more.
    on_written: progress callback, see `OnWritten`.
    workers: threads that each generate or score a share of the prompts on an equal share of the CPU's cores, since the
        steps of a small batch cannot keep several cores busy; by default as many as can have a batch of
        `ROWS_A_WORKER`.

    The batches of a call, and thus its rounding, depend on the call and the number of threads alone.
    """

    def __init__(
        self,
        model: str | Any,
        dtype: str = "auto",
        rows: int = 64,
        on_written: OnWritten | None = None,
        workers: int | None = None,
    ) -> None:
        self._decoder = make_decoder(model, dtype, rows)
        cores = torch.get_num_threads() if self._decoder.device.type == "cpu" else 1
        self._most_workers, self._workers = cores, workers
        self.rows = rows
        self._on_written = on_written or (lambda tokens, ended: None)
        self._progress_lock = Lock()
        self._stopping = False

    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[Generated]]:
        """See `Engine.generate`."""
        self._check_lengths(len(prompt) + sampling.max_new_tokens for prompt in prompts)
        results: list[list[Generated]] = [[] for _ in prompts]
        workers = self._workers_for(min(self.rows, sum(map(len, seeds))))

        def write(share: list[int]) -> list[list[Generated]]:
            of_share = [prompts[i] for i in share], [seeds[i] for i in share]
            return Writing(self._decoder, *of_share, sampling, self.rows // workers).run(self._tell)

        shares = _shares(prompts, seeds, workers)
        for share, written in zip(shares, self._on_workers(workers, write, shares), strict=True):
            for i, completions in zip(share, written, strict=True):
                results[i] = completions
        return results

    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """See `Engine.score`.

        Consecutive prompts with a common prefix share its computation, and a prompt's candidates share the prompt.
        """
        self._check_lengths(
            len(prompt) + max(map(len, continuations), default=0)
            for prompt, continuations in zip(prompts, candidates, strict=True)
        )
        results: list[list[list[float]]] = [[] for _ in prompts]
        workers = self._workers_for(self.rows)
        rows = list(score_rows(prompts, candidates, workers))
        for row, scores in zip(rows, self._on_workers(workers, self._score, rows), strict=True):
            for i, log_probs in zip(row.indices, scores, strict=True):
                results[i] = log_probs
        return results

    def _check_lengths(self, lengths: Iterable[int]) -> None:
        limit = self._decoder.limit
        longest = max(lengths, default=0)
        if limit is not None and longest > limit:
            raise UserError(f"a prompt and its completion have {longest} tokens, this model takes at most {limit}")

    def _workers_for(self, rows: int) -> int:
        return self._workers or max(1, min(self._most_workers, rows // ROWS_A_WORKER))

    def _on_workers(self, workers: int, work: Callable[[Batch], Result], batches: Sequence[Batch]) -> list[Result]:
        """Apply `work` to each batch; results are in the order of the batches."""
        with_grad_off = torch.inference_mode()(work)
        if min(workers, len(batches)) < 2:
            return [with_grad_off(batch) for batch in batches]
        threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(max(1, threads // workers),))
        try:
            return list(pool.map(with_grad_off, batches))
        except BaseException:
            self._stopping = True  # makes the other workers stop at their next token
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            self._stopping = False
            torch.set_num_threads(threads)

    def _tell(self, tokens: int, ended: int) -> None:
        if self._stopping:
            raise RuntimeError("another worker has failed, or the process is stopping")
        with self._progress_lock:
            self._on_written(tokens, ended)

    def _score(self, row: ScoreRow) -> list[list[list[float]]]:
        return row.log_probs(self._decoder.read(row.packed, row.sources))


def _shares(prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], workers: int) -> list[list[int]]:
    """The indices of each worker's prompts, longest first, so that prompts in a batch have similar lengths."""
    by_length = sorted((i for i, samples in enumerate(seeds) if samples), key=lambda i: -len(prompts[i]))
    return [share for worker in range(workers) if (share := by_length[worker::workers])]
