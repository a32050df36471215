"""Keys and values of what all prompts of a method begin with, so that they are computed once, not for each prompt.

An opening is a prompt template's own text in front of all that differs between requests: it has no user's words, and
how soon a prompt is computed tells nothing of other users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from penname.engines.attention import causal_attention
from penname.engines.base import TokenIds
from penname.engines.packed_sequence import PackedSequence, Span


@dataclass(frozen=True)
class Opening:
    """What prompts begin with.

    keys, values: of each layer, (1, key heads, tokens, dim).
    """

    tokens: tuple[int, ...]
    keys: Sequence[torch.Tensor]
    values: Sequence[torch.Tensor]

    def begins(self, prompt: TokenIds) -> bool:
        """Whether a prompt goes on behind it."""
        return len(prompt) > len(self.tokens) and tuple(prompt[: len(self.tokens)]) == self.tokens


class KeptLayers:
    """Receives the keys and values of one text, as a `SharedPrefixCache` does those of prompts."""

    def __init__(self) -> None:
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    def store_prompts(self, keys: torch.Tensor, values: torch.Tensor, layer: int) -> None:
        """Keep a layer's."""
        self.keys.append(keys.clone())
        self.values.append(values.clone())


class OpenedPrompts:
    """Packed prompts, some of which go on behind an opening whose tokens are left out of the computation.

    packed: the prompts, whole.
    openings: those that there are.

    computed: the places in the packed sequence of the tokens that are computed.
    """

    def __init__(self, packed: PackedSequence, openings: Sequence[Opening]) -> None:
        self._spans = packed.spans
        self._openings = [_longest(packed.input_ids[span.start : span.prompt_end], openings) for span in packed.spans]
        self._lengths = [
            span.prompt_end - span.start - (len(opening.tokens) if opening else 0)
            for span, opening in zip(self._spans, self._openings, strict=True)
        ]
        self.computed = [
            place
            for span, length in zip(self._spans, self._lengths, strict=True)
            for place in range(span.prompt_end - length, span.prompt_end)
        ]

    def whole(self, keys: torch.Tensor, values: torch.Tensor, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The keys and values of the prompts with their openings. keys, values: of what is computed of them."""
        openings = self._openings
        return (
            self._joined(keys, [None if opening is None else opening.keys[layer] for opening in openings]),
            self._joined(values, [None if opening is None else opening.values[layer] for opening in openings]),
        )

    def _joined(self, computed: torch.Tensor, opened: Sequence[torch.Tensor | None]) -> torch.Tensor:
        parts = computed.split(self._lengths, dim=2)
        both = [part for pair in zip(opened, parts, strict=True) for part in pair if part is not None]
        return torch.cat(both, dim=2)

    def attend(self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Attention of what is computed over the whole prompts; returns (1, tokens, heads, dim).

        query: (1, heads, tokens, dim), scaled already.
        """
        queries = query.split(self._lengths, dim=2)
        parts = [
            causal_attention(of_prompt, keys[:, :, _slice(span)], values[:, :, _slice(span)], 1.0)
            for of_prompt, span in zip(queries, self._spans, strict=True)
        ]
        return torch.cat(parts, dim=2).transpose(1, 2).contiguous()


def _longest(prompt: TokenIds, openings: Sequence[Opening]) -> Opening | None:
    fitting = [opening for opening in openings if opening.begins(prompt)]
    return max(fitting, key=lambda opening: len(opening.tokens), default=None)


def _slice(span: Span) -> slice:
    return slice(span.start, span.prompt_end)
