"""The summary against numbers worked out another way, and what its tables show."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from penname.evaluation.formats import comparisons_to_csv, means_to_csv, to_latex, to_markdown
from penname.evaluation.significance import bootstrap_interval, holm
from penname.evaluation.table import render, summary
from penname.rewards.meteor import meteor_name

METRICS = ("reward", "rouge1", "rougeL", "meteor")
NAMES = {"meteor": "meteor"}

Results = dict[str, dict[str, Any]]


def example(task: str, **metrics: float | None) -> dict[str, Any]:
    return {"task": task, "metrics": metrics}


def results(methods: dict[str, float], tasks: dict[str, int], seed: int = 0) -> Results:
    """Scores around 0.4 + the method's shift, with so little noise that a shift of 0.1 is significant."""
    rng = random.Random(seed)
    return {
        method: {
            f"{task}-{i}": example(task, **{metric: 0.4 + shift + rng.gauss(0, 0.1) for metric in METRICS})
            for task, count in tasks.items()
            for i in range(count)
        }
        for method, shift in methods.items()
    }


def values(scored: Results, method: str, metric: str, task: str | None = None) -> list[float]:
    return [entry["metrics"][metric] for entry in scored[method].values() if task is None or entry["task"] == task]


def shown(report: dict[str, Any], width: int, names: dict[str, str] | None = None) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(render(report, width, names or NAMES))
    return capture.get()


def test_one_task() -> None:
    scored = results({"sft": 0.0, "rest-em": 0.02, "rest-pg": 0.1}, {"review": 30})
    report = summary(scored)
    assert report.keys() == {"methods", "tests"}
    assert list(report["methods"]) == ["sft", "rest-em", "rest-pg"]
    for method, entry in report["methods"].items():
        assert list(entry) == [*METRICS, "n"]
        assert entry["n"] == 30
        for metric in METRICS:
            assert entry[metric] == pytest.approx(np.mean(values(scored, method, metric)), abs=1e-12)
    assert len(report["tests"]) == 3 * len(METRICS)
    for test in report["tests"]:
        assert list(test) == ["a", "b", "metric", "n", "difference", "interval", "p", "effect", "detectable"]
        a, b = (values(scored, test[side], test["metric"]) for side in "ab")
        assert test["difference"] == pytest.approx(np.mean(b) - np.mean(a), abs=1e-12)
        assert test["interval"] == list(bootstrap_interval(a, b, seed=0))
        assert test["p"] == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert {(test["a"], test["b"]) for test in report["tests"]} == {
        ("sft", "rest-em"),
        ("sft", "rest-pg"),
        ("rest-em", "rest-pg"),
    }


def test_several_tasks_are_averaged_by_task_and_tested_together_and_apart() -> None:
    scored = results({"sft": 0.0, "rest-pg": 0.1}, {"review": 40, "email": 5})
    report = summary(scored)
    for method, entry in report["methods"].items():
        assert entry["n"] == 45
        for metric in METRICS:
            by_task = {task: np.mean(values(scored, method, metric, task)) for task in ("review", "email")}
            assert entry["tasks"]["review"][metric] == pytest.approx(by_task["review"], abs=1e-12)
            assert entry["tasks"]["email"][metric] == pytest.approx(by_task["email"], abs=1e-12)
            assert entry[metric] == pytest.approx(sum(by_task.values()) / 2, abs=1e-12)
    pooled = {test["metric"]: test for test in report["tests"]}
    apart = {(test["task"], test["metric"]): test for test in report["task_tests"]}
    assert len(apart) == 2 * len(METRICS)
    for metric in METRICS:
        for test, task in (
            (pooled[metric], None),
            (apart["email", metric], "email"),
            (apart["review", metric], "review"),
        ):
            a, b = values(scored, "sft", metric, task), values(scored, "rest-pg", metric, task)
            assert test["difference"] == pytest.approx(np.mean(b) - np.mean(a), abs=1e-12)
            assert test["p"] == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
            assert test["n"] == len(a)


def test_p_values_are_corrected_within_a_column() -> None:
    scored = results({"sft": 0.0, "rest-em": 0.03, "rest-pg": 0.06}, {"review": 40, "email": 12})
    report = summary(scored, "holm")
    plain = summary(scored)
    for kind in ("tests", "task_tests"):
        for metric in METRICS:
            for task in {test.get("task") for test in report[kind]}:
                column = [t for t in report[kind] if (t["metric"], t.get("task")) == (metric, task)]
                before = [t["p"] for t in plain[kind] if (t["metric"], t.get("task")) == (metric, task)]
                assert [t["p"] for t in column] == before
                assert [t["p_corrected"] for t in column] == holm(before)
    assert "uncorrected" in to_markdown(plain, NAMES)
    assert "corrected by Holm" in to_markdown(report, NAMES)


def test_marks_follow_the_corrected_values() -> None:
    report = summary(results({"sft": 0.0, "rest-pg": 0.1}, {"review": 30}), "holm")
    assert "¹" in shown(report, 80)
    for test in report["tests"]:
        test["p_corrected"] = 0.06
    assert "¹" not in shown(report, 80)


def test_few_examples_are_warned_of() -> None:
    report = summary(results({"sft": 0.0, "rest-pg": 0.1}, {"review": 40, "email": 12}))
    (test,) = [t for t in report["task_tests"] if (t["task"], t["metric"]) == ("email", "reward")]
    (note,) = [line for line in to_markdown(report, NAMES).splitlines() if "Few examples" in line]
    assert "with 12 of email" in note
    assert f"{test['detectable']:.2g}" in note
    assert "Few examples" not in to_markdown(summary(results({"a": 0, "b": 1}, {"t": 30})), NAMES)


def test_what_few_examples_would_miss_is_of_the_tests_that_have_few() -> None:
    found = results({"a": 0.0, "b": 0.1, "c": 0.2}, {"t": 40})
    found["c"] = dict([*found["c"].items()][:12])
    report = summary(found)
    few = [t["detectable"] for t in report["tests"] if t["metric"] == "reward" and t["n"] == 12]
    (note,) = [line for line in to_markdown(report, NAMES).splitlines() if "Few examples" in line]
    assert "with 12 p-values and intervals can be far off; " in note
    assert f" a difference in reward of less than about {np.median(few):.2g} " in note


def test_few_examples_are_warned_of_where_all_differ_alike_too() -> None:
    alike = {"a": [0.0, 0.25], "b": [0.25, 0.5]}
    found = {m: {str(i): example("t", reward=r) for i, r in enumerate(own)} for m, own in alike.items()}
    text = to_markdown(summary(found), NAMES)
    assert "Few examples: with 2 p-values and intervals can be far off." in text


@pytest.mark.parametrize("common", [0, 1])
def test_methods_without_two_common_examples_are_said_to_have_no_test(common: int) -> None:
    found = results({"a": 0.0, "b": 0.1}, {"t": 40})
    found["b"] = {i if n < common else f"other {i}": e for n, (i, e) in enumerate(found["b"].items())}
    assert f"Few examples: with {common} in common there is no test." in to_markdown(summary(found), NAMES)


def test_missing_values_are_left_out_and_counted() -> None:
    report = summary(
        {
            "rag": {
                "1": example("t", reward=0.5, rouge1=0.1),
                "2": example("t", reward=None, rouge1=0.3),
                "3": example("t", reward=math.nan, rouge1=0.2),
                "4": example("t", reward=0.25, rouge1=0.2),
            },
            "sft": {str(i): example("t", reward=0.75, rouge1=0.2) for i in range(1, 5)},
        }
    )
    assert report["methods"]["rag"] == {
        "reward": 0.375,
        "rouge1": pytest.approx(0.2),
        "n": 4,
        "missing": {"reward": 2},
    }
    assert "missing" not in report["methods"]["sft"]
    reward, rouge = report["tests"]
    assert (reward["difference"], reward["n"]) == (0.375, 2)
    assert rouge["n"] == 4
    assert "rag: reward is missing for 2 of 4 examples." in shown(report, 80)


def test_only_examples_of_both_methods_are_compared() -> None:
    scored = results({"rag": 0.0, "sft": 0.0}, {"t": 12})
    del scored["rag"]["t-0"], scored["sft"]["t-1"], scored["sft"]["t-2"]
    report = summary(scored)
    assert (report["methods"]["rag"]["n"], report["methods"]["sft"]["n"]) == (11, 10)
    for test in report["tests"]:
        a, b = ([scored[name][f"t-{i}"]["metrics"][test["metric"]] for i in range(3, 12)] for name in scored)
        assert test["n"] == 9
        assert test["p"] == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)
    assert "some tests compare only 9 pairs" in to_markdown(report, NAMES)


def test_what_cannot_be_told_is_none_and_valid_json() -> None:
    nothing = {"rag": {}, "sft": {"1": example("t", reward=None)}, "pat": {"1": example("t", reward=0.5)}}
    report = json.loads(json.dumps(summary(nothing), allow_nan=False))
    assert report["methods"]["rag"] == {"reward": None, "n": 0}
    assert report["methods"]["sft"] == {"reward": None, "n": 1, "missing": {"reward": 1}}
    assert [(test["difference"], test["p"], test["n"]) for test in report["tests"]] == [(None, None, 0)] * 3
    single = summary({"a": {"1": example("t", reward=0.25)}, "b": {"1": example("t", reward=0.5)}})
    known = {"a": "a", "b": "b", "metric": "reward", "n": 1, "difference": 0.25, "interval": [None, None]}
    assert single["tests"] == [known | {"p": None, "effect": None, "detectable": None}]
    assert "–" in shown(report, 80)
    assert summary({}) == {"methods": {}, "tests": []}


def test_identical_methods() -> None:
    scored = results({"a": 0.0}, {"t": 8})
    report = summary({"a": scored["a"], "b": scored["a"]})
    assert {(test["difference"], test["p"]) for test in report["tests"]} == {(0.0, 1.0)}


def test_other_metrics_pass_through_after_the_usual_ones() -> None:
    report = summary({"a": {"1": example("t", words=120.0, meteor=0.5, rougeL=0.25, bert_score=0.75)}})
    assert list(report["methods"]["a"]) == ["rougeL", "meteor", "words", "bert_score", "n"]
    assert "120.0000" in shown(report, 80)


def test_a_metric_cannot_take_the_name_of_a_field() -> None:
    with pytest.raises(ValueError, match="'n'"):
        summary({"a": {"1": example("t", n=1.0)}})


def row(text: str, method: str) -> list[str]:
    """The cells of a method's first row in a Markdown table."""
    line = next(line for line in text.splitlines() if f"| {method} |" in line)
    return line.strip("| ").split(" | ")


def test_superscripts_mark_the_rows_beaten() -> None:
    scored = results({"sft": 0.1, "rag": 0.0, "rest-pg": 0.3}, {"t": 40})
    report = summary(scored)
    cells = {method: row(to_markdown(report, NAMES), method) for method in scored}
    for i, metric in enumerate(METRICS, start=2):
        mean = {method: f"{np.mean(values(scored, method, metric)):.4f}" for method in scored}
        assert cells["sft"][i] == mean["sft"] + "²"
        assert cells["rag"][i] == mean["rag"]
        assert cells["rest-pg"][i] == mean["rest-pg"] + "¹²"
    assert [cells[method][0] for method in scored] == ["1", "2", "3"]
    assert [cells[method][-1] for method in scored] == ["40"] * 3


def test_no_superscript_for_a_difference_that_is_not_significant() -> None:
    # Higher by 0.03 on average, with differences of 0.15: p = 0.40.
    a, b = [0.5, 0.6, 0.4, 0.55, 0.45] * 4, [0.6, 0.4, 0.65, 0.6, 0.4] * 4
    assert stats.ttest_rel(a, b).pvalue > 0.05
    report = summary(
        {
            name: {str(i): example("t", reward=value) for i, value in enumerate(of_method)}
            for name, of_method in (("a", a), ("b", b))
        }
    )
    assert row(to_markdown(report), "b") == ["2", "b", "0.5300", "20"]


def test_no_superscript_where_the_average_shown_says_otherwise() -> None:
    # b is better on 30 examples of one task and worse on the 2 of another: pooled better, on average worse.
    rng = random.Random(0)
    scored: Results = {"a": {}, "b": {}}
    for i in range(30):
        scored["a"][f"x{i}"] = example("x", reward=0.5 + rng.gauss(0, 0.01))
        scored["b"][f"x{i}"] = example("x", reward=0.6 + rng.gauss(0, 0.01))
    for i in range(2):
        scored["a"][f"y{i}"] = example("y", reward=0.7)
        scored["b"][f"y{i}"] = example("y", reward=0.5)
    report = summary(scored)
    test = report["tests"][0]
    assert test["p"] < 0.05
    assert test["difference"] > 0
    assert report["methods"]["b"]["reward"] < report["methods"]["a"]["reward"]
    cells = row(to_markdown(report), "b")
    assert cells[2].endswith("¹")
    assert cells[4] == f"{report['methods']['b']['reward']:.4f}"


def test_ten_rows_and_more_stay_apart() -> None:
    scored = results({f"m{i}": 0.3 * i for i in range(1, 13)}, {"t": 20})
    cells = row(to_markdown(summary(scored), NAMES), "m12")
    assert cells[2].endswith("¹,²,³,⁴,⁵,⁶,⁷,⁸,⁹,¹⁰,¹¹")


TASKS = {"email_completion": 6, "abstract_generation": 6, "product_review": 6, "topic_writing": 6}
METHODS = {"zero-shot": 0.0, "SFT w/ Reasoning-Enhancement": 0.1, "rest-pg [r=0.5] | τ": 0.2}


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("tasks", [{"review": 12}, TASKS], ids=["one task", "four tasks"])
def test_every_number_is_whole_at_every_width(width: int, tasks: dict[str, int]) -> None:
    report = summary(results(METHODS, tasks))
    text = shown(report, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "…" not in text
    for entry in report["methods"].values():
        for means in (entry, *entry.get("tasks", {}).values()):
            assert all(f"{means[metric]:.4f}" in text for metric in METRICS)


def test_tables_of_several_tasks_have_a_column_a_task_and_the_macro_average() -> None:
    report = summary(results(METHODS, TASKS))
    markdown = to_markdown(report, NAMES)
    heading = "|  | Method | " + " | ".join(TASKS) + " | Average (macro) | n |"
    assert markdown.count(heading) == len(METRICS)
    assert [line for line in markdown.splitlines() if line.startswith("**")] == [f"**{metric}**" for metric in METRICS]
    first = row(markdown, "zero-shot")
    entry = report["methods"]["zero-shot"]
    assert first[2:] == [
        *(f"{entry['tasks'][task]['reward']:.4f}" for task in TASKS),
        f"{entry['reward']:.4f}",
        "24",
    ]
    assert "rest-pg [r=0.5] \\| τ" in markdown
    assert "rest-pg [r=0.5] | τ" in shown(report, 200)


def test_a_method_without_a_task_says_so() -> None:
    scored = results({"a": 0.0, "b": 0.0}, {"x": 4, "y": 4})
    scored["b"] = {i: entry for i, entry in scored["b"].items() if entry["task"] == "x"}
    report = summary(scored)
    assert report["methods"]["b"]["reward"] == report["methods"]["b"]["tasks"]["x"]["reward"]
    text = to_markdown(report, NAMES)
    assert row(text, "b")[3] == "–"
    assert "b: no example of y; its average is over its other tasks." in text
    assert {test["task"] for test in report["task_tests"]} == {"x"}
    assert "Examples of each task: x 4, y 0 to 4." in text
    of_y = shown(report, 30).split("reward: y")[1].split("reward: Average")[0]
    assert [line.split()[-1] for line in of_y.splitlines() if line.startswith(("1", "2"))] == ["4", "0"]


def test_meteor_goes_by_the_name_it_was_computed_under() -> None:
    report = summary({"a": {"1": example("t", meteor=0.5)}})
    assert "| meteor-no-synonyms |" in to_markdown(report, {"meteor": "meteor-no-synonyms"})
    assert "| meteor |" in to_markdown(report, {"meteor": "meteor"})
    assert f"| {meteor_name()} |" in to_markdown(report)
    assert list(report["methods"]["a"]) == ["meteor", "n"]


def test_latex_marks_the_best_and_the_beaten_and_escapes_names() -> None:
    report = summary(results({"a_b": 0.0, "50% {x}": 0.1}, {"review": 30}))
    text = to_latex(report, NAMES)
    best = report["methods"]["50% {x}"]["reward"]
    (line,) = [line for line in text.splitlines() if line.startswith("2 &")]
    assert line.startswith(rf"2 & 50\% \{{x\}} & \textbf{{{best:.4f}}}$^{{1}}$ & ")
    assert line.endswith(r" & 30 \\")
    assert r"1 & a\_b & " in text
    assert text.count(r"\begin{tabular}{rlllllr}") == text.count(r"\end{tabular}") == 1
    assert to_latex(summary(results({"a": 0}, TASKS)), NAMES).count(r"\toprule") == len(METRICS)


def test_csv_holds_every_mean_and_every_test_whole() -> None:
    report = summary(results({"a,b": 0.0, "c": 0.1}, TASKS), "holm")
    means = list(csv.DictReader(io.StringIO(means_to_csv(report))))
    assert len(means) == 2 * (len(TASKS) + 1) * len(METRICS)
    for line in means:
        entry = report["methods"][line["method"]]
        expected = entry["tasks"][line["task"]] if line["task"] else entry
        assert float(line["mean"]) == expected[line["metric"]]
        assert int(line["n"]) == (TASKS[line["task"]] if line["task"] else sum(TASKS.values()))
    tests = list(csv.DictReader(io.StringIO(comparisons_to_csv(report))))
    assert len(tests) == len(report["tests"]) + len(report["task_tests"])
    for line, test in zip(tests, [*report["tests"], *report["task_tests"]], strict=True):
        assert line["task"] == test.get("task", "")
        assert [float(line["low"]), float(line["high"])] == test["interval"]
        for field in ("difference", "p", "p_corrected", "effect"):
            assert float(line[field]) == test[field]


def test_names_are_no_markup_and_no_formula() -> None:
    hostile = "=1+1 <img src=x>\n\\input{x}"
    report = summary(results({hostile: 0.0}, {"t": 3, hostile: 3}))
    latex = to_latex(report, NAMES)
    assert all(not line.startswith("\\input") for line in latex.splitlines())
    assert "<img" not in to_markdown(report, NAMES)
    for text in (means_to_csv(report), comparisons_to_csv(summary(results({hostile: 0.0, "a": 0.1}, {"t": 3})))):
        assert not any(cell.startswith("=") for line in csv.reader(io.StringIO(text)) for cell in line)
