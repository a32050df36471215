"""`penname.engines.repetition` inside vLLM, whose own penalty includes the prompt and which has no n-gram blocking.

vLLM loads the class in its engine process by the name `PROCESSOR`; a request enables it in its `extra_args`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor

from penname.engines.repetition import CompletionTokens, discourage_repetition


class RepetitionProcessor(AdapterLogitsProcessor):
    """Applies `repetition_penalty` and `no_repeat_ngram` of a request's `extra_args` to its completion."""

    def is_argmax_invariant(self) -> bool:
        """Whether it never changes the most probable token: no."""
        return False

    def new_req_logits_processor(self, params: Any) -> Callable[[list[int], torch.Tensor], torch.Tensor] | None:
        """The logits processor of a new request; None where the request does not enable one.

        params: vLLM's sampling parameters of the request.
        """
        settings = params.extra_args or {}
        if "no_repeat_ngram" not in settings:
            return None
        return _Request(settings["no_repeat_ngram"], settings["repetition_penalty"])


class _Request:
    def __init__(self, no_repeat_ngram: int, penalty: float) -> None:
        self._written = CompletionTokens(no_repeat_ngram)
        self._penalty = penalty

    def __call__(self, output_ids: list[int], logits: torch.Tensor) -> torch.Tensor:
        """The logits, (vocabulary,), with repetition discouraged.

        output_ids: the completion's tokens so far.
        """
        for token in output_ids[len(self._written.tokens) :]:
            self._written.add(token)
        return discourage_repetition(logits[None], [self._written], self._penalty)[0]
