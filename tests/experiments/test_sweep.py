"""A sweep's points end as runs of their own would, and share what does not depend on the setting."""

import contextlib
import json
import os
import shutil

import pytest
import torch
from tests.experiments.test_resume import small_recipe
from tests.kills import KILLS, kill_until_done, time_undisturbed
from tests.session.test_session import Lines

from penname.cli.app import app
from penname.errors import UserError
from penname.evaluation.table import averages
from penname.experiments import sweep
from penname.experiments.results import results_of
from penname.experiments.reuse import different_settings, reuse_stages, reused_stages
from penname.experiments.stages import stages_of
from penname.experiments.sweep import Point, make_points, run_sweep
from penname.experiments.train import train_run
from penname.generate.by_model import setup_of_run
from penname.recipe_files import load_recipe
from penname.runs.folder import read_stage


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, tiny_model, notes):
    path = tmp_path_factory.mktemp("recipe") / "small.yaml"
    path.write_text(json.dumps(small_recipe(tiny_model, notes).model_dump(mode="json")))
    return str(path)


def swept(recipe, over, folder, progress=None):
    points = make_points(recipe, [over], ["methods=[sft, rest-em]"], folder)
    return points, run_sweep(points, lambda place: contextlib.nullcontext(progress or Lines()))


def inodes(folder):
    return {path.relative_to(folder): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def by_samples(recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    return swept(recipe, "expectation.samples=2,4", folder)


def test_fewer_samples_are_the_first_ones_and_the_point_ends_as_a_run_of_its_own(by_samples, tmp_path):
    (two, four), (results, _) = by_samples
    assert (two.name, four.name) == ("expectation.samples=2", "expectation.samples=4")
    train_run(two.recipe, tmp_path / "alone", Lines())
    assert averages(results) == averages(results_of([tmp_path / "alone"])[0])
    for stage in ("samples", "rewards"):
        place = f"rest-em/iteration-1/{stage}"
        found, alone, of_four = (list(read_stage(f / place)) for f in (two.folder, tmp_path / "alone", four.folder))
        assert found == alone == [record for record in of_four if record["sample"] < 2]
    shares = {record.stage: record.share for record in reused_stages(two.folder)}
    assert shares["rest-em/iteration-1/samples"] == 0.5
    assert shares["sft/training"] == 1
    assert "rest-em/iteration-1/selection" not in shares
    assert "evaluation/test/rest-em" not in shares


def test_what_is_shared_is_there_once_and_what_is_not_is_apart(by_samples):
    (two, four), _ = by_samples
    same = set(inodes(two.folder).items()) & set(inodes(four.folder).items())
    shared = {str(path) for path, _ in same}
    assert {"sft/training/model/model.safetensors", "data/train/stage.json", "evaluation/test/sft/stage.json"} <= shared
    assert not any(path.startswith("rest-em") or "rest-em/" in path for path in shared)


def test_a_run_that_was_made_before_shares_too(by_samples, recipe, tmp_path):
    (_, made), _ = by_samples
    points = make_points(recipe, ["evaluation.shuffled=0.5,1"], ["methods=[sft, rest-em]"], tmp_path)
    points = [
        Point(p.name, p.recipe.model_copy(update={"expectation": made.recipe.expectation}), p.folder) for p in points
    ]
    run_sweep(points, lambda place: contextlib.nullcontext(Lines()), made.folder)
    for point in points:
        assert {"data/train", "rest-em/iteration-1/training"} <= {
            record.stage for record in reused_stages(point.folder)
        }
        assert setup_of_run(point.folder, point.recipe, "rest-em").evaluation == point.recipe.evaluation
    with pytest.raises(UserError, match="expected the folder of a run"):
        run_sweep(points, lambda place: contextlib.nullcontext(Lines()), tmp_path)


def test_an_evaluation_that_was_broken_off_is_not_taken_over(by_samples, tmp_path):
    (_, four), _ = by_samples
    donor = tmp_path / "donor"
    shutil.copytree(four.folder, donor)
    for method in ("sft", "rest-em"):
        (donor / "evaluation/test" / method / "stage.json").unlink()
    settings = four.recipe.expectation.model_copy(update={"quantile": 0.25, "threshold": None})
    reuse_stages(donor, four.recipe, tmp_path / "point", four.recipe.model_copy(update={"expectation": settings}))
    assert (tmp_path / "point/sft/training/stage.json").is_file()
    assert not (tmp_path / "point/evaluation").exists()


def test_a_damaged_record_of_what_was_taken_over_is_named(by_samples, tmp_path):
    (two, _), _ = by_samples
    found = json.loads((two.folder / "taken.json").read_text())
    found["taken"][0]["seconds"] = "long"
    (tmp_path / "taken.json").write_text(json.dumps(found))
    with pytest.raises(UserError, match=r"taken\.json: damaged"):
        reused_stages(tmp_path)


@pytest.mark.slow
def test_iterations_go_on_from_each_other(recipe, tmp_path):
    (one, two), _ = swept(recipe, "expectation.iterations=1,2", tmp_path)
    assert inodes(one.folder / "rest-em/iteration-1") == inodes(two.folder / "rest-em/iteration-1")
    assert (two.folder / "rest-em/iteration-2/training/stage.json").is_file()
    assert not (one.folder / "rest-em/iteration-2").exists()


@pytest.mark.slow
def test_each_iteration_starts_from_the_base_model_or_from_the_one_before(recipe, tmp_path):
    changes = ["methods=[rest-em]", "expectation.iterations=2"]
    points = make_points(recipe, ["expectation.start_from=base,previous"], changes, tmp_path)
    run_sweep(points, lambda place: contextlib.nullcontext(Lines()))

    def starts(point):
        facts = [json.loads((point.folder / stage / "training/stage.json").read_text()) for stage in stages]
        return [fact["started_from"] for fact in facts]

    stages = ("sft", "rest-em/iteration-1", "rest-em/iteration-2")
    from_base, from_previous = map(starts, points)
    assert set(from_base) == {points[0].recipe.generator.model}
    before = [str(points[1].folder / stage / "training/model") for stage in stages[:-1]]
    assert from_previous == [from_base[0], *before]


@pytest.mark.slow
def test_shuffled_profiles_change_the_evaluation_alone(recipe, tmp_path):
    (none, all_of_them), _ = swept(recipe, "evaluation.shuffled=0,1", tmp_path)
    stages = {record.stage for record in reused_stages(all_of_them.folder)}
    assert stages >= {"data/train", "sft/training", "rest-em/iteration-1/training"}
    assert not any(stage.startswith(("evaluation", "data/test")) for stage in stages)
    contexts = [
        {r["example_id"]: r["context"] for r in read_stage(p.folder / "data/test")} for p in (none, all_of_them)
    ]
    assert contexts[0] != contexts[1]


def test_a_sweep_that_was_broken_off_goes_on(recipe, by_samples, tmp_path, monkeypatch):
    (_, expected), began = by_samples[1], []

    def killed(recipe, folder, progress, *more):
        began.append(folder)
        if len(began) == 2:
            raise KeyboardInterrupt
        train_run(recipe, folder, progress, *more)

    monkeypatch.setattr(sweep, "train_run", killed)
    with pytest.raises(KeyboardInterrupt):
        swept(recipe, "expectation.samples=2,4", tmp_path)
    (two, four), results = swept(recipe, "expectation.samples=2,4", tmp_path)
    assert began == [four.folder, two.folder, four.folder, two.folder]
    assert averages(results[1]) == averages(expected)
    assert averages(results[0]) == averages(by_samples[1][0])


def sweep_in_a_process(recipe, folder):
    torch.set_num_threads(1)
    swept(recipe, "expectation.samples=2,4", folder)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_sweeps_killed_again_and_again_end_with_the_same_results(recipe, tmp_path):
    def found(folder):
        return [averages(results_of([point])[0]) for point in sorted(folder.iterdir()) if point.is_dir()]

    duration = time_undisturbed(sweep_in_a_process, recipe, tmp_path / "whole")
    expected, folder, killed = found(tmp_path / "whole"), tmp_path / "sweep", 0
    assert len(expected) == 2
    while killed < KILLS["sweep"]:
        killed += kill_until_done(sweep_in_a_process, (recipe, folder), duration / 6, killed)
        assert found(folder) == expected, killed
        shutil.rmtree(folder)


def test_a_sweep_can_be_of_some_methods_and_take_the_rest_later(recipe, by_samples, tmp_path):
    (_, made), _ = by_samples
    changes = ["methods=[sft, rest-em]", "expectation.samples=4"]
    points = make_points(recipe, ["evaluation.shuffled=0,1"], changes, tmp_path)
    none, shuffled = run_sweep(points, lambda place: contextlib.nullcontext(Lines()), made.folder, ["rest-em"])
    assert list(none) == list(shuffled) == ["rest-em"]
    assert {"sft/training", "rest-em/iteration-1/training"} <= {
        record.stage for record in reused_stages(points[1].folder)
    }
    assert not any((point.folder / "evaluation/test/sft").exists() for point in points)
    both = run_sweep(points, lambda place: contextlib.nullcontext(Lines()), made.folder)
    assert [list(found) for found in both] == [["sft", "rest-em"]] * 2
    assert both[1]["rest-em"] == shuffled["rest-em"]


def test_runs_of_other_recipes_are_left_alone(recipe, by_samples, tmp_path):
    (two, _), _ = by_samples
    other = two.recipe.model_copy(update={"seed": 5})
    reuse_stages(two.folder, two.recipe, tmp_path / "other", other)
    assert not (tmp_path / "other").exists()
    before = inodes(two.folder)
    points = make_points(recipe, ["expectation.samples=2,4"], ["methods=[sft]", "seed=5"], two.folder.parent)
    with pytest.raises(UserError, match="started with another recipe: seed was 0, now 5"):
        run_sweep(points, lambda place: contextlib.nullcontext(Lines()))
    assert inodes(two.folder) == before


@pytest.mark.parametrize("over", ["expectation.samples", "=1,2", "seed=1", "seed=1,1", "seed=1,,2"])
def test_what_is_no_sweep_is_told(recipe, over):
    with pytest.raises(UserError, match="expected KEY=A,B and two different values or more"):
        make_points(recipe, [over], [], None)


def test_lists_and_mappings_are_no_values_of_a_sweep(tmp_path):
    with pytest.raises(UserError, match="expected plain values"):
        make_points("quickstart", ["methods=[sft],[rag]"], [], tmp_path)


@pytest.mark.parametrize("over", [["expectation.samples=2,02"], ["tracking=none,tensorboard", "tracking=none,wandb"]])
def test_points_that_are_the_same_are_refused(recipe, over, tmp_path):
    with pytest.raises(UserError, match="are the same recipe"):
        make_points(recipe, over, [], tmp_path)


def test_several_settings_are_combined(recipe, tmp_path):
    points = make_points(recipe, ["seed=1,2", "retrieval.k=3,4"], [], tmp_path)
    assert [p.name for p in points] == [f"seed={s},retrieval.k={k}" for s in (1, 2) for k in (3, 4)]
    assert [(p.recipe.seed, p.recipe.retrieval.k) for p in points] == [(1, 3), (1, 4), (2, 3), (2, 4)]


def test_the_command_prints_a_curve_and_what_was_saved(recipe, by_samples):
    from typer.testing import CliRunner

    folder = by_samples[0][0].folder.parent
    call = [
        "sweep",
        recipe,
        "--over",
        "expectation.samples=2,4",
        "--run",
        str(folder),
        "--set",
        "methods=[sft, rest-em]",
    ]
    shown = CliRunner().invoke(app, call)
    assert shown.exit_code == 0, shown.output
    assert "not computed again" in shown.output
    assert (folder / "sweep-expectation.samples-reward.png").stat().st_size > 10_000
    assert (folder / "sweep-expectation.samples-reward.svg").stat().st_size > 10_000
    tables = folder / "tables" / "rest-em"
    assert "expectation.samples=4" in (tables / "table.tex").read_text()
    assert len((tables / "tests.csv").read_text().splitlines()) > 1
    found = json.loads(CliRunner().invoke(app, [*call, "--json"]).stdout)
    assert list(found["points"]) == ["expectation.samples=2", "expectation.samples=4"]
    assert list(found["methods"]["rest-em"]["methods"]) == list(found["points"])
    assert found["methods"]["sft"]["tests"][0]["difference"] == 0


def settings_of(stage, recipe):
    return next(found.settings for found in stages_of(recipe) if found.name == stage)


@pytest.mark.parametrize(
    ("stage", "alike", "different"),
    [
        ("reasoning", "training.epochs=5", "generator.format=plain"),
        ("reasoning", "pat.max_input_tokens=99", "prompt.max_input_tokens=99"),
        ("data/train", "evaluation.shuffled=0.5", "retrieval.k=9"),
        ("data/test", "generator.batch_size=3", "evaluation.shuffled=0.5"),
        ("sft/training", "teacher.model=x", "training.epochs=5"),
        ("sft-reasoning/training", "evaluation.shuffled=0.5", "teacher.model=x"),
        ("sft-reasoning/training", "evaluation.temperature=1", "training.epochs=5"),
        ("rest-pg/iteration-1/training", "evaluation.reuse_reasoning=true", "teacher.model=x"),
        ("rest-pg/iteration-1/samples", "expectation.threshold=0.5", "expectation.samples=9"),
        ("rest-pg/iteration-1/selection", "expectation.iterations=3", "expectation.threshold=0.5"),
        ("rest-pg/iteration-2/training", "expectation.iterations=3", "expectation.start_from=previous"),
        ("rest-em/iteration-1/training", "reasoning.max_new_tokens=9", "reward.mixture={meteor: 1}"),
        ("evaluation/test/sft", "expectation.samples=9", "evaluation.temperature=1"),
        ("evaluation/test/rest-pg", "tracking=none", "expectation.iterations=3"),
        ("evaluation/test/rag", "expectation.samples=9", "prompt.max_input_tokens=99"),
        ("pat/iteration-1/style/pairs", "expectation.samples=9", "pat.margin=0.5"),
        ("evaluation/test/rest-em", "tracking=none", "seed=5"),
        ("reasoning", "evaluation.candidates=4", "decoding.no_repeat_ngram=3"),
        ("sft/training", "decoding.no_repeat_ngram=3", "generator.dtype=bfloat16"),
        ("rest-em/iteration-1/samples", "expectation.quantile_of=input", "decoding.min_p=0.1"),
        ("rest-em/iteration-1/selection", "evaluation.candidates=4", "expectation.targets=0.5"),
        ("rest-pg/iteration-1/training", "evaluation.candidates=4", "expectation.weights=advantage"),
        ("evaluation/test/rag", "expectation.targets=0.5", "decoding.top_k=5"),
        ("three-authors/test/rest-pg", "tracking=none", "expectation.samples=9"),
        ("three-authors/test/sft", "expectation.samples=9", "evaluation.temperature=1"),
    ],
)
def test_a_stage_is_alike_where_only_settings_differ_that_it_does_not_depend_on(recipe, stage, alike, different):
    every = [
        "methods=[rag, sft, sft-reasoning, rest-em, rest-pg, pat]",
        "expectation.iterations=2",
        "three_authors={prompts: 1}",
    ]

    def same(override):
        # A quantile and a threshold exclude each other.
        more = ["expectation.quantile=null"] if "threshold" in override else []
        changed = load_recipe(recipe, [*every, override, *more])
        return not different_settings(settings_of(stage, changed), load_recipe(recipe, every), changed)

    assert same(alike)
    assert not same(different)


def test_models_chosen_on_val_depend_on_how_they_write_there(recipe):
    chosen, hotter = (
        load_recipe(recipe, ["training.validate_every=1", *more]) for more in ([], ["evaluation.temperature=1"])
    )
    assert different_settings(settings_of("sft/training", hotter), chosen, hotter) == ["evaluation.temperature"]
