"""What the commands print about runs: tables with their tests, curves, an example, a plan."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from penname.experiments.comparison import Comparison

console = Console()


def show(compared: Comparison, *, as_json: bool = False, as_markdown: bool = False) -> None:
    """Print a comparison with its notes: as a table, as Markdown, or its summary as JSON."""
    show_notes(compared.notes)
    if as_json:
        print(json.dumps(compared.summary))
    else:
        show_table(compared, as_markdown=as_markdown)


def show_notes(notes: Sequence[str]) -> None:
    """Print notes to stderr."""
    for note in notes:
        print(f"penname: note: {note}", file=sys.stderr)


def show_table(compared: Comparison, *, as_markdown: bool) -> None:
    """Print the table of a comparison without its notes."""
    from penname.evaluation.table import render

    if as_markdown:
        print(compared.to_markdown())
    else:
        console.print(render(compared.summary, console.width, compared.names))


def show_curves(curves: dict[str, list[float | None]], ticks: list[str], title: str) -> None:
    """Print curves as a table.

    curves: the values of each curve, by name; None where there is none.
    ticks: the labels of the values.
    title: the heading of the names.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    table = Table(Column(title, no_wrap=True), *ticks, box=SIMPLE_HEAD)
    for name, values in curves.items():
        table.add_row(name, *("" if value is None else f"{value:.4f}" for value in values))
    console.print(table)


def show_example(folder: Path) -> None:
    """Print an example, and what each method of a run wrote for it: the first example with the most reasonings."""
    from penname.experiments.run_recipe import load_run_recipe
    from penname.reporting.run_data import read_examples, shown_records

    recipe = load_run_recipe(folder)
    split = recipe.evaluation.split
    written = shown_records(folder, recipe, split)
    # A method that was added to a run can have fewer examples, those whose inputs fit into its prompts.
    shared = [i for i in next(iter(written.values())) if all(i in records for records in written.values())]
    if not shared:
        return
    shown = max(shared, key=lambda i: sum(bool(records[i]["reasoning"]) for records in written.values()))
    example = next(e for e in read_examples(folder, split) if e["example_id"] == shown)
    lines = [f"example {example['example_id']}, author {example['user_id']}", f"  prompt: {example['input']}"]
    lines.append(f"  written by the author: {example['output']}")
    for method, records in written.items():
        record = records[shown]
        reward = record["metrics"]["reward"]
        lines.append(f"\n{method} (reward {'none' if reward is None else f'{reward:.3f}'})")
        if recipe.method_rows[method].reasoning or record["reasoning"]:
            lines.append(f"  reasoning: {record['reasoning'] or '(none)'}")
        lines.append(f"  response: {record['response']}")
    console.print("\n".join(lines), markup=False, highlight=False)


def show_three_authors(folder: Path) -> None:
    """Print a prompt, with the real text of each of its three authors and the text of the run's last method."""
    from penname.evaluation.authorship import attribution
    from penname.experiments.run_recipe import load_run_recipe
    from penname.experiments.three_authors import read_voices

    recipe = load_run_recipe(folder)
    voices = read_voices(folder, recipe.evaluation.split, recipe.method_rows)
    if not voices:
        return
    methods = list(voices[0].texts)
    first = [voice for voice in voices if voice.number == 0]
    lines = [f"One prompt, three authors: {first[0].prompt}"]
    for voice in first:
        text = voice.texts[methods[-1]]
        lines += [
            f"\n{voice.author}",
            f"  real text{'' if voice.exact else ' (most similar passage)'}: {voice.written}",
            f"  {methods[-1]}, shown other documents of this author: {text['response']}",
        ]
    lines.append("\nTexts attributed to their author, by a classifier trained on these authors' other documents:")
    real = sum(voice.sounds_like == voice.author for voice in voices)
    lines.append(f"  real texts: {real} of {len(voices)}")
    for method in methods:
        found = attribution(voices, method)
        rewards = (
            f"reward with the author's real text {found.author_reward:.3f}, with the others' {found.other_reward:.3f}"
        )
        lines.append(f"  {method}: {found.correct} of {found.texts}; {rewards}")
    console.print("\n".join(lines), markup=False, highlight=False)


def show_plan(plan: Any, folder: Path, rate: float | None) -> None:
    """Print the plan of the run in `folder`. rate: tokens that a worker writes in a second; None if it is not known."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table

    from penname.experiments.plan import format_bytes

    table = Table(
        Column("stage", no_wrap=True),
        "examples",
        "samples",
        Column("new tokens, at most", min_width=len("100,000,000")),
        "optimizer steps, at most",
        box=SIMPLE_HEAD,
    )
    for stage in plan.stages:
        counts = (stage.examples, stage.completions, stage.new_tokens, stage.optimizer_steps)
        table.add_row(stage.name, *(f"{c:,}" if c else "" for c in counts))
    console.print(table)
    parameters = "unknown" if plan.parameters is None else f"{plan.parameters:,} (from its {plan.parameters_from})"
    console.print(f"model parameters: {parameters}", highlight=False)
    for name, amount in (("memory for training", plan.memory), ("disk", plan.disk)):
        console.print(f"{name}: {'unknown' if amount is None else f'about {format_bytes(amount)}'}", highlight=False)
    for line in plan.machines(rate):
        console.print(line, markup=False, highlight=False)
    for note in plan.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    console.print(f"run folder: {folder}", markup=False, highlight=False)
