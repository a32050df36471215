"""Continuous batching: finished completions leave the batch, queued prompts join it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from penname.engines.base import GeneratedTokens, OnWritten, Sampling, TokenIds
from penname.engines.batch import Batch, Completion, completions_of
from penname.engines.decoders import Decoder

REFILL_BELOW = 0.5
"""Queued prompts join once the completions in progress are at most this share of the batch size, and the prompts fit.
"""


class ContinuousBatching:
    """Generates completions of prompts with continuous batching.

    decoder: the model.
    prompts: token ids.
    seeds: a random seed for each completion of each prompt.
    sampling: how completions are sampled.
    batch_size: number of completions generated together; larger where one prompt has more.

    The batches follow from the arguments alone, so a resumed run gives the same texts.
    """

    def __init__(
        self,
        decoder: Decoder,
        prompts: Sequence[TokenIds],
        seeds: Sequence[Sequence[int]],
        sampling: Sampling,
        batch_size: int,
    ) -> None:
        self._completions = [
            completions_of(prompt, of_prompt, sampling) for prompt, of_prompt in zip(prompts, seeds, strict=True)
        ]
        self._batch_size = min(max(batch_size, *map(len, seeds)), sum(map(len, seeds)))
        self._queue = deque(self._completions)
        self._batch = Batch(decoder, self._batch_size, sampling.max_new_tokens)

    def run(self, on_written: OnWritten) -> list[list[GeneratedTokens]]:
        """The completions of each prompt.

        on_written: progress callback.
        """
        while True:
            in_progress = self._batch.in_progress
            joining = self._joining(self._batch_size - in_progress)
            if not in_progress and not joining:
                return [[completion.generated() for completion in of_prompt] for of_prompt in self._completions]
            step = self._batch.step(joining)
            on_written(step.appended, step.finished)

    def _joining(self, free: int) -> list[list[Completion]]:
        """As many queued prompts as fit, once enough of the batch is free.

        free: how many completions more the batch has room for.
        """
        joining: list[list[Completion]] = []
        if self._batch_size - free <= REFILL_BELOW * self._batch_size:
            while self._queue and len(self._queue[0]) <= free:
                joining.append(self._queue.popleft())
                free -= len(joining[-1])
        return joining
