"""`penname data control` and the recipe `control`, from nothing to the table of five methods, at a tiny size."""

import json

import pytest

from penname.engines.models import load_tokenizer
from penname.training.pretraining import UNKNOWN_TOKEN
from test_cli import refused
from test_cli_data import penname  # noqa: F401

QUICK = ("--set", "limit={train: 16, test: 6}", "--set", "training.max_steps=4")
LEARNT = (
    *("--set", "limit={train: 20, test: 6}"),
    *("--set", "training.max_steps=200", "--set", "training.learning_rate=3e-3"),
    *("--set", "expectation.samples=2", "--set", "expectation.threshold=0", "--set", "expectation.iterations=1"),
)
"""Enough for a model of a few steps to know Figure 8's template by heart: without it nothing would be kept."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder that holds a small corpus under the name that the recipe gives it."""
    from penname.cli.control import control

    folder = tmp_path_factory.mktemp("corpus")
    control(folder / "control", users=40, steps=3)
    return folder


def test_the_recipe_trains_on_it(penname, corpus):  # noqa: F811
    done = penname("train", "control", *QUICK, "--set", "methods=[rag, sft, sft-reasoning]", cwd=corpus)
    assert done.returncode == 0, done.stderr
    found = json.loads(penname("compare", "runs/control", "--json", cwd=corpus).stdout)
    assert list(found["methods"]) == ["rag", "sft", "sft-reasoning"]
    assert all(entry["traits"] == entry["reward"] for entry in found["methods"].values())


@pytest.mark.slow
def test_the_recipe_trains_all_five_methods(penname, corpus):  # noqa: F811
    done = penname("train", "control", *LEARNT, "--run", "runs/five", cwd=corpus)
    assert done.returncode == 0, done.stderr
    found = json.loads(penname("compare", "runs/five", "--json", cwd=corpus).stdout)
    assert list(found["methods"]) == ["rag", "sft", "sft-reasoning", "rest-em", "rest-pg"]
    assert min(found["methods"][name]["reward"] for name in ("sft", "rest-pg")) > found["methods"]["rag"]["reward"]


def test_its_users_and_targets_do_not_leak(penname, corpus):  # noqa: F811
    done = penname("data", "leaks", "control", cwd=corpus)
    assert done.returncode == 0
    assert "no leak found" in done.stdout


def test_its_model_knows_every_word(corpus):
    tokenizer = load_tokenizer(str(corpus / "control" / "model"))
    unknown = tokenizer.convert_tokens_to_ids(UNKNOWN_TOKEN)
    for file in ("train.jsonl", "test.jsonl", "documents.jsonl"):
        for line in (corpus / "control" / file).read_text().splitlines():
            record = json.loads(line)
            for text in (record.get(name, "") for name in ("text", "input", "output", "reasoning")):
                tokens = tokenizer(text).input_ids
                assert unknown not in tokens
                assert tokenizer.decode(tokens) == text


def test_a_folder_that_is_there_is_not_written_over(penname, corpus):  # noqa: F811
    refused(penname("data", "control", "--out", "control", cwd=corpus), "expected a new folder")


def test_a_teacher_cannot_be_right_and_misled_at_once(penname, tmp_path):  # noqa: F811
    shares = ("--teacher", "0.8", "--misled", "0.5")
    refused(penname("data", "control", "--out", "new", *shares, cwd=tmp_path), "found a sum of 1.3, expected 1 at most")
    assert not list(tmp_path.iterdir())


def test_the_recipe_without_the_corpus_names_the_command(penname, tmp_path):  # noqa: F811
    refused(penname("train", "control", cwd=tmp_path), "made by: penname data control --out control")
