"""Packed sequences: several texts in one sequence without padding; texts with a common prompt follow one copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from penname.engines.base import TokenIds


@dataclass(frozen=True)
class Span:
    """A prompt in a packed sequence, and the texts after it that continue it.

    start, prompt_end: the prompt's slice of the sequence.
    ends: where each continuing text ends and the next one starts.
    branches: each of those texts ends in several branches with these numbers of tokens (see `causal_attention`).
    """

    start: int
    prompt_end: int
    ends: tuple[int, ...]
    branches: tuple[int, ...] = ()


@dataclass
class PackedSequence:
    """A packed sequence under construction.

    input_ids: token ids of all texts, one after the other.
    position_ids: the position of each token within its text, from 0.
    spans: the prompts and the texts that continue them.
    """

    input_ids: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def add_prompt(self, prompt: TokenIds, branches: tuple[int, ...] = ()) -> int:
        """Add a prompt, which opens a new span, and return the index of its last token.

        prompt: token ids.
        branches: numbers of tokens in the branches of each text that will continue it, see `Span`.
        """
        start = len(self.input_ids)
        self.input_ids += prompt
        self.position_ids += range(len(prompt))
        self.spans.append(Span(start, len(self.input_ids), (), branches))
        return len(self.input_ids) - 1

    def add_text(self, text: TokenIds) -> int:
        """Add a text that shares no prompt with others, and return the index of its last token."""
        last = self.add_prompt(text)
        self.add_continuation([])
        return last

    def add_continuation(self, text: TokenIds, branches: Sequence[TokenIds] = ()) -> range:
        """Add a text that continues the last prompt, and return the indices of its tokens.

        text: token ids.
        branches: token ids of the branches in which the text ends; each begins at the position after `text`.
        """
        span = self.spans[-1]
        start, depth = len(self.input_ids), span.prompt_end - span.start
        self.input_ids += text
        self.position_ids += range(depth, depth + len(text))
        for branch in branches:
            self.input_ids += branch
            self.position_ids += range(depth + len(text), depth + len(text) + len(branch))
        self.spans[-1] = replace(span, ends=(*span.ends, len(self.input_ids)))
        return range(start, len(self.input_ids))

    def model_inputs(self, device: torch.device | str = "cpu") -> dict[str, Any]:
        """The inputs of a model with packed attention: input_ids and position_ids, each (1, tokens), and spans."""
        return {
            "input_ids": torch.tensor([self.input_ids], device=device),
            "position_ids": torch.tensor([self.position_ids], device=device),
            "spans": tuple(self.spans),
        }
