"""Runs that an earlier version made can be compared, reported and written from.

`run-of-0.1.0.tar.xz` is a run of `rag` and `rest-pg` by version 0.1.0 before the package was rearranged, made with the
suite's tiny data set and a model of 42,000 parameters; its paths are shortened.
"""

import json
import re
import tarfile
from pathlib import Path

import pytest
import yaml

import penname
from penname.errors import UserError
from penname.recipe_files import check_recipe
from penname.runs.folder import read_stage

RECIPES = sorted((Path(__file__).parent / "recipes-of-0.1.0").glob("*.yaml"))
"""All that came with 0.1.0, from its last commit with the old names of settings."""

REWARDS = {"rag": 0.3041, "rest-pg": 0.2032}
"""As that version's own table had them."""


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "earlier"
    with tarfile.open(__file__.replace("test_earlier_runs.py", "run-of-0.1.0.tar.xz")) as archive:
        archive.extractall(folder, filter="data")
    return penname.open_run(folder)


def test_its_table_is_what_it_was(run):
    methods = run.compare().summary["methods"]
    assert {name: round(row["reward"], 4) for name, row in methods.items()} == REWARDS


def test_its_texts_are_reported(run):
    page = run.report().read_text(encoding="utf-8")
    written = read_stage(run.folder / "evaluation/test/rag/metrics")[0]["response"]
    assert written[:40] in page


def test_a_run_of_a_newer_version_is_refused_in_a_line(run):
    recipe, environment = run.folder / "recipe.yaml", run.folder / "environment.json"
    recipe.write_text(recipe.read_text() + "telepathy: true\n")
    with pytest.raises(UserError, match="telepathy"):
        penname.open_run(run.folder)
    found = json.loads(environment.read_text())
    environment.write_text(json.dumps(found | {"packages": found["packages"] | {"penname": "99.1"}}))
    with pytest.raises(UserError, match=r"found a run of penname 99\.1, expected .* or older; pip install") as error:
        penname.open_run(run.folder)
    assert "\n" not in str(error.value)


def test_its_model_writes(run):
    with run.writer("rest-pg") as writer:
        assert writer.write("Write about bread, note 9.", documents=["I like bread a lot."]).response


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_its_recipes_are_read_under_the_new_names_of_their_settings(path):
    text = path.read_text(encoding="utf-8")
    renamed = yaml.safe_load(re.sub(r"\brows:", "batch_size:", re.sub(r"\bcarve:", "split_by_user:", text)))
    assert penname.load_recipe(path) == check_recipe(renamed, "the same with new names")


def test_training_it_again_computes_nothing_anew(run, tiny_model):
    path = run.folder / "recipe.yaml"
    path.write_text(path.read_text().replace("model: tiny-model", f"model: {tiny_model}"))
    before = {file: file.stat().st_mtime_ns for file in run.folder.rglob("*.parquet")}
    again = penname.train(penname.load_recipe(path), run.folder)
    assert {file: file.stat().st_mtime_ns for file in run.folder.rglob("*.parquet")} == before
    assert {name: round(row["reward"], 4) for name, row in again.compare().summary["methods"].items()} == REWARDS
