"""Histograms of counts, as lines of text and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

# matplotlib is imported where a picture is drawn: it takes a while.

BLOCKS = " ▏▎▍▌▋▊▉█"


def bins_of(values: Sequence[int], count: int = 10) -> tuple[list[int], list[int]]:
    """Edges (one more than bins) and counts; the last bin takes all above the 99th percentile."""
    array = np.asarray(values)
    low, high = int(array.min()), int(np.ceil(np.percentile(array, 99)))
    width = max(1, -(-(high - low + 1) // count))
    edges = [low + i * width for i in range((high - low) // width + 2)]
    counts, _ = np.histogram(np.minimum(array, edges[-1] - 1), edges)
    return edges, counts.tolist()


def to_text(values: Sequence[int], width: int = 40) -> list[str]:
    """A line a bin: its range, a bar and its count."""
    edges, counts = bins_of(values)
    last = len(counts) - 1
    names = [
        f"{low} or more"
        if i == last and max(values) >= high
        else f"{low}"
        if high - low == 1
        else f"{low} to {high - 1}"
        for i, (low, high) in enumerate(pairwise(edges))
    ]
    room = max(map(len, names))
    return [
        f"{name:>{room}} {_bar(count / max(counts) * width)} {count:,}"
        for name, count in zip(names, counts, strict=True)
    ]


def _bar(length: float) -> str:
    eighths = round(length * 8)
    return BLOCKS[-1] * (eighths // 8) + BLOCKS[eighths % 8].strip()


def draw(columns: Mapping[str, Sequence[int]], title: str, path: Path) -> None:
    """A PNG with a histogram a column, side by side."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(columns), figsize=(4 * len(columns), 3), layout="constrained", squeeze=False)
    for place, (name, values) in zip(axes[0], columns.items(), strict=True):
        edges, counts = bins_of(values)
        place.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color="#3b6ea5", edgecolor="white")
        place.set_xlabel(name)
        place.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("examples")
    figure.suptitle(title)
    figure.savefig(path, dpi=120)
    plt.close(figure)
