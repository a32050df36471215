"""What the page of results keeps of runs, and how it names their recipes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from penname.recipe_files import load_recipe
from penname.studio.results.kept import Kept, files_of, stamp_of
from penname.studio.results.recipe_names import MOST_CHANGES, describe_recipe
from penname.studio.runs import find_run, find_runs


class Making:
    """Counts how often a value is made of a file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.times = 0

    def __call__(self) -> str:
        self.times += 1
        return self.path.read_text()


def test_a_value_is_made_again_when_its_file_has_changed(tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    kept, making = Kept[str](2), Making(path)
    assert [kept.get("a", lambda: stamp_of([path]), making) for _ in range(3)] == ["one"] * 3
    assert making.times == 1
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert kept.get("a", lambda: stamp_of([path]), making) == "two"
    assert making.times == 2


def test_what_was_used_longest_ago_goes_first_and_what_is_gone_at_once(tmp_path):
    makings = {}
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
        makings[name] = Making(tmp_path / name)
    kept = Kept[str](2)

    def look(name: str) -> None:
        assert kept.get(name, lambda: stamp_of([tmp_path / name]), makings[name]) == name

    for name in ("a", "b", "a", "c", "a", "b"):
        look(name)
    assert {name: making.times for name, making in makings.items()} == {"a": 1, "b": 2, "c": 1}
    before = stamp_of([tmp_path / "b"])
    (tmp_path / "b").rename(tmp_path / "away")
    kept.drop_gone()
    (tmp_path / "away").rename(tmp_path / "b")
    assert stamp_of([tmp_path / "b"]) == before
    look("b")
    look("a")
    assert (makings["b"].times, makings["a"].times) == (3, 1)


def test_checkpoints_and_written_reports_have_no_part_in_results(tmp_path):
    for name in ("recipe.yaml", "sft/training/checkpoints/1/model", "report/report.html", "evaluation/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [path.relative_to(tmp_path).as_posix() for path in files_of(tmp_path)] == ["recipe.yaml", "evaluation/x"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ([], "quickstart"),
        (["methods=[rag]"], "quickstart"),
        (["seed=1"], "quickstart, 1 setting changed"),
        (["seed=1", "expectation.samples=8"], "quickstart, 2 settings changed"),
    ],
)
def test_a_recipe_is_named_after_the_one_that_it_comes_from(settings, named):
    assert describe_recipe(load_recipe("quickstart", settings)) == named


def test_a_recipe_that_is_unlike_all_others_is_ones_own():
    recipe = load_recipe("quickstart")
    changes = {key: value + 7 for key, value in recipe.training.model_dump().items() if type(value) in (int, float)}
    assert len(changes) > MOST_CHANGES
    unlike = recipe.model_copy(update={"training": recipe.training.model_copy(update=changes)})
    assert re.fullmatch(r"its own: \d\d settings differ from quickstart's", describe_recipe(unlike))


def test_names_lead_nowhere_but_to_runs(tmp_path):
    for name in ("one", "sweep/first", ".hidden", "one/deep/deeper"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "recipe.yaml").write_text("x")
    (tmp_path / "outside").mkdir()
    assert [run.name for run in find_runs(tmp_path / "runs")] == ["one", "sweep/first"]
    assert all(find_run(tmp_path / "runs", name) for name in ("one", "sweep/first"))
    others = ("", ".", "..", "../outside", "one/..", "one/deep/deeper", "/one", "one/", ".hidden", "x\0", "x" * 9999)
    for name in others:
        assert find_run(tmp_path / "runs", name) is None
    assert find_runs(tmp_path / "nowhere") == []
