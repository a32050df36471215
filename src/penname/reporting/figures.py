"""Figures of results, to save as PNG or SVG or to put into a page. matplotlib is imported only when one is plotted."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import escape

from penname.evaluation.significance import bootstrap_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#4477aa", "#cc6644", "#228855", "#aa8800", "#aa4488", "#0099aa", "#777777")
MARKERS = "osD^v<>ph*"


@dataclass(frozen=True)
class Iteration:
    """An expectation step (REST-PG, Algorithm 1).

    rewards: the rewards of its samples.
    kept: the number of samples kept for each input.
    """

    rewards: Sequence[float]
    kept: Sequence[int]


def mean_scores(scores: Mapping[str, Sequence[float]], metric: str) -> Figure:
    """A bar for each method: its mean with the 95 % bootstrap interval.

    scores: the scores of each method.
    metric: the displayed name of the metric.
    """
    figure, axes = _subplots(7, 0.45 * len(scores) + 1.2)
    for position, own in enumerate(scores.values()):
        if not len(own):
            continue
        mean = float(np.mean(own))
        low, high = bootstrap_interval([0.0] * len(own), own, seed=0)
        axes.barh(position, mean, color=COLOURS[0], alpha=0.75)
        axes.plot([low, high], [position, position], color="black", linewidth=1.5)
        end = high if len(own) > 1 else mean
        axes.annotate(f"{mean:.3f}", (end, position), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(scores)), [*map(_escape, scores)])
    axes.invert_yaxis()
    counts = sorted({len(own) for own in scores.values()}) or [0]
    examples = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    axes.set_xlabel(f"mean {metric} of {examples} examples, 95 % bootstrap interval")
    return figure


def curves(values: Mapping[str, Sequence[float | None]], ticks: Sequence[str], labels: tuple[str, str]) -> Figure:
    """A line for each method over evenly spaced ticks.

    values: the values of each method, one for each tick; None where there is none.
    ticks: the labels of the ticks.
    labels: the labels of the horizontal and the vertical axis.
    """
    figure, axes = _subplots(7, 4)
    for number, (name, own) in enumerate(values.items()):
        heights = [float("nan") if value is None else value for value in own]
        marker = MARKERS[number % len(MARKERS)]
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(range(len(own)), heights, marker=marker, color=colour, label=_escape(name), linewidth=1.5)
    if len(ticks) == 1:  # single points on an axis of their own range look more different than they are
        axes.set_ylim(bottom=0)
    axes.set_xticks(range(len(ticks)), [*map(_escape, ticks)])
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def reward_histograms(iterations: Sequence[Iteration], evaluated: Sequence[float]) -> Figure:
    """Histograms of the rewards of each iteration's samples, and of the trained model's evaluation.

    iterations: the expectation steps.
    evaluated: the rewards in the evaluation.
    """
    figure, axes = _subplots(7, 3.2)
    bins = [i / 25 for i in range(26)]
    samples = {f"samples of iteration {number}": i.rewards for number, i in enumerate(iterations, start=1)}
    for number, (name, rewards) in enumerate({**samples, "evaluation": evaluated}.items()):
        if rewards:
            label, style = f"{name}, mean {np.mean(rewards):.3f}", "--" if name == "evaluation" else "-"
            colour = COLOURS[number % len(COLOURS)]
            axes.hist(
                rewards, bins, density=True, histtype="step", linewidth=1.8, linestyle=style, color=colour, label=label
            )
    axes.set_xlabel("reward of a sample")
    axes.set_ylabel("density")
    axes.legend(frameon=False)
    return figure


def kept_per_input(iterations: Sequence[Iteration]) -> Figure:
    """A histogram of the number of samples kept for an input, for each iteration.

    iterations: the expectation steps.
    """
    figure, axes = _subplots(7, 3.2)
    max_kept = max((kept for iteration in iterations for kept in iteration.kept), default=0)
    width = 0.8 / max(1, len(iterations))
    for number, iteration in enumerate(iterations):
        counts = np.bincount(np.asarray(iteration.kept, int), minlength=max_kept + 1)
        positions = np.arange(max_kept + 1) + (number - (len(iterations) - 1) / 2) * width
        colour = COLOURS[number % len(COLOURS)]
        axes.bar(positions, counts, width, color=colour, alpha=0.8, label=f"iteration {number + 1}")
    axes.set_xticks(range(max_kept + 1))
    axes.set_xlabel("samples kept for an input")
    axes.set_ylabel("inputs")
    axes.legend(frameon=False)
    return figure


def length_against_reward(lengths: Mapping[str, Sequence[int]], rewards: Mapping[str, Sequence[float]]) -> Figure:
    """A point for each example of each method: the length of its reasoning and the reward of its response.

    lengths: the lengths of reasonings in words, by method.
    rewards: the rewards of the same examples, by method.
    """
    figure, axes = _subplots(7, 3.6)
    for number, name in enumerate(lengths):
        words, own = np.asarray(lengths[name], float), np.asarray(rewards[name], float)
        label = _escape(name)
        if len(own) > 2 and words.std() > 0 and own.std() > 0:
            label += f" (r = {np.corrcoef(words, own)[0, 1]:.2f})"
        marker, colour = MARKERS[number % len(MARKERS)], COLOURS[number % len(COLOURS)]
        axes.scatter(words, own, s=16, alpha=0.6, marker=marker, color=colour, label=label)
    axes.set_xlabel("words of the reasoning")
    axes.set_ylabel("reward of the response")
    axes.legend(frameon=False)
    return figure


def _escape(name: str) -> str:
    """A name escaped so that matplotlib neither parses it as mathematics nor drops it from a legend."""
    shown = name.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def _subplots(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Save a figure as PNG or SVG, by the ending of the path; equal figures give equal files."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


def to_inline_svg(figure: Figure, name: str) -> str:
    """A figure as an SVG element for a page: transparent, with the page's text colour for black, scaled to its width.

    figure: the figure.
    name: the label for screen readers.
    """
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = re.sub(r' (?:width|height)="[^"]*pt"', "", svg[svg.index("<svg") :].replace("#000000", "currentColor"))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" fill="currentColor" ', 1)
