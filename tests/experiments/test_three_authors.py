"""A prompt written for three authors by each method of a run, and shown beside what they wrote."""

import io
import json

import pytest
from rich.console import Console
from tests.authors import STYLES, examples

from penname.cli.show import show_three_authors
from penname.errors import UserError
from penname.experiments.plan import make_plan
from penname.experiments.run_recipe import load_run_recipe
from penname.experiments.three_authors import read_voices
from penname.experiments.train import train_run
from penname.method_table import METHODS
from penname.recipe_files import check_recipe
from penname.reporting.run_data import read_runs
from penname.runs.folder import read_stage
from penname.runs.progress import ConsoleProgress


@pytest.fixture(scope="module")
def run(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("authors")
    for split in ("train", "test"):
        records = [
            {
                "id": e.id,
                "user_id": e.user_id,
                "task": e.task,
                "input": e.input,
                "output": e.output if split == "test" else f"Other text of {e.user_id}.",
                "profile": [{"text": d.text} for d in e.profile],
            }
            for e in examples()
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    recipe = check_recipe(
        {
            "methods": ["zero-shot", "rag", "sft"],
            "data": [{"format": "jsonl", "path": str(folder)}],
            "generator": {"model": str(tiny_model), "dtype": "float32"},
            "retrieval": {"k": 1},
            "prompt": {"max_input_tokens": 400, "max_output_tokens": 24},
            "training": {"batch_size": 4},
            "reward": {"mixture": {"rouge1": 1}},
            "evaluation": {"temperature": 0.7},
            "three_authors": {"prompts": 2, "candidates": 3},
        },
        "test",
    )
    train_run(recipe, folder / "run", ConsoleProgress(Console(file=io.StringIO())))
    return folder / "run"


def test_every_method_that_is_shown_own_documents_alone_writes_each_prompt_for_all_three(run):
    voices = read_voices(run, "test", METHODS)
    assert [voice.number for voice in voices] == [0, 0, 0, 1, 1, 1]
    assert len({voice.author for voice in voices}) == 3
    for voice in voices:
        assert set(voice.texts) == {"rag", "sft"}
        assert voice.sounds_like == voice.author
        for text in voice.texts.values():
            assert set(text["rewards"]) == {v.author for v in voices}
    candidates = read_stage(run / "three-authors/test/prompts/cases")
    for case in candidates:
        assert case["output"] not in case["context"]
        assert STYLES[case["user_id"]].split("{}")[0][:8] in case["context"][0]


def test_the_page_of_the_terminal_and_the_report_show_them(run, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr("penname.cli.show.console", Console(file=out, width=200))
    show_three_authors(run)
    first = [voice for voice in read_voices(run, "test", METHODS) if voice.number == 0]
    shown = out.getvalue()
    assert f"One prompt, three authors: {first[0].prompt}" in shown
    for voice in first:
        assert voice.author in shown
        assert voice.written in shown
    assert "real texts: 6 of 6" in shown
    assert read_runs([run])[0].voices[0] == first[0]


def test_of_a_runs_methods_only_those_that_the_recipe_names_write(run):
    recipe = load_run_recipe(run)
    assert recipe.writers(recipe.methods) == ["rag", "sft"]
    named = check_recipe(recipe.model_dump(mode="json") | {"three_authors": {"methods": ["sft", "rest-pg"]}}, "test")
    assert named.writers(named.methods) == ["sft"]
    names = [stage.name for stage in make_plan(named).stages]
    assert [name for name in names if name.startswith("three-authors")] == ["three-authors/test/sft"]
    with pytest.raises(UserError, match="three_authors"):
        check_recipe(recipe.model_dump(mode="json") | {"three_authors": {"methods": ["zero-shot"]}}, "test")


def test_a_run_without_them_shows_none(run, tmp_path):
    assert read_voices(tmp_path, "test", METHODS) == []
