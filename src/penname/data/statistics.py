"""Data set statistics in the columns of the REST-PG paper's Table 2, with the share of zero-history users."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penname.control_tokens import WELL_KNOWN
from penname.data.records import Example
from penname.words import split_words


def texts_with_control_tokens(example: Example) -> int:
    """The number of an example's texts that hold a control token of a widespread chat model, such as `<|im_end|>`."""
    texts = (example.input, example.output or "", *(document.text for document in example.profile))
    return sum(WELL_KNOWN.search(text) is not None for text in texts)


@dataclass
class SplitStatistics:
    """Lengths of a split's examples, in words (see `penname.words`), and sizes of their profiles, in documents.

    input_words, output_words, profile_size: a value for each example.
    largest_profile: the largest profile that any example of the user has.
    """

    input_words: array[int] = field(default_factory=lambda: array("q"))
    output_words: array[int] = field(default_factory=lambda: array("q"))
    profile_size: array[int] = field(default_factory=lambda: array("q"))
    largest_profile: dict[str, int] = field(default_factory=dict)

    @property
    def examples(self) -> int:
        """Number of examples."""
        return len(self.input_words)

    def add(self, example: Example) -> None:
        """Count an example."""
        self.input_words.append(len(split_words(example.input)))
        self.output_words.append(len(split_words(example.output or "")))
        self.profile_size.append(len(example.profile))
        self.largest_profile[example.user_id] = max(self.largest_profile.get(example.user_id, 0), len(example.profile))

    def columns(self) -> Mapping[str, array[int]]:
        """The values of each column, one for each example."""
        return {
            "input_words": self.input_words,
            "output_words": self.output_words,
            "profile_size": self.profile_size,
        }

    def summary(self) -> dict[str, Any]:
        """Counts, each column's [mean, standard deviation], and the share of zero-history users, ready for JSON."""
        means = {
            name: [round(float(np.mean(values)), 4), round(float(np.std(values)), 4)] if values else [0.0, 0.0]
            for name, values in self.columns().items()
        }
        zero_history = sum(size == 0 for size in self.largest_profile.values())
        return {
            "examples": self.examples,
            "users": len(self.largest_profile),
            **means,
            "no_history": round(zero_history / len(self.largest_profile), 4) if self.largest_profile else 0.0,
        }


def statistics_of(examples: Iterable[Example]) -> SplitStatistics:
    """The statistics of a split's examples."""
    statistics = SplitStatistics()
    for example in examples:
        statistics.add(example)
    return statistics
