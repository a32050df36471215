"""A run chooses its words once, tells and records it; and it stops where its reward is 0 for nearly all samples."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.conftest import SUBJECTS, example_record
from tests.experiments.test_resume import small_recipe
from tests.session.test_session import Lines

import penname
from penname.config import Recipe
from penname.errors import UserError
from penname.experiments.language import notes_on_language, with_chosen_words
from penname.experiments.reuse import reuse_stages, reused_stages
from penname.experiments.run_recipe import load_run_recipe, refuse_different_recipe
from penname.experiments.train import open_run, train_run
from penname.generate.by_model import setup_of_model
from penname.recipe_files import check_recipe
from penname.rest_pg.zeros import inputs_of_first_look, refuse_zeros
from penname.rewards.base import RewardInput
from penname.runs.folder import read_stage

RARITY = "tests.experiments.test_language:rarity"
RUSSIAN = "Мне нравится эта тема,"


def rarity(item: penname.RewardInput) -> float:
    """A reward of one's own."""
    return min(1.0, len(set(item.response)) / 100)


@pytest.fixture(scope="module")
def russian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("russian")
    for split, numbers in (("train", (1, 2)), ("val", (3,)), ("test", (4,))):
        records = [{**example_record(s, n), "output": f"{RUSSIAN} {'абвг'[n - 1]}."} for s in SUBJECTS for n in numbers]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


def recipe_of(model: Path, data: Path, **changes: object) -> Recipe:
    values = small_recipe(model, data).model_dump(mode="json") | {"methods": ["rag"]} | changes
    return check_recipe(values, "test")


def with_reward(recipe: Recipe, **changes: object) -> Recipe:
    return recipe.model_copy(update={"reward": recipe.reward.model_copy(update=changes)})


@pytest.fixture(scope="module")
def run(tiny_model: Path, russian: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Lines]:
    folder, lines = tmp_path_factory.mktemp("runs") / "russian", Lines()
    train_run(recipe_of(tiny_model, russian), folder, lines)
    return folder, lines


def test_the_choice_is_told_and_recorded(run: tuple[Path, Lines]) -> None:
    folder, lines = run
    told = [line for line in lines.said if line.startswith("reward.words")]
    assert len(told) == 1
    assert told[0] == "reward.words: unicode, as 100.0% of the letters in the test outputs are none of a to z"
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["reward"]["words"] == "unicode"


def test_tables_and_the_report_say_what_metrics_mean(run: tuple[Path, Lines]) -> None:
    folder, lines = run
    compared = penname.compare(folder)
    assert compared.names["meteor"] == "meteor-exact"
    note = "METEOR matches equal words only: its stems and synonyms are English"
    assert f"note: {note}" in lines.said
    assert f"{folder}: {note}" in compared.notes
    page = penname.report(folder).read_text(encoding="utf-8")
    assert note in page
    assert "words of ROUGE and METEOR" in page


def test_a_run_that_goes_on_keeps_its_words(run: tuple[Path, Lines], tiny_model: Path, russian: Path) -> None:
    folder, _ = run
    recipe, lines = recipe_of(tiny_model, russian), Lines()
    with open_run(recipe, folder, lines) as session:
        assert session.recipe.reward.words == "unicode"
    assert not any(line.startswith("reward.words") for line in lines.said)
    assert penname.open_run(folder, recipe).recipe.reward.words == "unicode"
    with pytest.raises(UserError, match=r"reward\.words was unicode, now ascii; choose another folder"):
        refuse_different_recipe(folder, with_reward(recipe, words="ascii"))


def test_an_earlier_run_and_an_earlier_model_have_the_words_of_then(tmp_path: Path, tiny_model: Path) -> None:
    recipe = recipe_of(tiny_model, tmp_path)
    values = recipe.model_dump(mode="json")
    del values["reward"]["words"]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values))
    assert load_run_recipe(tmp_path).reward.words == "ascii"
    assert with_chosen_words(recipe, tmp_path, Lines()).reward.words == "ascii"
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    facts = {"with_reasoning": False, "format": "chat", "templates": {}, "reward": values["reward"]}
    (model / "penname.json").write_text(json.dumps(facts))
    assert setup_of_model(str(model)).reward.words == "ascii"
    assert setup_of_model(str(tiny_model)).reward.words == "auto"  # chosen when texts are there


def test_english_keeps_its_words(tiny_model: Path, notes: Path, tmp_path: Path) -> None:
    lines = Lines()
    chosen = with_chosen_words(recipe_of(tiny_model, notes), tmp_path, lines)
    assert chosen.reward.words == "ascii"
    assert lines.said == ["reward.words: ascii, as 0.0% of the letters in the test outputs are none of a to z"]
    assert notes_on_language(chosen) == []


def test_what_the_bundled_encoder_reads_is_told(tiny_model: Path, russian: Path) -> None:
    recipe = with_reward(recipe_of(tiny_model, russian), words="unicode", mixture={"cosine": 1.0})
    told = "the bundled encoder knows English only, and cosine may mean little for these texts"
    assert told in notes_on_language(recipe)
    other = with_reward(recipe, encoder="intfloat/multilingual-e5-small")
    assert not any("encoder" in note for note in notes_on_language(other))


def test_a_reward_of_zero_stops_the_run_and_its_samples_are_reused(
    tiny_model: Path, russian: Path, tmp_path: Path
) -> None:
    expectation = {"samples": 8, "temperature": 0.5, "quantile": 0.5}
    recipe = recipe_of(tiny_model, russian, methods=["rest-em"], expectation=expectation, limit={"train": 6, "test": 2})
    ascii_only = with_reward(recipe, words="ascii", mixture={"rougeL": 1.0})
    folder = tmp_path / "zeros"
    with pytest.raises(UserError, match=r"rest-em/iteration-1: the reward is 0 for 4\d of 48 samples") as stop:
        train_run(ascii_only, folder, Lines())
    assert "\n" not in str(stop.value)
    assert "expected output 'Мне нравится" in str(stop.value)
    assert "reward.words ascii finds only words of a to z, expected reward.words=unicode" in str(stop.value)
    assert not (folder / "rest-em/iteration-1/rewards").exists()
    samples = list(read_stage(folder / "rest-em/iteration-1/samples"))
    assert len(samples) == 48

    corrected = with_reward(recipe, words="unicode", mixture={RARITY: 1.0})
    (tmp_path / "corrected").mkdir()
    reuse_stages(folder, load_run_recipe(folder), tmp_path / "corrected", corrected)
    reused = {record.stage for record in reused_stages(tmp_path / "corrected")}
    assert reused == {"data/train", "sft/training", "rest-em/iteration-1/samples"}


RECIPE = {
    "methods": ["rest-em"],
    "data": [{"format": "presidents"}],
    "reward": {"mixture": {"rouge1": 1, RARITY: 1}, "words": "unicode"},
}


def judged(zeros: int, of: int, name: str = "rouge1", response: str = "Ein Wort.") -> list[tuple[dict, RewardInput]]:
    scores = [{"reward": 0.5, "rouge1": 0.5, "rarity": 0.5} for _ in range(of)]
    for score in scores[:zeros]:
        score[name] = 0.0
    return [({"reward": s["reward"], "rewards": s}, RewardInput("", "Ein Satz.", response)) for s in scores]


@pytest.mark.parametrize(
    ("samples", "stops"),
    [
        (judged(200, 200), "the reward rouge1 is 0 for 200 of 200"),
        (judged(199, 200), "the reward rouge1 is 0 for 199 of 200"),
        (judged(198, 200), None),
        (judged(200, 200, "rarity"), None),  # a part that may well be rare
        (judged(200, 200, "reward"), "the reward is 0 for 200 of 200"),
        (judged(31, 31, "reward"), None),  # too few to say
        (judged(8, 8), "the reward rouge1 is 0 for 8 of 8"),
        (judged(7, 7), None),
        ([], None),
    ],
)
def test_nearly_all_is_more_than_max_zeros(samples: list[tuple[dict, RewardInput]], stops: str | None) -> None:
    recipe = Recipe.model_validate(RECIPE)
    if stops is None:
        refuse_zeros(recipe, "rest-em/iteration-1", Path("run"), samples)
        return
    with pytest.raises(UserError, match=stops):
        refuse_zeros(recipe, "rest-em/iteration-1", Path("run"), samples)
    accepting = recipe.model_copy(update={"expectation": recipe.expectation.model_copy(update={"max_zeros": 1.0})})
    refuse_zeros(accepting, "rest-em/iteration-1", Path("run"), samples)


def test_the_likely_cause_is_what_was_seen() -> None:
    recipe = Recipe.model_validate(RECIPE)
    with pytest.raises(UserError, match="50 of these responses are blank"):
        refuse_zeros(recipe, "x", Path("run"), judged(50, 50, response=" \n"))
    with pytest.raises(UserError, match="rouge1, rarity may not suit these texts"):
        refuse_zeros(recipe, "x", Path("run"), judged(50, 50, "reward"))


@pytest.mark.parametrize(
    ("samples", "shard_size", "mixture", "inputs"),
    [
        (8, 16, "rouge1", 16),
        (8, 4, "rouge1", 16),
        (32, 16, "rouge1", 16),
        (1, 16, "rouge1", 112),
        (8, 16, "judge", 500),
    ],
)
def test_a_first_look_is_at_whole_shards(samples: int, shard_size: int, mixture: str, inputs: int) -> None:
    recipe = Recipe.model_validate(
        RECIPE
        | {"reward": {"mixture": {mixture: 1}}, "shard_size": shard_size}
        | {"expectation": {"samples": samples, "quantile": 0.5}}
    )
    assert inputs_of_first_look(recipe, 500) == inputs
    assert inputs_of_first_look(recipe, 3) == 3
