"""Tables for pages: the means of methods, and the tests of their differences, as rows of cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penname.evaluation.table import sections


@dataclass(frozen=True)
class PageCell:
    """A cell of a table. marks: superscripts."""

    text: str
    marks: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table of a page."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[PageCell]]


def main_tables(summary: Mapping[str, Any], names: Mapping[str, str]) -> list[PageTable]:
    """The tables that `penname compare` prints.

    summary: see `penname.evaluation.table.summary`.
    names: the displayed name of each metric, see `penname.evaluation.table.names_of`.
    """
    found = []
    for section in sections(summary, names):
        rows = []
        for number, (name, entry) in enumerate(summary["methods"].items()):
            cells = [cells[number] for _, cells in section.columns]
            values = [
                PageCell("–" if c.value is None else f"{c.value:.4f}", ", ".join(map(str, c.beaten))) for c in cells
            ]
            rows.append([PageCell(str(number + 1)), PageCell(name), *values, PageCell(str(entry["n"]))])
        found.append(PageTable(section.title, ["", "Method", *(heading for heading, _ in section.columns), "n"], rows))
    return found


def table_of_tests(summary: Mapping[str, Any], names: Mapping[str, str], metric: str) -> PageTable:
    """The tests in one metric, over the examples of all tasks.

    summary, names: see `main_tables`.
    metric: the metric's key.
    """
    own = [test for test in summary["tests"] if test["metric"] == metric]
    corrected = ["p (Holm)"] if any("p_corrected" in test for test in own) else []
    rows = []
    for test in own:
        low, high = (_signed(end) for end in test["interval"])
        numbers = [_signed(test["difference"]), f"{low} to {high}", small(test["p"])]
        numbers += [small(test["p_corrected"])] if corrected else []
        numbers += [_signed(test["effect"], 2), str(test["n"])]
        rows.append([PageCell(test["b"]), PageCell(test["a"]), *map(PageCell, numbers)])
    headings = ["Method", "minus", "difference", "95 % interval", "p", *corrected, "d", "n"]
    return PageTable(f"Differences in {names[metric]}", headings, rows)


def _signed(number: float | None, digits: int = 4) -> str:
    return "–" if number is None else f"{number:+.{digits}f}"


def small(p: float | None) -> str:
    """A p-value with two digits."""
    return "–" if p is None or math.isnan(p) else f"{p:.2g}"
