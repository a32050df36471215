"""What is shown of a run is read from its folder, as it grows, whatever else is done to it."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from tests.studio.train_runs import copy_run, finished_run

from penname.runs.folder import read_json, read_stage
from penname.runs.progress import POSITION, TIMING, read_position
from penname.session.fine_tune import LOSSES, TrainingProgress
from penname.session.stage_names import data, rewards, samples, selection, training
from penname.studio.recipes import recipe_of
from penname.studio.train import watched
from penname.studio.train.losses import MOST_POINTS, LossFile
from penname.studio.train.pace import name_of, progress_of
from penname.studio.train.samples import BEST, NEWEST, WORST, Samples
from penname.studio.train.watched import WatchedRun, known_from, news, told

PARENT = "rest-em/iteration-1"


@pytest.fixture
def run(tiny_model: Path, notes: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A run that is finished, to be changed."""
    return copy_run(finished_run(tiny_model, notes, tmp_path_factory), tmp_path, "run")


class Said:
    """The folder of a run as a training sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.progress, self.tracker = folder, self, self

    def path(self, stage: str) -> Path:
        return self.folder / stage

    def start(self, *about: object) -> None: ...
    def advance(self, *about: object) -> None: ...
    def log(self, *about: object) -> None: ...


def train(folder: Path, first: int, last: int, scale: float = 1.0) -> None:
    """Note steps as a training does."""
    (folder / "training").mkdir(parents=True, exist_ok=True)
    progress = TrainingProgress(Said(folder), "training", last)
    for step in range(first, last + 1):
        progress.on_step(step, scale / step)


def test_each_step_of_a_run_has_a_loss_in_its_folder(run):
    for stage in (training("sft"), training(PARENT)):
        lines = [json.loads(line) for line in (run / stage / LOSSES).read_text().splitlines()]
        facts = read_json(run / stage / "stage.json")
        assert [line["step"] for line in lines] == list(range(1, facts["steps"] + 1))
        assert (lines[0]["loss"], lines[-1]["loss"]) == (facts["first_loss"], facts["last_loss"])


def test_a_run_of_an_older_penname_is_not_said_to_have_begun_no_training(run):
    for losses in run.rglob(LOSSES):
        losses.unlink()
    assert WatchedRun(run).look()["losses"] == {"curves": [], "name_of": name_of, "has_trained": True}


def test_a_training_that_goes_on_repeats_no_step(tmp_path):
    train(tmp_path, 1, 8)
    with (tmp_path / "training" / LOSSES).open("a") as file:
        file.write('{"step": 9, "lo')  # as a killed process leaves it
    train(tmp_path, 6, 10, scale=2.0)
    steps = [json.loads(line)["step"] for line in (tmp_path / "training" / LOSSES).read_text().splitlines()]
    assert steps == list(range(1, 11))


def test_losses_are_read_as_they_come(tmp_path):
    file = LossFile(tmp_path / "training")
    assert file.curve("training") is None
    train(tmp_path, 1, 3)
    assert file.curve("training").points == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    with (tmp_path / "training" / LOSSES).open("a") as opened:
        opened.write('{"step": 4, "loss"')
        opened.flush()
        assert file.curve("training").steps == 3
        opened.write(': 0.25}\nno step\n{"step": 5, "loss": 0.1}\n')
        opened.flush()
    found = file.curve("training")
    assert (found.steps, found.first, found.last, found.lowest) == (5, 1.0, 0.1, 0.1)
    train(tmp_path, 2, 2, scale=10.0)  # resumed from an earlier step
    assert file.curve("training").points == [(1, 1.0), (2, 5.0)]


def test_a_long_training_has_a_bounded_number_of_points(tmp_path):
    train(tmp_path, 1, 1000)
    found = LossFile(tmp_path / "training").curve("training")
    assert len(found.points) <= MOST_POINTS
    assert found.points[0] == (4, pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4))
    assert (found.steps_a_point, found.points[-1][0], found.last) == (4, 1000, 0.001)
    assert [step for step, _ in found.some()][:: len(found.some()) - 1] == [4, 1000]
    assert len(found.some()) == 12


def test_a_run_says_how_far_its_stage_is(run):
    position = read_position(run)
    assert (position.stage, position.done, position.total) == ("evaluation/test/rest-em/metrics", 6, 6)
    assert abs(position.time - (run / POSITION).stat().st_mtime) < 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stage": 1}', "\0", '{"stage": "a", "unit": "b", "total": "c"}'])
def test_a_damaged_position(run, text):
    (run / POSITION).write_text(text)
    assert read_position(run) is None
    assert progress_of(run, recipe_of(run), goes=True).position is None


def test_time_left_is_that_of_the_stages_to_come_at_the_pace_so_far(run):
    """Of 12 prompts with 4 samples each, the second training and an evaluation are left."""
    shutil.rmtree(run / "evaluation" / "test" / "rest-em")
    (run / training(PARENT) / "stage.json").unlink()
    facts = read_json(run / selection(PARENT) / "stage.json")
    timed = [
        {"stage": "evaluation/test/rag/responses", "unit": "examples", "count": 6, "tokens": 1, "seconds": 12.0},
        {"stage": training("sft"), "unit": "steps", "count": 10, "tokens": 1, "seconds": 20.0},
        {"stage": samples(PARENT), "unit": "examples", "count": 12, "tokens": 1, "seconds": 96.0},
    ]
    (run / TIMING).write_text("".join(json.dumps(line) + "\n" for line in timed))
    total = facts["trained_on"]
    position = {"stage": training(PARENT), "unit": "steps", "total": total, "done": total / 2, "tokens": 1}
    (run / POSITION).write_text(json.dumps(position | {"seconds": total, "time": time.time()}))
    found = progress_of(run, recipe_of(run), goes=True)
    assert found.left_here == pytest.approx(total)
    # 54 texts took 108 seconds, so the 6 of the evaluation take 12.
    assert found.left == pytest.approx(total + 12)
    assert [step.state for step in found.steps] == ["done", "done", "done", "now", "to come"]
    position |= {"stage": "evaluation/test/rest-em/responses", "unit": "examples", "total": 3, "done": 0, "seconds": 0}
    (run / POSITION).write_text(json.dumps(position | {"time": time.time()}))
    (run / training(PARENT) / "stage.json").write_text("{}")
    found = progress_of(run, recipe_of(run), goes=True)
    assert (found.left_here, found.left) == (None, pytest.approx(6))  # half of it was done before


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ("sft/training", "sft: training"),
        ("sft/training: validating checkpoint-5", "sft: training, checked on examples"),
        ("rest-pg/iteration-2/samples", "rest-pg, iteration 2: the model writes samples"),
        ("evaluation/test/rag/responses", "rag: test texts are written"),
        ("evaluation/test/rag/metrics", "rag: test texts are judged"),
        ("reasoning", "the teacher writes reasonings"),
        ("data/train", "the data is read"),
        ("three-authors/test/rest-em", "rest-em: one prompt is written as three authors"),
        ("anything", "anything"),
    ],
)
def test_stages_have_names_in_words(stage, words):
    assert name_of(stage) == words


def test_samples_and_rewards_are_the_runs(run):
    recipe, found = recipe_of(run), Samples(run)
    (iteration,) = found.iterations(recipe)
    records = list(read_stage(run / rewards(PARENT)))
    known = [record["reward"] for record in records if record["reward"] is not None]
    assert (iteration.sampled, iteration.rewarded) == (len(records), len(known))
    assert iteration.mean == pytest.approx(sum(known) / len(known))
    assert iteration.kept["kept"] == read_json(run / selection(PARENT) / "stage.json")["kept"]
    best, worst = (found.read(found.places(PARENT, order)[:3]) for order in (BEST, WORST))
    assert [sample.reward for sample in best] == sorted(known, reverse=True)[:3]
    assert [sample.reward for sample in worst] == sorted(known)[:3]
    texts = {(r["response"], r["reward"]) for r in records}
    assert {(sample.response, sample.reward) for sample in best + worst} <= texts
    prompts = {r["input"] for r in read_stage(run / data("train"))}
    assert {sample.prompt for sample in best + worst} <= prompts


def test_samples_come_shard_by_shard_before_they_have_rewards(run):
    recipe, found = recipe_of(run), Samples(run)
    shards = sorted((run / samples(PARENT)).glob("*.parquet"))
    later = [shard.rename(shard.with_suffix(".later")) for shard in shards[1:]]
    shutil.rmtree(run / rewards(PARENT))
    (run / selection(PARENT) / "stage.json").unlink()
    (iteration,) = found.iterations(recipe)
    assert (iteration.sampled, iteration.rewarded, iteration.mean, iteration.kept) == (16, 0, None, None)
    for shard in later:
        shard.rename(shard.with_suffix(".parquet"))
    (iteration,) = found.iterations(recipe)
    assert iteration.sampled == 48
    assert len(found.places(PARENT, NEWEST)) == 48


def test_a_damaged_or_vanished_shard_is_left_out(run):
    recipe, found = recipe_of(run), Samples(run)
    places = found.places(PARENT, BEST)
    first, second, *_ = sorted((run / rewards(PARENT)).glob("*.parquet"))
    first.write_bytes(b"PAR1")
    second.unlink()
    (iteration,) = found.iterations(recipe)
    assert (iteration.sampled, iteration.rewarded) == (48, 16)
    assert len(found.read(places)) == 16


def test_a_page_is_sent_what_it_does_not_have_and_nothing_twice(run, monkeypatch):
    monkeypatch.setattr(watched, "SECONDS_BETWEEN_LOOKS", 0.0)
    looked = WatchedRun(run)
    known: dict[str, str] = {}

    def parts() -> dict[str, str]:
        return {name: repr(values) for name, values in looked.look().items()}

    assert [name for name, _ in news(parts(), known)] == list(watched.PARTS)
    assert list(news(parts(), known_from(told(known)))) == []
    with (run / training(PARENT) / LOSSES).open("a") as file:
        file.write('{"step": 500, "loss": 0.5}\n')
    assert [name for name, _ in news(parts(), known_from(told(known)))] == ["losses", "points"]


@pytest.mark.parametrize("text", ["", "x", "status-1", "status-zzzzzzzz", "nothing-01234567", "\n" * 999, "-" * 5000])
def test_a_page_that_says_it_has_what_nobody_sent_gets_all(text):
    assert known_from(text) == {}
