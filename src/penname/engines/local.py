"""The default engine, on torch and transformers: one prefill a prompt, whatever the number of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from penname.engines.base import Generated, Sampling, TokenIds
from penname.engines.models import load_model
from penname.engines.sampling import next_tokens, uniforms
from penname.engines.shared_prefix import ATTENTION, SharedPrefixCache
from penname.errors import UserError

COMPACT_BELOW = 0.75
"""Finished rows leave the batch once fewer than this share of its rows are still being written."""


class LocalEngine:
    """Generates and scores with a model in this process.

    rows: how many completions are written at once; prompts are taken in their order until that many rows are
    full, so a call's batches, and with them its rounding, depend on the call alone.
    """

    def __init__(self, model: str | Any, dtype: str = "bfloat16", rows: int = 64) -> None:
        self.model = load_model(model, dtype) if isinstance(model, str) else model
        self.rows = rows

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[Generated]]:
        """See `Engine.generate`."""
        results: list[list[Generated]] = [[] for _ in prompts]
        # Prompts with the same number of samples are written together, the longest first: little padding.
        order = sorted(range(len(prompts)), key=lambda i: (len(seeds[i]), -len(prompts[i])))
        for batch in self._batches(order, [len(s) for s in seeds]):
            written = self._generate([prompts[i] for i in batch], [seeds[i] for i in batch], sampling)
            for i, completions in zip(batch, written, strict=True):
                results[i] = completions
        return results

    @torch.inference_mode()
    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """See `Engine.score`."""
        order = sorted(range(len(prompts)), key=lambda i: (len(candidates[i]), -len(prompts[i])))
        results: list[list[list[float]]] = [[] for _ in prompts]
        for batch in self._batches(order, [len(c) for c in candidates]):
            scored = self._score([prompts[i] for i in batch], [candidates[i] for i in batch])
            for i, log_probs in zip(batch, scored, strict=True):
                results[i] = log_probs
        return results

    def _batches(self, order: list[int], counts: list[int]) -> list[list[int]]:
        """Split `order` into batches of prompts with equal counts and at most `rows` rows."""
        batches: list[list[int]] = []
        for i in order:
            if counts[i] == 0:
                continue
            last = batches[-1] if batches else []
            if last and counts[last[0]] == counts[i] and (len(last) + 1) * counts[i] <= self.rows:
                last.append(i)
            else:
                batches.append([i])
        return batches

    def _prefill(self, prompts: Sequence[TokenIds]) -> tuple[SharedPrefixCache, torch.Tensor]:
        """The prompts' keys and values, and the logits (prompts, vocabulary) after each."""
        self.model.set_attn_implementation("sdpa")
        cache = SharedPrefixCache([len(prompt) for prompt in prompts])
        logits = []
        for index, prompt in enumerate(prompts):
            own = DynamicCache()
            ids = torch.tensor([list(prompt)], device=self.model.device)
            out = self.model(input_ids=ids, past_key_values=own, use_cache=True, logits_to_keep=1)
            logits.append(out.logits[0, -1])
            cache.add_prompt(index, _keys_and_values(own))
        self.model.set_attn_implementation(ATTENTION)
        return cache, torch.stack(logits)

    def _forward(self, cache: SharedPrefixCache, ids: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Logits after `ids` (rows, new), which follow what the rows hold already."""
        lengths = torch.tensor(cache.lengths, device=ids.device).repeat_interleave(cache.rows)
        positions = lengths[:, None] + cache.used + torch.arange(ids.shape[1], device=ids.device)
        out = self.model(
            input_ids=ids,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            shared_prefix=cache,
            **kwargs,
        )
        cache.advance(ids.shape[1])
        return out.logits

    def _generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[Generated]]:
        rows_a_prompt = len(seeds[0])
        cache, logits = self._prefill(prompts)
        cache.open_rows(rows_a_prompt, sampling.max_new_tokens)
        device = logits.device
        logits = logits.repeat_interleave(rows_a_prompt, dim=0)
        draws = uniforms([s for row in seeds for s in row], sampling.max_new_tokens).to(device)
        tokens: list[list[int]] = [[] for _ in range(len(draws))]
        stopped = [False] * len(tokens)
        # slots[i] is the row that slot i of the batch writes; None once it has ended.
        slots: list[int | None] = list(range(len(tokens)))
        for step in range(sampling.max_new_tokens):
            held = torch.tensor([0 if row is None else row for row in slots], device=device)
            drawn = next_tokens(logits, sampling.temperature, sampling.top_p, draws[held, step])
            for slot, token in enumerate(drawn.tolist()):
                row = slots[slot]
                if row is None:
                    continue
                if token in sampling.stop_ids:
                    stopped[row], slots[slot] = True, None
                else:
                    tokens[row].append(token)
            alive = sum(row is not None for row in slots)
            if alive == 0 or step + 1 == sampling.max_new_tokens:
                break
            if alive < COMPACT_BELOW * len(slots):
                slots, drawn = _compact(cache, slots, drawn)
            logits = self._forward(cache, drawn[:, None])[:, -1]
        written = [Generated(ids, "stop" if ended else "length") for ids, ended in zip(tokens, stopped, strict=True)]
        return [written[i : i + rows_a_prompt] for i in range(0, len(written), rows_a_prompt)]

    def _score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        rows_a_prompt = len(candidates[0])
        cache, first = self._prefill(prompts)
        flat = [list(candidate) for row in candidates for candidate in row]
        longest = max(map(len, flat))
        cache.open_rows(rows_a_prompt, longest)
        # Padding comes after a row's tokens, so nothing that counts can see it.
        padded = torch.tensor([ids + [0] * (longest - len(ids)) for ids in flat], device=first.device)
        logits = first.repeat_interleave(rows_a_prompt, dim=0)[:, None]
        if longest > 1:
            logits = torch.cat([logits, self._forward(cache, padded[:, :-1])], dim=1)
        log_probs = logits.float().log_softmax(-1).gather(-1, padded[..., None])[..., 0].tolist()
        scored = [row[: len(ids)] for row, ids in zip(log_probs, flat, strict=True)]
        return [scored[i : i + rows_a_prompt] for i in range(0, len(scored), rows_a_prompt)]


def _keys_and_values(cache: DynamicCache) -> list[tuple[torch.Tensor, torch.Tensor]]:
    pairs = [(getattr(layer, "keys", None), getattr(layer, "values", None)) for layer in cache.layers]
    found = [(keys, values) for keys, values in pairs if keys is not None and values is not None]
    if len(found) < len(pairs):
        raise UserError("this model has layers without keys and values, which the local engine does not support")
    return found


def _compact(
    cache: SharedPrefixCache, slots: list[int | None], drawn: torch.Tensor
) -> tuple[list[int | None], torch.Tensor]:
    """Drop finished rows and prompts; prompts keep equal numbers of slots, filled up with ended ones."""
    width = cache.rows
    living = {
        group: [i for i in range(group * width, (group + 1) * width) if slots[i] is not None]
        for group in range(len(cache.lengths))
    }
    living = {group: rows for group, rows in living.items() if rows}
    most = max(map(len, living.values()))
    chosen: list[int] = []
    kept: list[int | None] = []
    for rows in living.values():
        spare = most - len(rows)
        chosen += rows + rows[:1] * spare
        kept += [slots[i] for i in rows] + [None] * spare
    index = torch.tensor(chosen, device=drawn.device)
    cache.keep(list(living), index)
    return kept, drawn[index]
