"""Histograms of counts, as lines of text and as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from penname.extras import require

# matplotlib takes a while to import, so it is imported only when a figure is plotted.

BLOCKS = " ▏▎▍▌▋▊▉█"


def bins_of(values: Sequence[int], count: int = 10) -> tuple[list[int], list[int]]:
    """The edges (one more than bins) and the counts of bins; the last bin includes all above the 99th percentile.

    values: the values, at least one.
    count: the number of bins, about.
    """
    array = np.asarray(values)
    low, high = int(array.min()), int(np.ceil(np.percentile(array, 99)))
    width = max(1, -(-(high - low + 1) // count))
    edges = [low + i * width for i in range((high - low) // width + 2)]
    counts, _ = np.histogram(np.minimum(array, edges[-1] - 1), edges)
    return edges, counts.tolist()


def counts_by_range(values: Sequence[int]) -> list[tuple[str, int]]:
    """Names of ranges of numbers, and how many of the values are in each; none without values."""
    if not values:
        return []
    edges, counts = bins_of(values)
    names = [f"{low:,}" if high - low == 1 else f"{low:,} to {high - 1:,}" for low, high in pairwise(edges)]
    if max(values) >= edges[-1]:
        names[-1] = f"{edges[-2]:,} or more"
    return list(zip(names, counts, strict=True))


def to_text(values: Sequence[int], width: int = 40) -> list[str]:
    """A line for each bin: its range, a bar and its count.

    values: the values, at least one.
    width: the length of the longest bar, in characters.
    """
    ranges = counts_by_range(values)
    label_width = max(len(name) for name, _ in ranges)
    most = max(count for _, count in ranges)
    return [f"{name:>{label_width}} {_bar(count / most * width)} {count:,}" for name, count in ranges]


def _bar(length: float) -> str:
    eighths = round(length * 8)
    return BLOCKS[-1] * (eighths // 8) + BLOCKS[eighths % 8].strip()


def save_histograms(columns: Mapping[str, Sequence[int]], title: str, path: Path) -> None:
    """Save a figure with a histogram for each column, side by side.

    columns: the values of each column, by name.
    title: the title of the figure.
    path: the PNG file to write.

    Raises UserError where the extra `plots` is not installed.
    """
    require("plots", "a picture of histograms")
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(columns), figsize=(4 * len(columns), 3), layout="constrained", squeeze=False)
    for axis, (name, values) in zip(axes[0], columns.items(), strict=True):
        edges, counts = bins_of(values)
        axis.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color="#3b6ea5", edgecolor="white")
        axis.set_xlabel(name)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("examples")
    figure.suptitle(title)
    figure.savefig(path, dpi=120)
    plt.close(figure)
