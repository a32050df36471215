"""A comparison of methods with tests of their differences, for the terminal, notebooks and Markdown."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from penname.evaluation.formats import to_html, to_markdown
from penname.evaluation.table import render, summary
from penname.experiments.results import results_of, results_over_seeds


@dataclass(frozen=True, repr=False)
class Comparison:
    """Scores of methods, and a paired test for each two of them. It prints as a table, and notebooks display it as one.

    summary: means and tests, see `penname.evaluation.table.summary`.
    names: the displayed names of metrics, where they differ from the keys.
    notes: remarks for readers, such as that a method is not evaluated yet.
    """

    summary: dict[str, Any]
    names: dict[str, Any]
    notes: list[str]

    def to_markdown(self) -> str:
        """The table as Markdown, with its notes as a list."""
        return to_markdown(self.summary, self.names)

    def __str__(self) -> str:
        width = shutil.get_terminal_size((100, 20)).columns
        out = Console(file=io.StringIO(), width=width)
        out.print(render(self.summary, width, self.names))
        lines = [*(f"note: {note}" for note in self.notes), out.file.getvalue()]  # type: ignore[attr-defined]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return to_html(self.summary, self.names, self.notes)


def compare_runs(
    runs: Sequence[Path],
    split: str | None = None,
    profile_sizes: range | None = None,
    *,
    over_seeds: bool = False,
    holm: bool = False,
) -> Comparison:
    """Compare the methods of runs, with a paired test for each two of them.

    runs: their folders.
    split: `val` or `test`; by default each run's evaluation split.
    profile_sizes: keep only examples of users whose number of documents is in this range.
    over_seeds: whether the runs are of one recipe with several seeds, and are averaged.
    holm: whether to correct the tests for multiple comparisons (Holm, 1979).
    """
    correction: Literal["holm"] | None = "holm" if holm else None
    if over_seeds:
        results, names, notes, seeds = results_over_seeds(runs, split, profile_sizes)
        return Comparison(summary(results, correction) | {"seeds": seeds}, names, notes)
    results, names, notes = results_of(runs, split, profile_sizes)
    return Comparison(summary(results, correction), names, notes)
