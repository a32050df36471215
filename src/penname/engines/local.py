"""The default engine, on torch and transformers: one prefill a prompt, whatever the number of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

import torch
from transformers import DynamicCache

from penname.engines.base import Generated, OnWritten, Sampling, TokenIds
from penname.engines.models import load_model
from penname.engines.sampling import next_tokens, uniforms
from penname.engines.scoring import ScoreRow, score_rows
from penname.engines.shared_prefix import ATTENTION, SharedPrefixCache
from penname.errors import UserError

Item = TypeVar("Item")
Batch = TypeVar("Batch")
Result = TypeVar("Result")

COMPACT_BELOW = 0.75
"""Finished rows leave the batch once fewer than this share of its rows are still being written."""


class LocalEngine:
    """Generates and scores with a model in this process.

    rows: how many completions are written at once; prompts are taken in their order until that many rows are
    full, so a call's batches, and with them its rounding, depend on the call alone.
    workers: threads that each work on a batch of their own, with an equal share of the processor's cores. Steps of a
    few rows are too small to keep several cores busy together.
    """

    def __init__(
        self,
        model: str | Any,
        dtype: str = "bfloat16",
        rows: int = 64,
        on_written: OnWritten | None = None,
        workers: int | None = None,
    ) -> None:
        self.model = load_model(model, dtype) if isinstance(model, str) else model
        self.workers = workers or (torch.get_num_threads() if self.model.device.type == "cpu" else 1)
        self.model.set_attn_implementation(ATTENTION)
        self.rows = rows
        self._on_written = on_written or (lambda tokens, ended: None)
        self._telling = Lock()

    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[Generated]]:
        """See `Engine.generate`."""
        results: list[list[Generated]] = [[] for _ in prompts]
        batches = self._batches(prompts, seeds)
        written = self._on_workers(
            lambda batch: self._generate([prompts[i] for i in batch], [seeds[i] for i in batch], sampling), batches
        )
        for batch, of_batch in zip(batches, written, strict=True):
            for i, completions in zip(batch, of_batch, strict=True):
                results[i] = completions
        return results

    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """See `Engine.score`; a prompt has two tokens at least.

        Neighbouring prompts that start alike share that start, and a prompt's candidates share the prompt.
        """
        results: list[list[list[float]]] = [[] for _ in prompts]
        rows = list(score_rows(prompts, candidates, self.workers))
        for row, scores in zip(rows, self._on_workers(self._score, rows), strict=True):
            for i, log_probs in zip(row.indices, scores, strict=True):
                results[i] = log_probs
        return results

    def _on_workers(self, work: Callable[[Batch], Result], batches: Sequence[Batch]) -> list[Result]:
        """`work` of each batch, in the order of the batches."""
        with_grad_off = torch.inference_mode()(work)
        if min(self.workers, len(batches)) < 2:
            return [with_grad_off(batch) for batch in batches]
        threads = torch.get_num_threads()
        share = max(1, threads // self.workers)
        try:
            with ThreadPoolExecutor(self.workers, initializer=torch.set_num_threads, initargs=(share,)) as pool:
                return list(pool.map(with_grad_off, batches))
        finally:
            torch.set_num_threads(threads)

    def _batches(self, prompts: Sequence[TokenIds], rows: Sequence[Sequence[Any]]) -> list[list[int]]:
        """Indices of prompts whose rows are written together: the longest prompts first, so little is padded."""
        each = min(self.rows, sum(map(len, rows))) / self.workers
        batches: list[list[int]] = []
        filled = each
        for i in sorted(range(len(prompts)), key=lambda i: -len(prompts[i])):
            if not rows[i]:
                continue
            if filled + len(rows[i]) > each:
                batches.append([])
                filled = 0
            batches[-1].append(i)
            filled += len(rows[i])
        return batches

    def _prefill(self, prompts: Sequence[TokenIds]) -> tuple[SharedPrefixCache, torch.Tensor]:
        """The prompts' keys and values, and the logits (prompts, vocabulary) after each."""
        cache = SharedPrefixCache([len(prompt) for prompt in prompts])
        logits = []
        for index, prompt in enumerate(prompts):
            own = DynamicCache()
            ids = torch.tensor([list(prompt)], device=self.model.device)
            out = self.model(input_ids=ids, past_key_values=own, use_cache=True, logits_to_keep=1)
            logits.append(out.logits[0, -1])
            cache.add_prompt(index, _keys_and_values(own))
        return cache, torch.stack(logits)

    def _forward(self, cache: SharedPrefixCache, ids: torch.Tensor) -> torch.Tensor:
        """Logits (rows, vocabulary) after `ids` (rows,), which follow what the rows hold already."""
        out = self.model(
            input_ids=ids[:, None],
            position_ids=cache.positions[:, None] + cache.used,
            past_key_values=cache,
            use_cache=True,
            shared_prefix=cache,
        )
        cache.advance()
        return out.logits[:, -1]

    def _score(self, row: ScoreRow) -> list[list[list[float]]]:
        device = self.model.device
        out = self.model(
            input_ids=torch.tensor([row.input_ids], device=device),
            position_ids=torch.tensor([row.position_ids], device=device),
            spans=tuple(row.spans),
            logits_to_keep=torch.tensor(row.sources, device=device),
            use_cache=False,
        )
        return row.log_probs(out.logits[0])

    def _generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[Generated]]:
        cache, logits = self._prefill(prompts)
        owners = [prompt for prompt, row in enumerate(seeds) for _ in row]
        cache.open_rows(owners, sampling.max_new_tokens)
        logits = logits[owners]
        draws = uniforms([s for row in seeds for s in row], sampling.max_new_tokens).to(logits.device)
        tokens: list[list[int]] = [[] for _ in owners]
        stopped = [False] * len(owners)
        # rows[i] is the row that place i of the batch writes; None once it has ended.
        rows: list[int | None] = list(range(len(owners)))
        living = list(range(len(rows)))
        for step in range(sampling.max_new_tokens):
            drawn = next_tokens(logits, sampling.temperature, sampling.top_p, draws[:, step])
            for place, token in enumerate(drawn.tolist()):
                row = rows[place]
                if row is None:
                    continue
                if token in sampling.stop_ids:
                    stopped[row], rows[place] = True, None
                else:
                    tokens[row].append(token)
            before, living = living, [place for place, row in enumerate(rows) if row is not None]
            last = step + 1 == sampling.max_new_tokens
            with self._telling:
                self._on_written(len(living), len(before) if last else len(before) - len(living))
            if not living or last:
                break
            if len(living) < COMPACT_BELOW * len(rows):
                cache.keep(living)
                rows = [rows[place] for place in living]
                drawn, draws = drawn[living], draws[living]
                living = list(range(len(rows)))
            logits = self._forward(cache, drawn)
        written = [Generated(ids, "stop" if ended else "length") for ids, ended in zip(tokens, stopped, strict=True)]
        return _by_owner(written, owners)


def _by_owner(items: Sequence[Item], owners: Sequence[int]) -> list[list[Item]]:
    """The rows' items as one list a prompt; `owners` rises."""
    lists: list[list[Item]] = [[] for _ in range(owners[-1] + 1)]
    for item, owner in zip(items, owners, strict=True):
        lists[owner].append(item)
    return lists


def _keys_and_values(cache: DynamicCache) -> list[tuple[torch.Tensor, torch.Tensor]]:
    pairs = [(getattr(layer, "keys", None), getattr(layer, "values", None)) for layer in cache.layers]
    found = [(keys, values) for keys, values in pairs if keys is not None and values is not None]
    if len(found) < len(pairs):
        raise UserError("this model has layers without keys and values, which the local engine does not support")
    return found
