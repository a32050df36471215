"""Pictures of results, to be saved as PNG or SVG or put into a page. matplotlib is imported where one is drawn."""

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
    """An expectation step: rewards of its samples, and how many of each input's were kept."""

    rewards: Sequence[float]
    kept: Sequence[int]


def mean_scores(scores: Mapping[str, Sequence[float]], metric: str) -> Figure:
    """A bar a method: the mean with its 95 % bootstrap interval."""
    figure, axes = _subplots(7, 0.45 * len(scores) + 1.2)
    for place, own in enumerate(scores.values()):
        if not len(own):
            continue
        mean = float(np.mean(own))
        low, high = bootstrap_interval([0.0] * len(own), own, seed=0)
        axes.barh(place, mean, color=COLOURS[0], alpha=0.75)
        axes.plot([low, high], [place, place], color="black", linewidth=1.5)
        end = high if len(own) > 1 else mean
        axes.annotate(f"{mean:.3f}", (end, place), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(scores)), [*map(_plain, scores)])
    axes.invert_yaxis()
    counts = sorted({len(own) for own in scores.values()}) or [0]
    examples = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    axes.set_xlabel(f"mean {metric} of {examples} examples, 95 % bootstrap interval")
    return figure


def curves(values: Mapping[str, Sequence[float | None]], ticks: Sequence[str], labels: tuple[str, str]) -> Figure:
    """A line a method over evenly spaced ticks. labels: of the horizontal and of the vertical axis."""
    figure, axes = _subplots(7, 4)
    for number, (name, own) in enumerate(values.items()):
        heights = [float("nan") if value is None else value for value in own]
        marker = MARKERS[number % len(MARKERS)]
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(range(len(own)), heights, marker=marker, color=colour, label=_plain(name), linewidth=1.5)
    if len(ticks) == 1:  # points alone, on an axis of their own range, look farther apart than they are
        axes.set_ylim(bottom=0)
    axes.set_xticks(range(len(ticks)), [*map(_plain, ticks)])
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def reward_histograms(iterations: Sequence[Iteration], evaluated: Sequence[float]) -> Figure:
    """How the rewards of each iteration's samples are spread, and at last those of the trained model's evaluation."""
    figure, axes = _subplots(7, 3.2)
    bins = [i / 25 for i in range(26)]
    spread = {f"samples of iteration {number}": i.rewards for number, i in enumerate(iterations, start=1)}
    for number, (name, rewards) in enumerate({**spread, "evaluation": evaluated}.items()):
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
    """Of how many inputs so many samples were kept, in each iteration."""
    figure, axes = _subplots(7, 3.2)
    most = max((kept for iteration in iterations for kept in iteration.kept), default=0)
    width = 0.8 / max(1, len(iterations))
    for number, iteration in enumerate(iterations):
        counts = np.bincount(np.asarray(iteration.kept, int), minlength=most + 1)
        places = np.arange(most + 1) + (number - (len(iterations) - 1) / 2) * width
        colour = COLOURS[number % len(COLOURS)]
        axes.bar(places, counts, width, color=colour, alpha=0.8, label=f"iteration {number + 1}")
    axes.set_xticks(range(most + 1))
    axes.set_xlabel("samples kept of an input")
    axes.set_ylabel("inputs")
    axes.legend(frameon=False)
    return figure


def length_against_reward(lengths: Mapping[str, Sequence[int]], rewards: Mapping[str, Sequence[float]]) -> Figure:
    """A point an example of each method: words of its reasoning, and the reward of its response."""
    figure, axes = _subplots(7, 3.6)
    for number, name in enumerate(lengths):
        words, own = np.asarray(lengths[name], float), np.asarray(rewards[name], float)
        label = _plain(name)
        if len(own) > 2 and words.std() > 0 and own.std() > 0:
            label += f" (r = {np.corrcoef(words, own)[0, 1]:.2f})"
        marker, colour = MARKERS[number % len(MARKERS)], COLOURS[number % len(COLOURS)]
        axes.scatter(words, own, s=16, alpha=0.6, marker=marker, color=colour, label=label)
    axes.set_xlabel("words of the reasoning")
    axes.set_ylabel("reward of the response")
    axes.legend(frameon=False)
    return figure


def _plain(name: str) -> str:
    """A name that matplotlib neither reads as mathematics nor leaves out of a legend."""
    shown = name.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def _subplots(width: float, height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """As PNG or SVG, by the path's ending; the same results give the same file."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": path.stem}):
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


def to_inline_svg(figure: Figure, name: str) -> str:
    """An SVG element for a page: no ground of its own, black is the page's colour, scaled to its width.

    name: what a reader who cannot see it is told.
    """
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = re.sub(r' (?:width|height)="[^"]*pt"', "", svg[svg.index("<svg") :].replace("#000000", "currentColor"))
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" fill="currentColor" ', 1)
