"""The report of one or more runs: a page of HTML that loads nothing from a network, with tables and figures.

The page is `templates/report.html`. Everything that users or models wrote is escaped, or is data that the page's script
shows as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from penname.evaluation.authorship import AttributionCase, attribution
from penname.evaluation.formats import to_files
from penname.evaluation.table import Results, Scored, known_value, names_of, notes_of
from penname.method_table import METHODS
from penname.reporting import figures
from penname.reporting.figures import Iteration
from penname.reporting.page import as_script, render
from penname.reporting.tables import PageCell, PageTable, main_tables, small, table_of_tests
from penname.runs.folder import Record
from penname.session import stage_names
from penname.words import split_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_READER_EXAMPLES, MAX_DOCUMENTS, MAX_CHARACTERS = 100, 10, 1500
"""Limits of the page's reader: its examples, the documents of each user, and the characters of each document."""


@dataclass(frozen=True)
class RunData:
    """A run's results, and the data that they come from.

    name: the label of the run.
    facts: properties of the run that the page lists, by name.
    recipe: the text of the recipe.
    results: the scores of the run's methods.
    names: the displayed name of each metric.
    records: by method and example id, what the method wrote and how that scored.
    examples: by example id, the prepared example.
    profiles: by example id, the texts of its user's documents.
    iterations: the expectation steps of each self-trained method.
    sampled, evaluated: descriptions of what samples and evaluation are written for.
    split: the split that is evaluated.
    voices: the same prompts written for three authors; empty if the run has none.
    timing: the lines of the run's `timing.jsonl`.
    texts: the number of texts that each method writes for an example.
    unread: notes on what could not be read.
    """

    name: str
    facts: Mapping[str, str]
    recipe: str
    results: Results
    names: Mapping[str, str]
    records: Mapping[str, Mapping[str, Record]]
    examples: Mapping[str, Record]
    profiles: Mapping[str, Sequence[str]]
    iterations: Mapping[str, Sequence[Iteration]]
    sampled: str
    evaluated: str
    split: str
    voices: Sequence[AttributionCase]
    timing: Sequence[Record]
    texts: int
    unread: Sequence[str]


@dataclass(frozen=True)
class ReportContents:
    """The page, its figures by name, and the texts of its tables by file name."""

    html: str
    figures: Mapping[str, Figure]
    tables: Mapping[str, str]


@dataclass
class _Pictures:
    """The figures that the page shows."""

    figures_by_name: dict[str, Figure] = field(default_factory=dict)

    def add(self, name: str, figure: Figure, caption: str) -> dict[str, str]:
        """Add a figure; returns it as the page's template takes it."""
        self.figures_by_name[name] = figure
        shown = name.replace("-", " ")
        return {"svg": Markup(figures.to_inline_svg(figure, shown)), "name": shown, "caption": caption}


def make_report(
    runs: Sequence[RunData], summary: Mapping[str, Any], notes: Sequence[str] = (), back: str = ""
) -> ReportContents:
    """The report of runs.

    runs: the runs; with several, their methods are named RUN:METHOD.
    summary: the summary of all methods of the runs; see `penname.evaluation.table.summary`.
    notes: remarks that the page shows with the summary.
    back: the address of the page that the report is opened from; empty where it is a file of its own.
    """
    names = names_of(summary, runs[0].names)
    pictures = _Pictures()
    rewards = pictures.add(
        "reward-by-method",
        figures.mean_scores(_rewards(runs), "reward"),
        "Mean reward by method over all examples, as in the table if there is only one task.",
    )
    training = [picture for run in runs for picture in _training(run, pictures, _run_prefix(runs, run))]
    reasoning = _reasoning(runs, pictures)
    costs = [_latency(runs), *(_times(run, _run_prefix(runs, run)) for run in runs if run.timing)]
    data, shown = _reader(runs)
    authors = [_three_authors(run, _run_prefix(runs, run)) for run in runs if run.voices]
    anchors = {"results": "Results"} | ({"authors": "One prompt, three authors"} if authors else {})
    anchors |= {"training": "Training"} if training else {}
    anchors |= {"cost": "Reasoning, time and tokens", "reader": "Reader", "recipes": "Runs"}
    html = render(
        "report",
        title="penname: " + ", ".join(run.name for run in runs),
        sections=list(anchors.items()),
        tables=main_tables(summary, names),
        tests=table_of_tests(summary, names, next(iter(names))),
        notes=[*notes_of(summary, names), *notes, *_run_notes(runs)],
        rewards=rewards,
        authors=authors,
        training=training,
        reasoning=reasoning,
        costs=costs,
        shown=shown,
        readable=bool(data["examples"]),
        runs=runs,
        data=as_script(data),
        back=back,
    )
    return ReportContents(html, pictures.figures_by_name, to_files(summary, names))


def _run_prefix(runs: Sequence[RunData], run: RunData) -> str:
    return f"{run.name}:" if len(runs) > 1 else ""


def _run_notes(runs: Sequence[RunData]) -> list[str]:
    return [f"{_run_prefix(runs, run)} {note}".lstrip() for run in runs for note in run.unread]


def _rewards(runs: Sequence[RunData]) -> dict[str, list[float]]:
    """The rewards of each method, without missing ones."""
    return {
        _run_prefix(runs, run) + method: _present(own.values()) for run in runs for method, own in run.results.items()
    }


def _present(examples: Iterable[Scored]) -> list[float]:
    return [reward for e in examples if (reward := known_value(e["metrics"], "reward")) is not None]


def _three_authors(run: RunData, prefix: str) -> Record:
    """Each prompt with its authors' real texts and the methods' texts, and how well these match their authors."""
    methods = list(run.voices[0].texts)
    real = sum(voice.sounds_like == voice.author for voice in run.voices)
    rows = [
        [
            PageCell("real texts"),
            PageCell(f"{real} of {len(run.voices)}"),
            PageCell(""),
            PageCell(""),
            PageCell(""),
        ]
    ]
    for method in methods:
        found = attribution(run.voices, method)
        values = (
            f"{found.correct} of {found.texts}",
            f"{found.author_reward:.4f}",
            f"{found.other_reward:.4f}",
            small(found.p),
        )
        rows.append([PageCell(prefix + method), *map(PageCell, values)])
    headings = ["Text", "attributed to its author", "reward with the author's real text", "with the others'", "p"]
    prompts: dict[int, list[AttributionCase]] = {}
    for voice in run.voices:
        prompts.setdefault(voice.number, []).append(voice)
    return {
        "table": PageTable("", headings, rows),
        "prompts": list(prompts.values()),
        "methods": methods,
        "prefix": prefix,
    }


def _training(run: RunData, pictures: _Pictures, prefix: str) -> list[dict[str, str]]:
    """Learning curves, and for each self-trained method its rewards and kept samples by iteration."""
    if not run.iterations:
        return []
    name = re.sub(r"[^\w.-]+", "-", prefix)
    longest = max(map(len, run.iterations.values()))
    means = {m: [sum(i.rewards) / max(1, len(i.rewards)) for i in found] for m, found in run.iterations.items()}
    ticks = [str(number + 1) for number in range(longest)]
    found = [
        pictures.add(
            f"{name}learning-curve",
            figures.curves(means, ticks, ("iteration", "mean reward of samples")),
            f"{prefix}Learning curve: mean reward of the samples ({run.sampled}) that each iteration's expectation "
            "step samples from the model of the previous iteration; malformed ones count as 0.",
        )
    ]
    for method, iterations in run.iterations.items():
        found.append(
            pictures.add(
                f"{name}{method}-rewards",
                figures.reward_histograms(iterations, _present(run.results.get(method, {}).values())),
                f"{prefix}{method}: rewards of samples ({run.sampled}); malformed ones count as 0. The samples of an "
                "iteration are from the model before its training. The model after the last iteration is evaluated "
                f"only, on {run.evaluated}, so its rewards cannot be compared with those of the samples.",
            )
        )
        found.append(
            pictures.add(
                f"{name}{method}-kept",
                figures.kept_per_input(iterations),
                f"{prefix}{method}: number of samples kept for each input.",
            )
        )
    return found


def _reasoning(runs: Sequence[RunData], pictures: _Pictures) -> list[dict[str, str]]:
    words: dict[str, list[int]] = {}
    rewards: dict[str, list[float]] = {}
    for run in runs:
        for method, records in run.records.items():
            reasoned = [
                (len(split_words(r["reasoning"])), reward)
                for r in records.values()
                if r["reasoning"] and not r["malformed"] and (reward := known_value(r["metrics"], "reward")) is not None
            ]
            if reasoned:
                name = _run_prefix(runs, run) + method
                words[name], rewards[name] = map(list, zip(*reasoned, strict=True))
    if not words:
        return []
    caption = (
        "Length of the reasoning against the reward of the response; r is Pearson's correlation. "
        "Malformed completions, which have no response, are skipped."
    )
    return [pictures.add("reasoning-length", figures.length_against_reward(words, rewards), caption)]


def _latency(runs: Sequence[RunData]) -> PageTable:
    """The cost of a completion, and its ratio to the same method without reasoning."""
    rows = []
    for run in runs:
        tokens = {m: sum(r["new_tokens"] for r in own.values()) / len(own) for m, own in run.records.items() if own}
        seconds = {method: _seconds_each(run, method) for method in tokens}
        for method, mean in tokens.items():
            without = METHODS[method].without_reasoning if method in METHODS else None
            times = _ratio(tokens[method], tokens.get(without or ""))
            slower = _ratio(seconds[method], seconds.get(without or ""))
            each = seconds[method]
            rows.append(
                [
                    PageCell(_run_prefix(runs, run) + method),
                    PageCell(f"{mean:.0f}"),
                    PageCell("–" if each is None else f"{each:.2f}"),
                    PageCell(f"{times} tokens{slower and f', {slower} time'} of {without}" if times else ""),
                ]
            )
    return PageTable(
        "Cost of a completion", ["Method", "new tokens", "seconds (in batches)", "relative to no reasoning"], rows
    )


def _ratio(value: float | None, other: float | None) -> str:
    return f"{value / other:.2f} ×" if value is not None and other else ""


def _seconds_each(run: RunData, method: str) -> float | None:
    evaluation = stage_names.evaluation(run.split, method)
    writing = stage_names.responses(evaluation), stage_names.reused_responses(evaluation)
    own = [t for t in run.timing if t["stage"] in writing]
    count = sum(t["count"] for t in own)
    return sum(t["seconds"] for t in own) / count / run.texts if count else None


def _times(run: RunData, prefix: str) -> PageTable:
    """Seconds, and tokens written or trained on, of each stage; stages below 0.5 % of the time are summed."""
    stages: dict[str, list[float]] = {}
    for timed in run.timing:
        total = stages.setdefault(timed["stage"], [0.0, 0])
        total[0] += timed["seconds"]
        total[1] += timed["tokens"]
    all_seconds, all_tokens = (sum(column) for column in zip(*stages.values(), strict=True))
    long = {stage: total for stage, total in stages.items() if total[0] and total[0] >= 0.005 * all_seconds}
    rows = [
        [
            PageCell(stage),
            PageCell(f"{seconds:,.1f}"),
            PageCell(f"{tokens:,.0f}"),
            PageCell(f"{tokens / seconds:,.0f}"),
        ]
        for stage, (seconds, tokens) in long.items()
    ]
    rest, rest_tokens = all_seconds - sum(s for s, _ in long.values()), all_tokens - sum(t for _, t in long.values())
    rows.append([PageCell("other stages"), PageCell(f"{rest:,.1f}"), PageCell(f"{rest_tokens:,.0f}"), PageCell("")])
    rows.append([PageCell("all stages"), PageCell(f"{all_seconds:,.1f}"), PageCell(f"{all_tokens:,.0f}"), PageCell("")])
    return PageTable(f"{prefix}Time and tokens by stage", ["Stage", "seconds", "tokens", "tokens/s"], rows)


def merge_runs(runs: Sequence[RunData]) -> tuple[dict[str, Mapping[str, Record]], dict[str, Record]]:
    """The records of all methods, by the methods' names in a table of these runs, and all examples by id.

    runs: the runs.
    """
    written = {_run_prefix(runs, run) + m: own for run in runs for m, own in run.records.items()}
    return written, {i: example for run in runs for i, example in run.examples.items()}


def _reader(runs: Sequence[RunData]) -> tuple[Record, str]:
    """The data of the reader, with examples that all methods wrote for, and a sentence on how many these are."""
    written, examples = merge_runs(runs)
    common = [i for i in examples if all(i in own for own in written.values())]
    tasks: dict[str, list[str]] = {}
    for i in common:
        tasks.setdefault(examples[i]["task"], []).append(i)
    room = _shares({task: len(own) for task, own in tasks.items()}, MAX_READER_EXAMPLES)
    chosen = [i for task, own in tasks.items() for i in own[: room[task]]]
    own_profile = {i: tuple(next((p for run in runs if (p := run.profiles.get(i))), ())) for i in chosen}
    profiles = list(dict.fromkeys(own_profile.values()))
    data = {
        "methods": list(written),
        "examples": [
            {
                "id": i,
                "user": examples[i]["user_id"],
                "task": examples[i]["task"],
                "profile": profiles.index(own_profile[i]),
                "history": examples[i]["history"],
                "input": examples[i]["input"],
                "output": examples[i]["output"],
                "context": [*examples[i]["context"], *examples[i]["neighbours"]],
                "written": {method: _written(own[i]) for method, own in written.items()},
            }
            for i in chosen
        ],
        "profiles": [[_truncate(text) for text in own[:MAX_DOCUMENTS]] for own in profiles],
    }
    if not common:
        return data, "There is no example that all methods wrote for."
    return data, f"{len(chosen)} of {len(common)} examples."


def _shares(sizes: Mapping[str, int], room: int) -> dict[str, int]:
    """Split `room` among groups: equally, except that what small groups do not need goes to larger ones; at least 1."""
    shares: dict[str, int] = {}
    for name, size in sorted(sizes.items(), key=lambda item: item[1]):
        fair = (room - sum(shares.values())) // (len(sizes) - len(shares))
        shares[name] = min(size, max(1, fair))
    return shares


def _written(record: Record) -> Record:
    kept = {key: record[key] for key in ("response", "reasoning", "malformed")}
    metrics = {metric: known_value(record["metrics"], metric) for metric in record["metrics"]}
    return kept | {"metrics": metrics, "unfinished": record["finish_reason"] == "length"}


def _truncate(text: str) -> str:
    rest = len(text) - MAX_CHARACTERS
    return text if rest <= 0 else f"{text[:MAX_CHARACTERS]} … ({rest:,} characters more)"
