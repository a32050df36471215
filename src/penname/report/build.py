"""One page of HTML about one or more runs, which loads nothing from a network, and its tables and pictures as files.

The page is `templates/report.html`. All that users or models wrote reaches it escaped, or as data that its script shows
as text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from penname.evaluation.authorship import Voice, heard
from penname.evaluation.formats import to_files
from penname.evaluation.table import Results, Scored, known_value, names_of, notes_of, sections
from penname.method_table import METHODS
from penname.report import figures
from penname.report.figures import Iteration
from penname.report.page import as_script, render
from penname.session import stage_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IN_READER, DOCUMENTS, CHARACTERS = 100, 10, 1500
"""At most so many examples are in the reader, so many of a user's documents, and so much of each of them."""

Record = dict[str, Any]


@dataclass(frozen=True)
class RunData:
    """A run's results and what led to them.

    facts: what to say of it. recipe: its text. records: by method and example id, what it wrote and how that scored.
    examples: by id, what was asked and shown. profiles: by example id, the texts of its user's documents.
    iterations: of each self-trained method. sampled, evaluated: what samples and evaluation are of, in words. split:
    what is evaluated. voices: the same prompts written for three authors, none if the run has none. timing: lines of
    the run's timing.jsonl. texts: of an example, all of them timed. unread: what could not be read.
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
    voices: Sequence[Voice]
    timing: Sequence[Record]
    texts: int
    unread: Sequence[str]


@dataclass(frozen=True)
class Report:
    """The page, its pictures by name, and its tables by file name."""

    html: str
    pictures: Mapping[str, Figure]
    tables: Mapping[str, str]


@dataclass(frozen=True)
class _Cell:
    text: str
    marks: str = ""


@dataclass(frozen=True)
class _Table:
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[_Cell]]


@dataclass
class _Pictures:
    """Pictures that the page shows, each with what stands under it."""

    drawn: dict[str, Figure] = field(default_factory=dict)

    def add(self, name: str, figure: Figure, caption: str) -> dict[str, str]:
        self.drawn[name] = figure
        return {"svg": Markup(figures.to_inline_svg(figure, name.replace("-", " "))), "caption": caption}


def make_report(runs: Sequence[RunData], summary: Mapping[str, Any], notes: Sequence[str] = ()) -> Report:
    """A report of runs, and of the summary of all of their methods.

    Methods are named as in the summary: RUN:METHOD where there are several runs. notes: what to tell with the summary.
    """
    names = names_of(summary, runs[0].names)
    pictures = _Pictures()
    rewards = pictures.add(
        "reward-by-method",
        figures.mean_scores(_rewards(runs), "reward"),
        "Mean reward by method; all examples count alike, as in the table where there is one task.",
    )
    training = [picture for run in runs for picture in _training(run, pictures, _prefix(runs, run))]
    reasoning = _reasoning(runs, pictures)
    costs = [_latency(runs), *(_times(run, _prefix(runs, run)) for run in runs if run.timing)]
    data, shown = _reader(runs)
    authors = [_three_authors(run, _prefix(runs, run)) for run in runs if run.voices]
    anchors = {"results": "Results"} | ({"authors": "One prompt, three authors"} if authors else {})
    anchors |= {"training": "Training"} if training else {}
    anchors |= {"cost": "Reasoning, time and tokens", "reader": "Reader", "recipes": "Runs"}
    html = render(
        "report",
        title="penname: " + ", ".join(run.name for run in runs),
        sections=list(anchors.items()),
        tables=_headline(summary, names),
        tests=_tests(summary, names),
        notes=[*notes_of(summary, names), *notes, *_unread(runs)],
        rewards=rewards,
        authors=authors,
        training=training,
        reasoning=reasoning,
        costs=costs,
        shown=shown,
        readable=bool(data["examples"]),
        runs=runs,
        data=as_script(data),
    )
    return Report(html, pictures.drawn, to_files(summary, names))


def _prefix(runs: Sequence[RunData], run: RunData) -> str:
    return f"{run.name}:" if len(runs) > 1 else ""


def _unread(runs: Sequence[RunData]) -> list[str]:
    return [f"{_prefix(runs, run)} {note}".lstrip() for run in runs for note in run.unread]


def _rewards(runs: Sequence[RunData]) -> dict[str, list[float]]:
    """By method, the rewards there are."""
    return {_prefix(runs, run) + method: _present(own.values()) for run in runs for method, own in run.results.items()}


def _present(examples: Iterable[Scored]) -> list[float]:
    return [reward for e in examples if (reward := known_value(e["metrics"], "reward")) is not None]


def _headline(summary: Mapping[str, Any], names: Mapping[str, str]) -> list[_Table]:
    found = []
    for section in sections(summary, names):
        rows = []
        for number, (name, entry) in enumerate(summary["methods"].items()):
            cells = [cells[number] for _, cells in section.columns]
            values = [_Cell("–" if c.value is None else f"{c.value:.4f}", ", ".join(map(str, c.beaten))) for c in cells]
            rows.append([_Cell(str(number + 1)), _Cell(name), *values, _Cell(str(entry["n"]))])
        found.append(_Table(section.title, ["", "Method", *(heading for heading, _ in section.columns), "n"], rows))
    return found


def _tests(summary: Mapping[str, Any], names: Mapping[str, str]) -> _Table:
    """All differences in the first metric; those in others are in the file of the tests."""
    metric = next(iter(names))
    own = [test for test in summary["tests"] if test["metric"] == metric]
    corrected = ["p (Holm)"] if any("p_corrected" in test for test in own) else []
    rows = []
    for test in own:
        low, high = (_signed(end) for end in test["interval"])
        numbers = [_signed(test["difference"]), f"{low} to {high}", _small(test["p"])]
        numbers += [_small(test["p_corrected"])] if corrected else []
        numbers += [_signed(test["effect"], 2), str(test["n"])]
        rows.append([_Cell(test["b"]), _Cell(test["a"]), *map(_Cell, numbers)])
    headings = ["Method", "less", "difference", "95 % interval", "p", *corrected, "d", "n"]
    return _Table(f"Differences in {names[metric]}", headings, rows)


def _signed(number: float | None, digits: int = 4) -> str:
    return "–" if number is None else f"{number:+.{digits}f}"


def _small(p: float | None) -> str:
    return "–" if p is None or math.isnan(p) else f"{p:.2g}"


def _three_authors(run: RunData, prefix: str) -> Record:
    """Each prompt with its authors' real texts and methods' texts, and how well these are told apart."""
    methods = list(run.voices[0].texts)
    real = sum(voice.sounds_like == voice.author for voice in run.voices)
    rows = [[_Cell("really written"), _Cell(f"{real} of {len(run.voices)}"), _Cell(""), _Cell(""), _Cell("")]]
    for method in methods:
        found = heard(run.voices, method)
        told = f"{found.right} of {found.texts}", f"{found.own:.4f}", f"{found.others:.4f}", _small(found.p)
        rows.append([_Cell(prefix + method), *map(_Cell, told)])
    headings = ["Text", "sounds like its author", "reward by own real text", "by the others'", "p"]
    prompts: dict[int, list[Voice]] = {}
    for voice in run.voices:
        prompts.setdefault(voice.number, []).append(voice)
    return {
        "table": _Table("", headings, rows),
        "prompts": list(prompts.values()),
        "methods": methods,
        "prefix": prefix,
    }


def _training(run: RunData, pictures: _Pictures, prefix: str) -> list[dict[str, str]]:
    """Learning curves, and of each self-trained method rewards and kept samples by iteration."""
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
            "step draws from the model of the iteration before; malformed ones count as 0.",
        )
    ]
    for method, iterations in run.iterations.items():
        found.append(
            pictures.add(
                f"{name}{method}-rewards",
                figures.reward_histograms(iterations, _present(run.results.get(method, {}).values())),
                f"{prefix}{method}: rewards of samples ({run.sampled}), malformed ones as 0. An iteration's are those "
                "of the model before it trains; those of the model after it are the next one's. After the last there "
                f"is the evaluation only, of {run.evaluated}, so that its level is not to be compared with theirs.",
            )
        )
        found.append(
            pictures.add(
                f"{name}{method}-kept",
                figures.kept_per_input(iterations),
                f"{prefix}{method}: how many samples of an input were kept.",
            )
        )
    return found


def _reasoning(runs: Sequence[RunData], pictures: _Pictures) -> list[dict[str, str]]:
    words: dict[str, list[int]] = {}
    rewards: dict[str, list[float]] = {}
    for run in runs:
        for method, records in run.records.items():
            reasoned = [
                (len(r["reasoning"].split()), reward)
                for r in records.values()
                if r["reasoning"] and not r["malformed"] and (reward := known_value(r["metrics"], "reward")) is not None
            ]
            if reasoned:
                name = _prefix(runs, run) + method
                words[name], rewards[name] = map(list, zip(*reasoned, strict=True))
    if not words:
        return []
    caption = (
        "Length of the reasoning against the reward of the response; r is Pearson's correlation. "
        "Malformed completions, which have no response, are left out."
    )
    return [pictures.add("reasoning-length", figures.length_against_reward(words, rewards), caption)]


def _latency(runs: Sequence[RunData]) -> _Table:
    """What a completion costs, and how much more with reasoning than without."""
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
                    _Cell(_prefix(runs, run) + method),
                    _Cell(f"{mean:.0f}"),
                    _Cell("–" if each is None else f"{each:.2f}"),
                    _Cell(f"{times} tokens{slower and f', {slower} time'} of {without}" if times else ""),
                ]
            )
    return _Table("Cost of a completion", ["Method", "new tokens", "seconds (in batches)", "beside no reasoning"], rows)


def _ratio(value: float | None, other: float | None) -> str:
    return f"{value / other:.2f} ×" if value is not None and other else ""


def _seconds_each(run: RunData, method: str) -> float | None:
    evaluation = stage_names.evaluation(run.split, method)
    writing = stage_names.responses(evaluation), stage_names.reused_responses(evaluation)
    own = [t for t in run.timing if t["stage"] in writing]
    count = sum(t["count"] for t in own)
    return sum(t["seconds"] for t in own) / count / run.texts if count else None


def _times(run: RunData, prefix: str) -> _Table:
    """Seconds and tokens, written or trained on, of each stage; those below half a hundredth of the time as one."""
    stages: dict[str, list[float]] = {}
    for timed in run.timing:
        total = stages.setdefault(timed["stage"], [0.0, 0])
        total[0] += timed["seconds"]
        total[1] += timed["tokens"]
    whole, every = (sum(column) for column in zip(*stages.values(), strict=True))
    long = {stage: total for stage, total in stages.items() if total[0] and total[0] >= 0.005 * whole}
    rows = [
        [_Cell(stage), _Cell(f"{seconds:,.1f}"), _Cell(f"{tokens:,.0f}"), _Cell(f"{tokens / seconds:,.0f}")]
        for stage, (seconds, tokens) in long.items()
    ]
    rest, of_rest = whole - sum(s for s, _ in long.values()), every - sum(t for _, t in long.values())
    rows.append([_Cell("others"), _Cell(f"{rest:,.1f}"), _Cell(f"{of_rest:,.0f}"), _Cell("")])
    rows.append([_Cell("all"), _Cell(f"{whole:,.1f}"), _Cell(f"{every:,.0f}"), _Cell("")])
    return _Table(f"{prefix}Time and tokens by stage", ["Stage", "seconds", "tokens", "tokens/s"], rows)


def merge_runs(runs: Sequence[RunData]) -> tuple[dict[str, Mapping[str, Record]], dict[str, Record]]:
    """All methods' records, by the methods' names in a table of these runs, and all examples."""
    written = {_prefix(runs, run) + m: own for run in runs for m, own in run.records.items()}
    return written, {i: example for run in runs for i, example in run.examples.items()}


def _reader(runs: Sequence[RunData]) -> tuple[Record, str]:
    """Examples that all methods wrote for, as many of each task as there is room for, and a word on which."""
    written, examples = merge_runs(runs)
    common = [i for i in examples if all(i in own for own in written.values())]
    tasks: dict[str, list[str]] = {}
    for i in common:
        tasks.setdefault(examples[i]["task"], []).append(i)
    room = _shares({task: len(own) for task, own in tasks.items()}, IN_READER)
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
        "profiles": [[_beginning(text) for text in own[:DOCUMENTS]] for own in profiles],
    }
    if not common:
        return data, "There is no example that all methods wrote for."
    return data, f"{len(chosen)} of {len(common)} examples."


def _shares(sizes: Mapping[str, int], room: int) -> dict[str, int]:
    """How many of each: as many of each as of others, but what small ones leave goes to the larger. At least one."""
    shares: dict[str, int] = {}
    for name, size in sorted(sizes.items(), key=lambda item: item[1]):
        fair = (room - sum(shares.values())) // (len(sizes) - len(shares))
        shares[name] = min(size, max(1, fair))
    return shares


def _written(record: Record) -> Record:
    kept = {key: record[key] for key in ("response", "reasoning", "malformed")}
    metrics = {metric: known_value(record["metrics"], metric) for metric in record["metrics"]}
    return kept | {"metrics": metrics, "unfinished": record["finish_reason"] == "length"}


def _beginning(text: str) -> str:
    rest = len(text) - CHARACTERS
    return text if rest <= 0 else f"{text[:CHARACTERS]} … ({rest:,} characters more)"
