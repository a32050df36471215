"""The table of a summary, and its tests, in the formats of other programs: Markdown, LaTeX, CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from penname.evaluation.table import Cell, names_of, notes_of, sections

_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
)


def to_markdown(summary: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """The table of :func:`penname.evaluation.table.render`, one a section, then the notes as a list."""
    names, methods = names_of(summary, names), summary["methods"]
    blocks = []
    for section in sections(summary, names):
        if section.title:
            blocks.append(f"**{_escape(section.title)}**")
        headings = ["", "Method", *(heading for heading, _ in section.columns), "n"]
        lines = [headings, ["---"] * len(headings)]
        for number, (name, entry) in enumerate(methods.items()):
            lines.append(
                [str(number + 1), name, *(cells[number].text for _, cells in section.columns), str(entry["n"])]
            )
        blocks.append("\n".join(f"| {' | '.join(map(_escape, line))} |" for line in lines))
    blocks.append("\n".join(f"- {_escape(note)}" for note in notes_of(summary, names)))
    return "\n\n".join(blocks) + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def to_latex(summary: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """The same for LaTeX with booktabs: one tabular a section, each column's best value in bold, notes as comments."""
    names, methods = names_of(summary, names), summary["methods"]
    blocks = []
    for section in sections(summary, names):
        best = [max((c.value for c in cells if c.value is not None), default=None) for _, cells in section.columns]
        lines = [f"% {section.title}"] if section.title else []
        lines += [f"\\begin{{tabular}}{{rl{'l' * len(section.columns)}r}}", "\\toprule"]
        headings = ["", "Method", *(heading for heading, _ in section.columns), "n"]
        lines += [" & ".join(heading.translate(_LATEX) for heading in headings) + " \\\\", "\\midrule"]
        for number, (name, entry) in enumerate(methods.items()):
            cells = [_latex(cells[number], top) for (_, cells), top in zip(section.columns, best, strict=True)]
            lines.append(" & ".join([str(number + 1), name.translate(_LATEX), *cells, str(entry["n"])]) + " \\\\")
        blocks.append("\n".join([*lines, "\\bottomrule", "\\end{tabular}"]))
    blocks.append("\n".join(f"% {note}" for note in notes_of(summary, names)))
    return "\n\n".join(blocks) + "\n"


def _latex(cell: Cell, best: float | None) -> str:
    if cell.value is None:
        return "--"
    value = f"{cell.value:.4f}"
    marks = f"$^{{{','.join(map(str, cell.beaten))}}}$" if cell.beaten else ""
    return (f"\\textbf{{{value}}}" if cell.value == best else value) + marks


def means_to_csv(summary: Mapping[str, Any]) -> str:
    """A line for each method, task and metric; the task `average` is the macro average."""
    lines: list[list[Any]] = [["method", "task", "metric", "mean", "n"]]
    for method, entry in summary["methods"].items():
        by_task = entry.get("tasks", {}) | {"average": {k: v for k, v in entry.items() if isinstance(v, float | None)}}
        for task, means in by_task.items():
            n = entry["n"] if task == "average" else ""
            lines += [[method, task, metric, mean, n] for metric, mean in means.items()]
    return _csv(lines)


def comparisons_to_csv(summary: Mapping[str, Any]) -> str:
    """A line for each pair of methods, task and metric; the task `all` pools the examples of all tasks."""
    fields = ("a", "b", "metric", "n", "difference", "p", "p_corrected", "effect", "detectable")
    lines: list[list[Any]] = [["task", *fields, "low", "high"]]
    for test in [*summary["tests"], *summary.get("task_tests", [])]:
        lines.append([test.get("task", "all"), *(test.get(field) for field in fields), *test["interval"]])
    return _csv(lines)


def _csv(lines: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
