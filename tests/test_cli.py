"""The command line as a user meets it: bad input is one line and exit code 2."""

import contextlib
import io
import json
import math
import re
import shutil
import subprocess
import sys
from unittest.mock import patch

import pytest
import yaml
from rich.console import Console

from penname.cli import app as cli
from penname.runs.folder import read_records, write_records


def penname(*arguments, cwd="."):
    """In this process: another one would import torch anew, which takes seconds."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", ["penname", *map(str, arguments)]),
        patch.object(cli, "console", Console(file=out, width=120)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(cwd),
    ):
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def refused(done, *parts):
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("penname: ")
    for part in parts:
        assert part in lines[0]


@pytest.fixture(scope="module")
def recipe(tiny_model, notes, tmp_path_factory):
    path = tmp_path_factory.mktemp("recipes") / "small.yaml"
    path.write_text(
        f"""
methods: [zero-shot, rag, sft-reasoning, rest-pg]
data: [{{format: jsonl, path: {notes}}}]
generator: {{model: {tiny_model}, dtype: float32}}
teacher: {{model: {tiny_model}}}
retrieval: {{retriever: bm25, k: 1}}
prompt: {{max_input_tokens: 400, max_output_tokens: 80}}
reasoning: {{max_input_tokens: 600, max_new_tokens: 16, max_copied_tokens: 30}}
training: {{learning_rate: 2.0e-4, batch_size: 4}}
expectation: {{samples: 3, temperature: 0.5, quantile: 0.5}}
reward: {{mixture: {{rouge1: 1}}}}
"""
    )
    return path


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    done = penname("train", recipe, "--run", folder)
    assert done.returncode == 0, done.stderr
    assert "rest-pg" in done.stdout
    assert f"run: {folder}" in done.stdout.replace("\n", "")
    return folder


def test_compare_prints_the_promised_json(run):
    found = json.loads(penname("compare", run, "--json").stdout)
    assert set(found["methods"]) == {"zero-shot", "rag", "sft-reasoning", "rest-pg"}
    assert {"reward", "rouge1", "rougeL", "meteor", "n"} <= set(found["methods"]["rest-pg"])
    assert found["methods"]["rest-pg"]["n"] == 6
    assert {"a", "b", "metric", "difference", "interval", "p"} <= set(found["tests"][0])
    assert len(found["tests"]) == 6 * 4
    assert "| 4 | rest-pg |" in penname("compare", run, "--markdown").stdout


def records(folder):
    return [r for path in sorted(folder.glob("*.parquet")) for r in read_records(path)]


def test_rewards_are_of_the_responses_alone(run):
    from penname.rewards.overlap import METRICS

    outputs = {r["example_id"]: r["output"] for r in records(run / "data" / "train")}
    samples = [r for r in records(run / "rest-pg" / "iteration-1" / "rewards") if r["response"]]
    assert any(r["reasoning"] for r in samples)
    whole = 0
    for r in samples:
        assert r["reward"] == METRICS["rouge1"](outputs[r["example_id"]], r["response"])
        whole += r["reward"] != METRICS["rouge1"](outputs[r["example_id"]], r["completion"])
    assert whole, "no completion whose reward would differ with its reasoning: the test shows nothing"


def test_a_damaged_or_missing_file_of_a_finished_run_is_named_and_made_again(run, recipe, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    expected = penname("compare", run, "--json").stdout
    metrics = folder / "evaluation" / "test" / "rag" / "metrics" / "00000.parquet"
    metrics.write_bytes(metrics.read_bytes()[:-9])
    (folder / "evaluation" / "test" / "rest-pg" / "metrics" / "00000.parquet").unlink()
    (folder / "data" / "test" / "00000.parquet").unlink()
    refused(penname("compare", folder), "rag/metrics/00000.parquet: damaged", "start the run again")
    again = penname("train", recipe, "--run", folder)
    assert again.returncode == 0, again.stderr
    assert "rest-pg/metrics/00000.parquet: missing; repeating the stage" in again.stdout.replace("\n", "")
    assert "data/test/00000.parquet: missing; repeating the stage" in again.stdout.replace("\n", "")
    assert penname("compare", folder, "--json").stdout == expected


def test_compare_keeps_runs_of_the_same_name_apart_and_says_what_is_not_there(run, tmp_path):
    other = tmp_path / run.name
    shutil.copytree(run, other)
    shutil.rmtree(other / "evaluation" / "test" / "rag")
    done = penname("compare", run, other, "--json")
    assert len(json.loads(done.stdout)["methods"]) == 7
    assert f"{other}: rag is not evaluated on test yet" in done.stderr


def with_seed(run, folder, seed, before="seed: 0"):
    shutil.copytree(run, folder)
    path = folder / "recipe.yaml"
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, seed))
    return folder


@pytest.mark.slow
def test_compare_takes_runs_of_several_seeds_as_one(run, tmp_path):
    other = with_seed(run, tmp_path / "other", "seed: 1")
    one, both = (json.loads(penname("compare", *runs, "--json").stdout) for runs in ([run], [run, other]))
    taken = json.loads(penname("compare", run, other, "--over-seeds", "--json").stdout)
    assert taken["methods"] == one["methods"]
    assert len(both["methods"]) == 2 * len(one["methods"])
    assert taken["seeds"]["n"] == 2
    assert set(taken["seeds"]["deviation"]) == set(one["methods"])
    assert "Means over 2 seeds" in penname("compare", run, other, "--over-seeds").stdout
    assert penname("report", run, other, "--over-seeds", "--out", tmp_path / "report").returncode == 0
    assert "Means over 2 seeds" in (tmp_path / "report" / "report.html").read_text()
    stage = other / "evaluation/test/rag/stage.json"
    stage.write_text(json.dumps(json.loads(stage.read_text()) | {"malformed": 2}))
    assert "other:rag: of 6 completions 2 malformed" in penname("compare", run, other, "--over-seeds").stderr
    refused(penname("compare", run, "--over-seeds"), "seeds 0, expected different ones")
    refused(penname("compare", run, run, "--over-seeds"), "expected different ones")
    changed = with_seed(other, tmp_path / "changed", "samples: 4", "samples: 3")
    refused(penname("compare", run, changed, "--over-seeds"), "expectation.samples was 3, now 4")


def test_compare_refuses_what_is_not_a_pair(run, tmp_path):
    refused(penname("compare", run, run), "given twice")
    refused(penname("compare", run, "--over-seeds", with_seed(run, tmp_path / "s", "seed: 1"), run), "given twice")
    other = with_seed(run, tmp_path / "other", "seed: 1")
    (path,) = (other / "data" / "test").glob("*.parquet")
    records = read_records(path)
    write_records(path, [records[0] | {"output": "Another text."}, *records[1:]])
    made = json.loads((path.parent / "stage.json").read_text())
    made["files"][path.name] = path.stat().st_size
    (path.parent / "stage.json").write_text(json.dumps(made))
    for more in ([], ["--over-seeds"]):
        refused(penname("compare", run, other, *more), records[0]["example_id"], "another input or output")
    path.unlink()
    refused(penname("compare", run, other), str(other), "start the run again")


def test_compare_says_where_rewards_are_not_the_same(run, tmp_path):
    other = with_seed(run, tmp_path / "other", "rouge1: 2", "rouge1: 1")
    assert "have different rewards" in penname("compare", run, other).stderr
    assert "have different rewards" not in penname("compare", run).stderr
    penname("report", run, other, "--out", tmp_path / "report")
    assert "have different rewards" in (tmp_path / "report" / "report.html").read_text()


def test_compare_counts_what_has_no_response_or_no_end(run, tmp_path):
    folder = with_seed(run, tmp_path / "run", "seed: 0")
    path = folder / "evaluation/test/rest-pg/stage.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"malformed": 2, "unfinished": 1}))
    done = penname("compare", folder)
    assert "rest-pg: of 6 completions 2 malformed, which score 0, 1 truncated at the token limit." in done.stderr
    path.write_text(json.dumps(json.loads(path.read_text()) | {"malformed": 0, "unfinished": 0}))
    assert "rest-pg: of" not in penname("compare", folder).stderr


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("evaluation/test/rag/stage.json", '{"a": 1}', "found no list of files"),
        ("evaluation/test/rag/stage.json", '{"files": [1]}', "found no list of files"),
        ("data/test/stage.json", "{", "damaged"),
        ("rest-pg/iteration-1/rewards", None, "found nothing for example"),
    ],
)
def test_a_report_names_what_is_damaged(run, tmp_path, name, content, part):
    folder = tmp_path / "damaged"
    shutil.copytree(run, folder)
    if content is None:
        shutil.rmtree(folder / name)
    else:
        (folder / name).write_text(content)
    refused(penname("report", folder), name, part)


def test_a_report_of_odd_files_beside_the_results(run, tmp_path):
    folder = tmp_path / "odd"
    shutil.copytree(run, folder)
    (folder / "timing.jsonl").write_bytes(b'\xff\xfe\n{"stage": "sft", "count": 1, "tokens": 1, "seconds": "5"}')
    (folder / "rest-pg" / "iteration-old.bak").mkdir()
    for packages in ([1], 3):
        (folder / "environment.json").write_text(json.dumps({"packages": packages}))
        done = penname("report", folder)
        assert done.returncode == 0, done.stderr


def test_compare_corrects_for_many_comparisons(run):
    found = json.loads(penname("compare", run, "--holm", "--json").stdout)
    assert all(test["p"] is None or test["p_corrected"] >= test["p"] for test in found["tests"])


def test_a_report_is_written_with_its_tables_and_pictures(run, tmp_path):
    done = penname("report", run, "--out", tmp_path / "out")
    assert "out/report.html" in done.stdout.replace("\n", ""), done.stderr
    html = (tmp_path / "out" / "report.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL).group(1))
    assert data["methods"] == ["zero-shot", "rag", "sft-reasoning", "rest-pg"]
    assert {len(example["written"]) for example in data["examples"]} == {4}
    assert len(data["examples"]) == 6
    assert all(data["profiles"][example["profile"]] for example in data["examples"])
    assert "rest-pg/iteration-1/samples" in html, "stages are timed"
    figures = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert {"reward-by-method.svg", "rest-pg-rewards.png", "rest-pg-kept.png", "learning-curve.svg"} <= figures
    assert (tmp_path / "out" / "tables" / "means.csv").read_text().count("rest-pg") == 4
    refused(penname("report", tmp_path), "found no recipe.yaml")


def test_losses_and_figures_of_stages_are_in_tensorboard(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    losses = found.Scalars("sft-reasoning/training/loss")
    assert [event.step for event in losses] == list(range(1, len(losses) + 1))
    facts = json.loads((run / "sft-reasoning" / "training" / "stage.json").read_text())
    assert losses[-1].value == pytest.approx(facts["last_loss"], rel=1e-3)
    means = json.loads(penname("compare", run, "--json").stdout)["methods"]
    (logged,) = found.Scalars("evaluation/test/rest-pg/mean_reward")
    assert logged.value == pytest.approx(means["rest-pg"]["reward"])
    assert "rest-pg/iteration-1/selection/kept" in found.Tags()["scalars"]


def test_people_judge_pairs_of_a_run(run, tmp_path):
    page = tmp_path / "pairs.html"
    export = ["judge-humans", "export", run, "--out", page, "--metric", "reward", "--difference", "0.01"]
    done = penname(*export, "--pairs", "4")
    assert done.returncode == 0, done.stderr
    key = json.loads((tmp_path / "pairs.key.json").read_text())
    assert 1 <= len(key["pairs"]) <= 4
    answers = tmp_path / "ann.json"
    choices = {n: "a" if p["scores"][0] > p["scores"][1] else "b" for n, p in key["pairs"].items()}
    saved = {"export": key["export"], "annotator": "ann", "answers": choices}
    answers.write_text(json.dumps(saved))
    key_path = tmp_path / "pairs.key.json"
    found = json.loads(penname("judge-humans", "import", key_path, answers, "--json").stdout)
    assert found["annotators"]["ann"]["agreement"] == 1.0
    assert penname("judge-humans", "import", key_path, answers).returncode == 0
    refused(penname("judge-humans", "import", key_path, answers, answers), "'ann' a second time")
    answers.write_text(json.dumps(saved | {"annotator": " Ann\u00a0 علی‌رضا "}))
    named = json.loads(penname("judge-humans", "import", key_path, answers, "--json").stdout)
    assert list(named["annotators"]) == ["Ann علی‌رضا"]
    for change, message in (
        ({"export": "other"}, "that of the key"),
        ({"answers": {"99": "a"}}, "answers.99"),
        ({"answers": {"1": "c"}}, "one of a, b, neither"),
        ({"annotator": 5}, "field 'annotator'"),
        ({"annotator": " "}, "an empty name"),
        ({"annotator": "\ud800"}, r"found '\ud800'"),
        ({"export": 7}, "field 'export': found 7, expected a str"),
    ):
        answers.write_text(json.dumps(saved | change))
        refused(penname("judge-humans", "import", key_path, answers), message)
    for text in ("no JSON", "[" * 200_000):
        answers.write_text(text)
        refused(penname("judge-humans", "import", key_path, answers), "ann.json: found no JSON")
    for scores in ([math.nan, True], [1, 10**400]):
        key["pairs"]["1"]["scores"] = scores
        (tmp_path / "nan.json").write_text(json.dumps(key))
        refused(penname("judge-humans", "import", tmp_path / "nan.json", answers), "pairs.1.scores", "two numbers")
    refused(penname("judge-humans", "import", key_path, tmp_path / "none.json"), "none.json")
    refused(penname(*export, "--difference", "0.99"), "lower --difference")
    refused(penname("judge-humans", "export", run, "--out", page), "--metric: found 'judge'")
    refused(penname("judge-humans", "export", run, "--out", tmp_path / "x"), "ends in .html")


def test_train_again_repeats_nothing(run, recipe):
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*.parquet")}
    assert penname("train", recipe, "--run", run).returncode == 0
    assert before == {p: p.stat().st_mtime_ns for p in run.rglob("*.parquet")}


def test_a_run_keeps_what_made_it(run):
    for name in ("recipe.yaml", "environment.json", "log.txt"):
        assert (run / name).stat().st_size
    model = run / "rest-pg" / "iteration-1" / "training" / "model"
    assert {"model.safetensors", "tokenizer.json", "README.md", "penname.json"} <= {p.name for p in model.iterdir()}
    assert "| rouge1 |" in (model / "README.md").read_text()
    facts = json.loads((model.parent / "stage.json").read_text())
    assert facts["weights_before"] != facts["weights_after"]
    assert facts["started_from"].endswith("trained/model")


def test_evaluate_another_split(run):
    card = run / "rest-pg" / "iteration-1" / "training" / "model" / "README.md"
    card.unlink()
    some = penname("evaluate", run, "--split", "val", "--method", "rag", "--method", "zero-shot", "--json")
    assert list(json.loads(some.stdout)["methods"]) == ["zero-shot", "rag"]
    assert card.is_file()
    done = penname("evaluate", run, "--split", "val", "--json")
    assert json.loads(done.stdout)["methods"]["rag"]["n"] == 6
    assert set(json.loads(done.stdout)["methods"]) > {"zero-shot", "rag"}
    refused(penname("evaluate", run, "--method", "magic"), "--method: found 'magic', expected one of zero-shot, rag")


def test_another_recipe_in_the_same_folder_is_refused(run, recipe):
    refused(penname("train", recipe, "--run", run, "--set", "seed=9"), "another recipe", "seed was 0, now 9")


@pytest.mark.parametrize("kind", ["jsonl", "folder", "empty"])
def test_generate_for_a_new_user(run, tmp_path, kind):
    profile = tmp_path / "texts"
    if kind == "folder":
        profile.mkdir()
        (profile / "one.txt").write_text("I wrote of clouds before.")
    else:
        profile.write_text('{"text": "I wrote of clouds before."}\n' if kind == "jsonl" else "")
    done = penname("generate", "--model", run, "--profile", profile, "--prompt", "Write about clouds.")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert ("the response is not personalized" in done.stderr) == (kind == "empty")


def test_generate_reuses_a_reasoning_that_was_kept(run, tmp_path):
    profile, kept = tmp_path / "one.txt", tmp_path / "reasoning.txt"
    profile.write_text("I wrote of clouds before.")
    call = ["generate", "--model", run, "--profile", profile, "--prompt", "Write about clouds.", "--json"]
    kept.write_text("Clouds, always clouds.")
    done = json.loads(penname(*call, "--reuse-reasoning", kept).stdout)
    assert done["reasoning"] == "Clouds, always clouds."
    assert done["response"]
    assert kept.read_text() == "Clouds, always clouds."
    kept.write_text(" ")
    refused(penname(*call, "--reuse-reasoning", kept), "reasoning.txt: found nothing")
    refused(
        penname(*call, "--reuse-reasoning", kept, "--method", "rag"),
        "--reuse-reasoning: this model was not trained to reason",
    )
    for seed in range(9):  # the tiny model does not always reason
        kept.unlink(missing_ok=True)
        first = json.loads(penname(*call, "--reuse-reasoning", kept, "--seed", seed).stdout)
        if kept.exists():
            break
    assert kept.read_text().strip() == first["reasoning"]
    again = json.loads(penname(*call, "--reuse-reasoning", kept, "--seed", 5).stdout)
    assert again["reasoning"] == first["reasoning"]


@pytest.mark.slow
def test_generate_with_a_model_of_no_run(run, tmp_path):
    profile = tmp_path / "p.jsonl"
    profile.write_text('{"text": "I wrote of clouds before."}\n')
    done = penname("generate", "--model", "bundled", "--profile", profile, "--prompt", "Write of clouds.")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "was not trained by penname" in done.stderr
    refused(
        penname("generate", "--model", "bundled", "--method", "sft", "--profile", profile, "--prompt", "x"), "is no run"
    )
    refused(
        penname("generate", "--model", tmp_path / "none", "--profile", profile, "--prompt", "x"), "could not be loaded"
    )


def test_generate_says_which_method_of_a_run_wrote(run, tmp_path):
    profile = tmp_path / "p.jsonl"
    profile.write_text('{"text": "I wrote of clouds before."}\n')
    done = penname("generate", "--model", run, "--profile", profile, "--prompt", "Write of clouds.")
    assert "written by the run's method rest-pg" in done.stderr


def test_a_checkpoint_of_other_templates_is_refused(run, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(run / "sft-reasoning" / "training" / "model", model)
    facts = json.loads((model / "penname.json").read_text())
    facts["templates"]["figure8_input"] = "0" * 16
    (model / "penname.json").write_text(json.dumps(facts))
    (tmp_path / "p.jsonl").write_text('{"text": "x"}\n')
    refused(
        penname("generate", "--model", model, "--profile", tmp_path / "p.jsonl", "--prompt", "x"),
        "another text of template figure8_input",
    )


@pytest.mark.parametrize("content", ["", "[1"])
def test_damaged_files_of_a_run_are_named(run, tmp_path, content):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (tmp_path / "p.jsonl").write_text('{"text": "x"}\n')
    facts = copy / "sft-reasoning" / "training" / "model" / "penname.json"
    facts.write_text(content)
    done = penname(
        "generate",
        "--model",
        copy,
        "--method",
        "sft-reasoning",
        "--profile",
        tmp_path / "p.jsonl",
        "--prompt",
        "Write of clouds.",
    )
    refused(done, "penname.json: damaged")
    stage = copy / "evaluation" / "test" / "rag" / "stage.json"
    stage.write_text(content)
    refused(penname("compare", copy), f"{stage}: damaged")
    (copy / "environment.json").write_text(content)
    refused(penname("compare", copy), "environment.json: damaged")


def test_fewer_methods_than_the_run_was_started_with(recipe, run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "evaluation" / "test" / "rest-pg")
    done = penname("train", recipe, "--run", copy, "--set", "methods=[rag]")
    assert done.returncode == 0, done.stderr
    assert "rest-pg is not evaluated on test yet" in done.stderr


def test_the_quickstart_goes_on_with_the_methods_that_reason(tiny_model, notes, tmp_path):
    model = f"{{model: {tiny_model}, dtype: float32}}"
    settings = [
        f"data=[{{format: jsonl, path: {notes}}}]",
        f"generator={model}",
        f"teacher={model}",
        "prompt={max_input_tokens: 400, max_output_tokens: 80}",
        "reasoning={max_input_tokens: 600, max_new_tokens: 16, max_copied_tokens: 30}",
        "training={learning_rate: 2.0e-4, batch_size: 4}",
        "limit={}",
        "three_authors=null",
    ]
    asked = ["--run", tmp_path / "q", *(part for setting in settings for part in ("--set", setting))]
    done = penname("quickstart", *asked)
    assert done.returncode == 0, done.stderr
    assert "rest-em" in done.stdout
    assert "rest-pg" not in done.stdout
    trained = (tmp_path / "q" / "sft" / "training" / "stage.json").stat().st_mtime_ns
    done = penname("quickstart", "--all", *asked)
    assert done.returncode == 0, done.stderr
    assert "rest-pg" in done.stdout
    assert (tmp_path / "q" / "sft" / "training" / "stage.json").stat().st_mtime_ns == trained


def test_an_example_without_output_is_refused_in_training(recipe, notes, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for split in ("train", "test"):
        lines = (notes / f"{split}.jsonl").read_text().splitlines()
        record = json.loads(lines[0])
        del record["output"]
        (data / f"{split}.jsonl").write_text("\n".join([json.dumps(record), *lines[1:]]) + "\n")
    override = f"data=[{{format: jsonl, path: {data}}}]"
    done = penname("train", recipe, "--run", tmp_path / "r", "--set", override)
    refused(done, "train.jsonl:1: field 'output': found nothing")


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("generator.model=/nowhere/model", ("'/nowhere/model'", "could not be loaded")),
        ("trainin.epochs=1", ("with trainin.epochs=1: field 'trainin'", "unknown key", "did you mean 'training'")),
        ("data=[{format: jsonl, path: /nowhere}]", ("/nowhere: found no such file or folder",)),
        ("prompt.max_input_tokens=4000000", ("prompt.max_input_tokens", "found 4000080 together", "at most 1024")),
        (
            "training={batch_size: 1000000, micro_batch_tokens: 100000000}",
            ("not enough memory", "lower training.micro_batch_tokens"),
        ),
        ("prompt.max_input_tokens=20", ("example '", "over the limit of 20", "raise prompt.max_input_tokens")),
        ("seed=[", ("found no YAML value",)),
        ("seed=99999999999999", ("field 'seed'", "less than 4294967296")),
        ("training.epochs=.inf", ("field 'training.epochs'", "finite")),
        ("reward={mixture: {judge: 1}, judge: {model: /nowhere/judge}}", ("'/nowhere/judge' could not be loaded",)),
        ("generator={kind: openai, base_url: http://localhost:1/v1}", ("kind openai cannot serve",)),
    ],
)
def test_bad_settings_are_one_line(recipe, tmp_path, override, parts):
    refused(penname("train", recipe, "--run", tmp_path / "r", "--set", override), *parts)


def test_bad_arguments_are_one_line(tmp_path):
    refused(penname("train", "nowhere.yaml"), "no such recipe", "quickstart")
    refused(penname("compare", tmp_path), "found no recipe.yaml")
    refused(penname("evaluate", tmp_path), "found no recipe.yaml")
    refused(penname("generate", "--model", "bundled", "--profile", tmp_path / "x", "--prompt", "x"), "no such file")


def test_dry_run_plans_the_paper_without_its_models(tmp_path):
    done = penname("train", "paper", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "google" not in done.stderr
    for part in ("rest-pg", "2,000,000,000", "memory", "disk"):
        assert part in done.stdout
    assert not list(tmp_path.iterdir())


def test_as_a_process_of_its_own():
    """That one ends well, with nothing on stderr, is tested with the quickstart in test_cli_help.py."""
    command = [sys.executable, "-c", "from penname.cli.app import main; main()", "train", "nowhere.yaml"]
    refused(subprocess.run(command, capture_output=True, text=True, timeout=300), "no such recipe")


def test_a_run_without_a_method_that_reasons_has_no_reasoning_to_test(run, tmp_path):
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"methods": ["rag"]}))
    refused(penname("reasoning", tmp_path), "found no method that reasons, expected sft-reasoning or rest-pg")
