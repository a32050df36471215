"""Data set statistics in the columns of the REST-PG paper's Table 2, with the share of users without history."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penname.data.records import Example


@dataclass
class SplitStatistics:
    """Lengths of a split's examples, in words separated by white space, and sizes of their profiles, in documents."""

    input_words: array[int] = field(default_factory=lambda: array("q"))
    output_words: array[int] = field(default_factory=lambda: array("q"))
    profile_size: array[int] = field(default_factory=lambda: array("q"))
    history: dict[str, int] = field(default_factory=dict)

    @property
    def examples(self) -> int:
        return len(self.input_words)

    def add(self, example: Example) -> None:
        self.input_words.append(len(example.input.split()))
        self.output_words.append(len((example.output or "").split()))
        self.profile_size.append(len(example.profile))
        self.history[example.user_id] = max(self.history.get(example.user_id, 0), len(example.profile))

    def columns(self) -> Mapping[str, array[int]]:
        return {
            "input_words": self.input_words,
            "output_words": self.output_words,
            "profile_size": self.profile_size,
        }

    def summary(self) -> dict[str, Any]:
        """Counts, the columns' [mean, standard deviation], and the share of users without documents."""
        means = {
            name: [round(float(np.mean(values)), 4), round(float(np.std(values)), 4)] if values else [0.0, 0.0]
            for name, values in self.columns().items()
        }
        without = sum(size == 0 for size in self.history.values())
        return {
            "examples": self.examples,
            "users": len(self.history),
            **means,
            "no_history": round(without / len(self.history), 4) if self.history else 0.0,
        }


def statistics_of(examples: Iterable[Example]) -> SplitStatistics:
    statistics = SplitStatistics()
    for example in examples:
        statistics.add(example)
    return statistics
