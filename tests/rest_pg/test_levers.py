"""Levers of self-training end to end, with the tiny model: training samples, their weights, and completions."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from tests.experiments.test_resume import small_recipe

from penname.config import Recipe
from penname.engines.models import load_tokenizer
from penname.errors import UserError
from penname.evaluation.repetition import repeated_share
from penname.experiments.reasoning_use import reasoning_use
from penname.experiments.train import evaluate_in_run, open_run, train_run
from penname.generate.writer import Writer
from penname.method_table import METHODS
from penname.prompts.completion import parse
from penname.recipe_files import check_recipe
from penname.runs.folder import read_json, read_stage
from penname.runs.progress import ConsoleProgress

LEVERS = {"quantile_of": "input", "targets": 1.0, "weights": "advantage", "quantile": 0.5, "samples": 4}


def with_levers(model: Path, data: Path) -> Recipe:
    plain = small_recipe(model, data).model_dump(mode="json")
    plain["expectation"] = {**plain["expectation"], **LEVERS}
    plain["evaluation"] = {**plain["evaluation"], "candidates": 3, "temperature": 0.9}
    plain["decoding"] = {"no_repeat_ngram": 4}
    plain["methods"] = ["rest-em", "rest-pg"]
    return check_recipe(plain, "test")


@pytest.fixture(scope="module")
def run(tiny_model: Path, notes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("levers")
    train_run(with_levers(tiny_model, notes), folder, ConsoleProgress(Console(file=io.StringIO())))
    return folder


def selected(run: Path, method: str) -> tuple[list[dict], list[dict]]:
    """The model's samples and the expected outputs that are trained on."""
    records = list(read_stage(run / method / "iteration-1" / "selection"))
    return [r for r in records if r["sample"] >= 0], [r for r in records if r["sample"] < 0]


@pytest.mark.slow
def test_expected_outputs_are_trained_on_beside_the_models_samples(run: Path) -> None:
    outputs = {r["example_id"]: r["output"] for r in read_stage(run / "data" / "train")}
    own, real = selected(run, "rest-em")
    assert {r["example_id"]: r["completion"] for r in real} == outputs
    assert own
    assert all(r["reward"] > 0.99 for r in real)  # METEOR of a text with itself is a little under 1


def test_with_reasoning_they_follow_the_best_reasoning_of_the_model(run: Path) -> None:
    outputs = {r["example_id"]: r["output"] for r in read_stage(run / "data" / "train")}
    samples = list(read_stage(run / "rest-pg" / "iteration-1" / "rewards"))
    kept = {(r["example_id"], r["sample"]) for r in samples} & {
        (r["example_id"], r["sample"]) for r in selected(run, "rest-pg")[0]
    }
    _, real = selected(run, "rest-pg")
    assert real
    for record in real:
        parts = parse(record["completion"], with_reasoning=True)
        assert parts.response == outputs[record["example_id"]]
        mine = [r for r in samples if r["example_id"] == record["example_id"] and r["reasoning"]]
        assert parts.reasoning in {r["reasoning"] for r in mine}
        trained = [r for r in mine if (r["example_id"], r["sample"]) in kept]
        if trained:  # one that is not above its input's mean gives its reasoning, and is not trained on itself
            assert parts.reasoning == max(trained, key=lambda r: (r["reward"], -r["sample"]))["reasoning"]


@pytest.mark.parametrize("method", ["rest-em", "rest-pg"])
def test_advantages_weigh_one_on_average(run: Path, method: str) -> None:
    own, real = selected(run, method)
    weights = [r["weight"] for r in own + real]
    assert min(weights) > 0
    assert sum(weights) / len(weights) == pytest.approx(1)
    facts = read_json(run / method / "iteration-1" / "selection" / "stage.json")
    assert facts["trained_on"] == len(weights)
    assert facts["expected_outputs"] == len(real)


@pytest.mark.parametrize("method", ["rest-em", "rest-pg"])
def test_all_candidates_are_generated_and_one_of_them_is_scored(run: Path, method: str) -> None:
    written = list(read_stage(run / "evaluation" / "test" / method / "responses"))
    scored = list(read_stage(run / "evaluation" / "test" / method / "metrics"))
    assert len(written) == 3 * len(scored)
    for record in scored:
        own = [r for r in written if r["example_id"] == record["example_id"]]
        assert record["response"] in {r["response"] or "" for r in own}
        assert record["new_tokens"] == sum(r["new_tokens"] for r in own)


def test_no_completion_has_a_4_gram_of_tokens_twice(run: Path) -> None:
    """Neither a sample, nor an evaluated text, nor a reasoning of the teacher."""
    tokenizer = load_tokenizer(str(run / "rest-pg" / "iteration-1" / "training" / "model"))
    stages = ["rest-pg/iteration-1/samples", "evaluation/test/rest-pg/responses"]
    texts = [r["completion"] for stage in stages for r in read_stage(run / stage)]
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        ngrams = [tuple(ids[i : i + 4]) for i in range(len(ids) - 3)]
        assert len(set(ngrams)) == len(ngrams)


def test_writing_for_a_new_user_decodes_as_the_run_did(run: Path, tmp_path: Path) -> None:
    profile = tmp_path / "me.txt"
    profile.write_text("I wrote of clouds before, in note 1.")
    with Writer(run, "rest-pg") as writer:
        one = writer.write("Write about clouds, note 3.", profile)
        same = writer.write("Write about clouds, note 3.", profile, candidates=3)
    assert (one.response, one.reasoning) == (same.response, same.reasoning)


def test_the_samples_are_those_of_a_run_without_levers(
    run: Path, tiny_model: Path, notes: Path, tmp_path: Path
) -> None:
    """Levers change what is trained on, not what is sampled."""
    plain = with_levers(tiny_model, notes).model_dump(mode="json")
    plain["expectation"] = small_recipe(tiny_model, notes).expectation.model_dump(mode="json") | {"samples": 4}
    recipe = check_recipe({**plain, "methods": ["rest-em"]}, "test")
    with open_run(recipe, tmp_path / "plain", ConsoleProgress(Console(file=io.StringIO()))) as session:
        evaluate_in_run(session, METHODS["rest-em"], "test")
    samples = [list(read_stage(f / "rest-em" / "iteration-1" / "samples")) for f in (run, tmp_path / "plain")]
    assert samples[0] == samples[1]
    assert not selected(tmp_path / "plain", "rest-em")[1]


def test_responses_after_ones_own_anothers_and_no_reasoning_are_compared(
    run: Path, tiny_model: Path, notes: Path
) -> None:
    recipe = with_levers(tiny_model, notes)
    with open_run(recipe, run, ConsoleProgress(Console(file=io.StringIO()))) as session:
        found = reasoning_use(session, METHODS["rest-pg"], "test")
        ordinary = {r["example_id"]: r for r in evaluate_in_run(session, METHODS["rest-pg"], "test")}
        users = {e.example_id: e.user_id for e in session.prepare_fitting("test")}
    assert list(found) == ["own", "another user's", "none"]
    ids = [{r["example_id"] for r in own} for own in found.values()]
    assert ids[0] == ids[1] == ids[2]
    own, others, none = ({r["example_id"]: r["reasoning"] for r in records} for records in found.values())
    for i in ids[0]:
        assert own[i] == ordinary[i]["reasoning"]
        givers = {users[j] for j, record in ordinary.items() if record["reasoning"] == others[i]}
        assert givers - {users[i]}
        assert not none[i]
    with pytest.raises(UserError, match="rest-em does not reason"):
        reasoning_use(session, METHODS["rest-em"], "test")


def test_how_much_a_text_repeats_itself() -> None:
    assert repeated_share("a b c d e f g h") == 0
    assert repeated_share("too short") == 0
    assert repeated_share("a b c d e f g h " * 2) == pytest.approx(1 / 9)
    assert repeated_share("x " * 100) == pytest.approx(92 / 93)
