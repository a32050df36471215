"""The table of a summary and its tests as Markdown, HTML, LaTeX and CSV."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

from penname.evaluation.table import Cell, Section, names_of, notes_of, sections

_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"}
)


def to_files(summary: Mapping[str, Any], names: Mapping[str, str] | None = None) -> dict[str, str]:
    """The table and its tests in all formats, by file name.

    summary: see :func:`penname.evaluation.table.summary`.
    names: the displayed name of each metric; see :func:`penname.evaluation.table.render`.
    """
    return {
        "table.md": to_markdown(summary, names),
        "table.tex": to_latex(summary, names),
        "means.csv": means_to_csv(summary),
        "tests.csv": comparisons_to_csv(summary),
    }


def to_markdown(summary: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """The tables of :func:`penname.evaluation.table.render` in Markdown, one per section, then the notes as a list.

    summary, names: see `to_files`.
    """
    names, methods = names_of(summary, names), summary["methods"]
    blocks = []
    for section in sections(summary, names):
        if section.title:
            blocks.append(f"**{_escape(section.title)}**")
        headings, *rows = _lines(section, methods)
        lines = [headings, ["---"] * len(headings), *rows]
        blocks.append("\n".join(f"| {' | '.join(map(_escape, line))} |" for line in lines))
    blocks.append("\n".join(f"- {_escape(note)}" for note in notes_of(summary, names)))
    return "\n\n".join(blocks) + "\n"


def to_html(summary: Mapping[str, Any], names: Mapping[str, str] | None = None, notes: Sequence[str] = ()) -> str:
    """The tables and notes in plain HTML, for a notebook.

    summary, names: see `to_files`.
    notes: further notes, shown before those of the table.
    """
    names, methods = names_of(summary, names), summary["methods"]
    blocks = []
    for section in sections(summary, names):
        headings, *rows = _lines(section, methods)
        caption = f"<caption>{html.escape(section.title)}</caption>" if section.title else ""
        head = "".join(f"<th>{html.escape(heading)}</th>" for heading in headings)
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        blocks.append(f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    items = "".join(f"<li>{html.escape(_line(note))}</li>" for note in [*notes, *notes_of(summary, names)])
    return "".join(blocks) + f"<ul>{items}</ul>"


def _lines(section: Section, methods: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The cells of a section as text: the headings, then a row for each method."""
    rows = [
        [str(number + 1), name, *(cells[number].text for _, cells in section.columns), str(entry["n"])]
        for number, (name, entry) in enumerate(methods.items())
    ]
    return [["", "Method", *(heading for heading, _ in section.columns), "n"], *rows]


def _escape(text: str) -> str:
    return _line(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _line(text: str) -> str:
    return " ".join(text.split())


def to_latex(summary: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """The tables in LaTeX with booktabs: a tabular for each section, the best values in bold, the notes as comments.

    summary, names: see `to_files`.
    """
    names, methods = names_of(summary, names), summary["methods"]
    blocks = []
    for section in sections(summary, names):
        best = [max((c.value for c in cells if c.value is not None), default=None) for _, cells in section.columns]
        lines = [f"% {_line(section.title)}"] if section.title else []
        lines += [f"\\begin{{tabular}}{{rl{'l' * len(section.columns)}r}}", "\\toprule"]
        headings, *rows = [[_line(text).translate(_LATEX) for text in line] for line in _lines(section, methods)]
        lines += [" & ".join(headings) + " \\\\", "\\midrule"]
        for index, (number, name, *_, n) in enumerate(rows):
            cells = [_latex(cells[index], top) for (_, cells), top in zip(section.columns, best, strict=True)]
            lines.append(" & ".join([number, name, *cells, n]) + " \\\\")
        blocks.append("\n".join([*lines, "\\bottomrule", "\\end{tabular}"]))
    blocks.append("\n".join(f"% {_line(note)}" for note in notes_of(summary, names)))
    return "\n\n".join(blocks) + "\n"


def _latex(cell: Cell, best: float | None) -> str:
    if cell.value is None:
        return "--"
    value = f"{cell.value:.4f}"
    marks = f"$^{{{','.join(map(str, cell.beaten))}}}$" if cell.beaten else ""
    return (f"\\textbf{{{value}}}" if cell.value == best else value) + marks


def means_to_csv(summary: Mapping[str, Any]) -> str:
    """CSV with a line for each method, task and metric and the number of examples; an empty task is the macro average.

    summary: see `to_files`.
    """
    lines: list[list[Any]] = [["method", "task", "metric", "mean", "n"]]
    for method, entry in summary["methods"].items():
        averages = {key: value for key, value in entry.items() if isinstance(value, float | None)}
        lines += [[method, "", metric, mean, entry["n"]] for metric, mean in averages.items()]
        for task, means in entry.get("tasks", {}).items():
            lines += [[method, task, metric, mean, entry["task_n"][task]] for metric, mean in means.items()]
    return _csv(lines)


def comparisons_to_csv(summary: Mapping[str, Any]) -> str:
    """CSV with a line for each pair of methods, task and metric; an empty task stands for the examples of all tasks.

    summary: see `to_files`.
    """
    fields = ("a", "b", "metric", "n", "difference", "p", "p_corrected", "effect", "detectable")
    lines: list[list[Any]] = [["task", *fields, "low", "high"]]
    for test in [*summary["tests"], *summary.get("task_tests", [])]:
        lines.append([test.get("task", ""), *(test.get(field) for field in fields), *test["interval"]])
    return _csv(lines)


def _csv(lines: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[_no_formula(cell) for cell in line] for line in lines])
    return text.getvalue()


def _no_formula(cell: Any) -> Any:
    """The cell, marked as text where a spreadsheet would take it for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@")) else cell
