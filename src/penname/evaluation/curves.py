"""Curves of a metric over a setting, a line a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def draw_curves(
    curves: Mapping[str, Sequence[float | None]], ticks: Sequence[str], labels: tuple[str, str], path: Path
) -> None:
    """A picture (PNG or SVG, by the path's ending) of a line a method over evenly spaced ticks.

    labels: of the horizontal and of the vertical axis.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, (name, values) in enumerate(curves.items()):
        heights = [float("nan") if value is None else value for value in values]
        axes.plot(range(len(ticks)), heights, marker="osD^v<>ph*"[number % 10], label=name, linewidth=1.5)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
