"""Makes a paper's table of per-example metrics: means, paired tests, and marks for significant differences.

Higher values of a metric are better. A value of None or NaN (a judge that failed) is missing: it is excluded from the
means and from the tests, and counted.
"""

from __future__ import annotations

import math
import statistics
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, TypedDict

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from penname.evaluation.significance import ALPHA, bootstrap_interval, holm, paired_t_test
from penname.rewards.meteor import meteor_name

MIN_PAIRS = 30
"""Number of pairs below which a table warns of its tests' low power."""
Correction = Literal["holm"]
_FIRST_METRICS = ("reward", "rouge1", "rougeL", "meteor")
_RESERVED = {"n", "missing", "tasks", "task_n"}
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_METHOD_WIDTH = 12
_HEADING_WIDTH = 12


class Scored(TypedDict):
    """One method's scores on one example: its task, and the value of each metric, None where it is missing."""

    task: str
    metrics: Mapping[str, float | None]


Results = Mapping[str, Mapping[str, Scored]]
"""The scores by method and by example id."""


def summary(results: Results, correction: Correction | None = None) -> dict[str, Any]:
    """The means of every method and the tests of every pair of methods, ready for JSON.

    ``{"methods": {NAME: {METRIC: mean, ..., "n": examples}},
    "tests": [{"a", "b", "metric", "n", "difference", "interval", "p", "effect", "detectable"}, ...]}``

    A mean over several tasks is the macro average, the mean of the tasks' means. A test is two-tailed and
    paired, over the n examples of all tasks that both methods have; difference is mean(b) - mean(a) over these.
    It is None without pairs, and p is None below two pairs. interval is the difference's 95 % bootstrap interval;
    effect and detectable are as in :class:`penname.evaluation.significance.TTest`, None where they are not finite.

    results: the scores of each method on each example.
    correction: adds ``"p_corrected"`` to each test, corrected for the comparisons of all pairs of methods in one
        metric, over all tasks or within one: one column of the table.

    Some fields are optional: a method's ``"missing": {METRIC: count}`` where values are missing; with several tasks a
    method's ``"tasks": {TASK: {METRIC: mean}}`` and ``"task_n": {TASK: examples}``, and ``"task_tests"``: tests with
    their ``"task"``, over its examples only.

    Raises ValueError for a metric named like one of these fields.
    """
    metrics, tasks = _metrics(results), _tasks_of(results)
    summarized: dict[str, Any] = {
        "methods": averages(results),
        "tests": _tests(results, metrics, correction),
    }
    if len(tasks) > 1:
        summarized["task_tests"] = [
            {"task": task, **test} for task in tasks for test in _tests(_only(results, task), metrics, correction)
        ]
    return summarized


def averages(results: Results) -> dict[str, dict[str, Any]]:
    """The averages of each method: the ``"methods"`` of :func:`summary`."""
    metrics, multiple_tasks = _metrics(results), len(_tasks_of(results)) > 1
    return {name: _means(list(examples.values()), metrics, multiple_tasks) for name, examples in results.items()}


def _tasks_of(results: Results) -> list[str]:
    return list(dict.fromkeys(example["task"] for examples in results.values() for example in examples.values()))


def _metrics(results: Results) -> list[str]:
    """The names of all metrics: the usual ones first, then others in order of appearance."""
    names = dict.fromkeys(
        metric for examples in results.values() for example in examples.values() for metric in example["metrics"]
    )
    if reserved := _RESERVED & names.keys():
        raise ValueError(f"found a metric named {min(reserved)!r}, which is a field of the summary")
    return sorted(
        names, key=lambda metric: _FIRST_METRICS.index(metric) if metric in _FIRST_METRICS else len(_FIRST_METRICS)
    )


def _only(results: Results, task: str) -> Results:
    """The examples of one task, of the methods that have any."""
    of_task = {
        name: {i: example for i, example in examples.items() if example["task"] == task}
        for name, examples in results.items()
    }
    return {name: examples for name, examples in of_task.items() if examples}


def known_value(metrics: Mapping[str, float | None], metric: str) -> float | None:
    """The value of a metric, None where it is missing."""
    value = metrics.get(metric)
    return None if value is None or math.isnan(value) else float(value)


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return math.fsum(present) / len(present) if present else None


def _means(examples: Sequence[Scored], metrics: Sequence[str], multiple_tasks: bool) -> dict[str, Any]:
    """One method's entry of the summary."""
    by_task: dict[str, list[Scored]] = {}
    for example in examples:
        by_task.setdefault(example["task"], []).append(example)
    tasks = {
        task: {metric: _mean(known_value(example["metrics"], metric) for example in of_task) for metric in metrics}
        for task, of_task in by_task.items()
    }
    entry: dict[str, Any] = {metric: _mean(means[metric] for means in tasks.values()) for metric in metrics}
    entry["n"] = len(examples)
    missing = {
        metric: sum(known_value(example["metrics"], metric) is None for example in examples) for metric in metrics
    }
    if any(missing.values()):
        entry["missing"] = {metric: count for metric, count in missing.items() if count}
    if multiple_tasks:
        entry["tasks"] = tasks
        entry["task_n"] = {task: len(of_task) for task, of_task in by_task.items()}
    return entry


def _tests(results: Results, metrics: Sequence[str], correction: Correction | None) -> list[dict[str, Any]]:
    tests = [
        {"a": a, "b": b, "metric": metric, **_test(results[a], results[b], metric)}
        for a, b in combinations(results, 2)
        for metric in metrics
    ]
    for metric in metrics if correction else []:
        column = [test for test in tests if test["metric"] == metric]
        corrected = holm([math.nan if test["p"] is None else test["p"] for test in column])
        for test, p in zip(column, corrected, strict=True):
            test["p_corrected"] = _json(p)
    return tests


def _test(a: Mapping[str, Scored], b: Mapping[str, Scored], metric: str) -> dict[str, Any]:
    both = [(known_value(a[i]["metrics"], metric), known_value(b[i]["metrics"], metric)) for i in a if i in b]
    pairs = [(of_a, of_b) for of_a, of_b in both if of_a is not None and of_b is not None]
    scores = [of_a for of_a, _ in pairs], [of_b for _, of_b in pairs]
    test = paired_t_test(*scores)
    interval = [_json(end) for end in bootstrap_interval(*scores, seed=0)]
    return {
        "n": test.n,
        "difference": _json(test.difference),
        "interval": interval,
        "p": _json(test.p),
        "effect": _json(test.effect),
        "detectable": _json(test.detectable),
    }


def _json(number: float) -> float | None:
    return number if math.isfinite(number) else None


def render(summary: Mapping[str, Any], console_width: int, names: Mapping[str, str] | None = None) -> Table:
    """A table for the terminal in the style of REST-PG's Table 1.

    Each method has a numbered row. A superscript is the row of a method that this one beats: a higher mean, and
    a two-tailed paired t-test with p < 0.05. With one task the columns are the metrics; with several there is
    a section for each metric, with a column for each task and one for the macro average. Where
    `console_width` is too narrow for these, every column becomes a section. Notes below the table say what is
    missing or not paired.

    summary: see :func:`summary`.
    console_width: width of the terminal in characters.
    names: the displayed name of each metric. Without it METEOR has the name of what this machine computes
        (:func:`penname.rewards.meteor.meteor_name`), so pass it for numbers from another machine.
    """
    names = names_of(summary, names)
    parts, notes = sections(summary, names), notes_of(summary, names)
    table = _rich_table(parts, summary["methods"], notes)
    console = Console(width=console_width)
    if Measurement.get(console, console.options.update(width=10_000), table).minimum <= console_width:
        return table
    tasks = _tasks(summary)
    single = [
        Section(": ".join(filter(None, (section.title, heading))), [("", cells)], heading if heading in tasks else None)
        for section in parts
        for heading, cells in section.columns
    ]
    return _rich_table(single, summary["methods"], notes)


@dataclass(frozen=True)
class Cell:
    """A method's mean in one column.

    value: the mean; None where there is none.
    beaten: numbers of the rows whose methods it beats.
    rows: number of rows of the table.
    """

    value: float | None
    beaten: tuple[int, ...] = ()
    rows: int = 0

    @property
    def text(self) -> str:
        """The value with superscripts."""
        if self.value is None:
            return "–"
        # Row 12 and rows 1 and 2 must not look alike.
        comma = "," if self.rows > 9 else ""
        return f"{self.value:.4f}{comma.join(str(row).translate(_SUPERSCRIPTS) for row in self.beaten)}"


@dataclass(frozen=True)
class Section:
    """Columns under one title.

    title: empty where there is a single section.
    columns: for each column its heading and a cell for each method.
    task: the task of all columns, where they have only one.
    """

    title: str
    columns: list[tuple[str, list[Cell]]]
    task: str | None = None


def names_of(summary: Mapping[str, Any], names: Mapping[str, str] | None) -> dict[str, str]:
    """The displayed name of each metric of the summary, in order; arguments as for :func:`render`."""
    metrics = [key for entry in summary["methods"].values() for key in entry if key not in _RESERVED]
    if names is None:
        names = {"meteor": meteor_name()} if "meteor" in metrics else {}
    return {metric: names.get(metric, metric) for metric in metrics}


def _tasks(summary: Mapping[str, Any]) -> list[str]:
    """The tasks of a summary that has several; otherwise none."""
    return list(dict.fromkeys(task for entry in summary["methods"].values() for task in entry.get("tasks", {})))


def sections(summary: Mapping[str, Any], names: Mapping[str, str]) -> list[Section]:
    """The sections of :func:`render`'s table: one for each metric where there are several tasks, else a single one.

    names: see `names_of`.
    """
    methods: Mapping[str, dict[str, Any]] = summary["methods"]
    wins = _wins(summary["tests"])
    averages = {
        metric: _cells({name: entry[metric] for name, entry in methods.items()}, wins[metric]) for metric in names
    }
    tasks = _tasks(summary)
    if not tasks:
        return [Section("", [(names[metric], cells) for metric, cells in averages.items()])]
    wins_in = {task: _wins(test for test in summary["task_tests"] if test["task"] == task) for task in tasks}
    by_metric = []
    for metric in names:
        columns = []
        for task in tasks:
            values = {name: entry["tasks"].get(task, {}).get(metric) for name, entry in methods.items()}
            columns.append((task, _cells(values, wins_in[task][metric])))
        by_metric.append(Section(names[metric], [*columns, ("Average (macro)", averages[metric])]))
    return by_metric


def _wins(tests: Iterable[Mapping[str, Any]]) -> defaultdict[str, set[tuple[str, str]]]:
    """For each metric the pairs (winner, loser) whose difference is significant."""
    wins: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for test in tests:
        p = test.get("p_corrected", test["p"])
        if p is not None and p < ALPHA:
            a, b = test["a"], test["b"]
            wins[test["metric"]].add((b, a) if test["difference"] > 0 else (a, b))
    return wins


def _cells(values: Mapping[str, float | None], wins: set[tuple[str, str]]) -> list[Cell]:
    """Each method's cell of a column."""
    cells = []
    for name, value in values.items():
        # A test compares the examples that both methods have; if the displayed means disagree, there is no mark.
        beaten = [
            row
            for row, (other, below) in enumerate(values.items(), start=1)
            if (name, other) in wins and value is not None and below is not None and value > below
        ]
        cells.append(Cell(value, tuple(beaten), len(values)))
    return cells


def _rich_table(sections: Sequence[Section], methods: Mapping[str, Mapping[str, Any]], notes: Sequence[str]) -> Table:
    """The sections one below the other, then the notes; names and notes are wrapped where needed, numbers never are."""
    page = Table.grid()
    for section in sections:
        title = Text(section.title, style="bold") if section.title else None
        table = Table(
            box=box.SIMPLE,
            title=title,
            title_justify="left",
            show_edge=False,
            pad_edge=False,
            collapse_padding=True,
        )
        table.add_column("", no_wrap=True)
        table.add_column("Method", overflow="fold", min_width=_METHOD_WIDTH)
        for heading, _ in section.columns:
            table.add_column(_heading(heading), no_wrap=True)
        table.add_column("n", justify="right", no_wrap=True)
        for number, (name, entry) in enumerate(methods.items()):
            cells = [cells[number].text for _, cells in section.columns]
            examples = entry["task_n"].get(section.task, 0) if section.task else entry["n"]
            table.add_row(*map(Text, [str(number + 1), name, *cells, str(examples)]))
        page.add_row(table)
        page.add_row()
    page.add_row(Text("\n".join(notes)))
    return page


def _heading(heading: str) -> Text:
    """A heading wrapped at spaces, hyphens and underscores, to keep columns narrow."""
    lines = textwrap.wrap(heading.replace("_", "_ "), _HEADING_WIDTH, break_long_words=False)
    return Text("\n".join(line.replace("_ ", "_") for line in lines))


def notes_of(summary: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Notes that readers need to interpret the numbers; names: see `names_of`."""
    methods: Mapping[str, dict[str, Any]] = summary["methods"]
    corrected = any("p_corrected" in test for test in summary["tests"])
    how = "corrected by Holm's method for all pairs of methods in a column" if corrected else "uncorrected"
    notes = [f"Superscripts: better than that row's method (two-tailed paired t-test, p < {ALPHA}, {how})."]
    if tasks := _tasks(summary):
        notes.append("The average is the mean of the tasks' means; its tests pool the examples of all tasks.")
        counts = {task: {entry["task_n"].get(task, 0) for entry in methods.values()} for task in tasks}
        shown = ", ".join(f"{task} {' to '.join(map(str, sorted({min(n), max(n)})))}" for task, n in counts.items())
        notes.append(f"Examples of each task: {shown}.")
        for name, entry in methods.items():
            if absent := [task for task in tasks if task not in entry["tasks"]]:
                notes.append(f"{name}: no example of {', '.join(absent)}; its average is over its other tasks.")
    for name, entry in methods.items():
        for metric, count in entry.get("missing", {}).items():
            notes.append(f"{name}: {names[metric]} is missing for {count} of {entry['n']} examples.")
    notes += _power_notes(summary, names)
    if "seeds" in summary:
        metric = next(iter(names))
        by_method = summary["seeds"]["deviation"]
        deviations = {name: values[metric] for name, values in by_method.items() if metric in values}
        shown = ", ".join(f"{name} {deviation:.4f}" for name, deviation in deviations.items())
        notes.append(
            f"Means over {summary['seeds']['n']} seeds; tests are of each example's mean. Standard deviation of the "
            f"averages between seeds, {names[metric]}: {shown}."
        )
    unpaired = [t["n"] for t in summary["tests"] if t["n"] < max(methods[t["a"]]["n"], methods[t["b"]]["n"])]
    if unpaired:
        pairs = (
            f"some tests compare only {min(unpaired)} pairs" if min(unpaired) else "some have none in common: no test"
        )
        notes.append(f"Methods differ in their examples: each mean is over the method's own examples, and {pairs}.")
    return notes


def _power_notes(summary: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """Notes on the low power of tests with few examples, for the first metric: of each task, or of all examples."""
    metric = next(iter(names))
    tests_by_task = defaultdict(list)
    for test in summary.get("task_tests", summary["tests"]):
        if test["metric"] == metric and test["n"] < MIN_PAIRS:
            tests_by_task[test.get("task", "")].append((test["n"], test["detectable"]))
    notes = []
    for task, tests in tests_by_task.items():
        of_task = f" of {task}" if task else ""
        fewest = min(n for n, _ in tests)
        missed = [
            detectable for n, detectable in tests if n == fewest and (detectable or 0) > 1e-6
        ]  # less is rounding error
        if fewest < 2:
            notes.append(f"Few examples: with {fewest}{of_task} in common there is no test.")
            continue
        note = f"Few examples: with {fewest}{of_task} p-values and intervals can be far off"
        if missed:
            note += (
                f"; a difference in {names[metric]} of less than about {statistics.median(missed):.2g} is missed more "
                "often than one time in five (uncorrected)"
            )
        notes.append(f"{note}.")
    return notes
