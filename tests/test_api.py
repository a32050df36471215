"""penname as a library: what a notebook does."""

import functools
import subprocess
import sys
import types

import pytest
from rich.console import Console

import penname
from penname.errors import UserError
from penname.runs.progress import ConsoleProgress


@pytest.fixture(scope="module")
def overrides(tiny_model, notes):
    model = {"model": str(tiny_model), "dtype": "float32"}
    return {
        "methods": ["rag", "sft-reasoning", "rest-pg"],
        "data": [{"format": "jsonl", "path": str(notes)}],
        "generator": model,
        "teacher": model,
        "retrieval.k": 1,
        "prompt": {"max_input_tokens": 400, "max_output_tokens": 80},
        "reasoning": {"max_input_tokens": 600, "max_new_tokens": 16, "max_copied_tokens": 30},
        "training": {"learning_rate": 2e-4, "batch_size": 4},
        "expectation": {"samples": 3, "temperature": 0.5, "quantile": 0.5},
        "evaluation": {"temperature": 0.7, "candidates": 2},
        "three_authors": None,
    }


def brevity(item: penname.RewardInput) -> float:
    return min(1.0, len(item.expected_output) / max(1, len(item.response)))


@pytest.fixture(scope="module")
def run(overrides, tmp_path_factory):
    recipe = penname.load_recipe("quickstart", overrides)
    quiet = ConsoleProgress(Console(quiet=True))
    return penname.train(
        recipe, tmp_path_factory.mktemp("runs") / "brief", rewards={"brevity": brevity}, progress=quiet
    )


def test_importing_is_light():
    """Under 0.2 s, and nothing that computes is loaded: the best of three, as this machine has other work too."""
    code = (
        "import time; start = time.perf_counter(); import penname; took = time.perf_counter() - start\n"
        "import sys; print(took, [m for m in ('torch', 'numpy', 'transformers', 'rich') if m in sys.modules])"
    )
    found = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(3)]
    assert min(float(line.split()[0]) for line in found) < 0.2
    assert {line.split(" ", 1)[1].strip() for line in found} == {"[]"}


def test_all_that_is_promised_is_there():
    for name in penname.__all__:
        assert getattr(penname, name).__doc__
        assert name in dir(penname)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        penname.nothing  # noqa: B018


def test_no_module_takes_the_place_of_a_function(run):
    """Importing a module sets its name in the package: none of penname's may be called like one of its functions."""
    assert penname.report(run).is_file()
    for name in penname.__all__:
        assert not isinstance(getattr(penname, name), types.ModuleType), name


def test_train_compare_and_write_with_a_reward_of_ones_own(run):
    table = run.compare()
    assert set(table.summary["methods"]) == {"rag", "sft-reasoning", "rest-pg"}
    assert 0 < table.summary["methods"]["rest-pg"]["brevity"] <= 1
    assert table.summary["methods"]["rag"]["reward"] == table.summary["methods"]["rag"]["brevity"]
    shown = str(table)
    assert "rest-pg" in shown
    assert "brevity" in shown
    assert "<table>" in table._repr_html_()
    assert "rest-pg" in table._repr_html_()
    with run.writer("rest-pg") as writer:
        written = writer.write("Write about rain, note 3.", documents=["I wrote of rain before, in note 1."])
        assert written.response
        assert writer.write("Write about rain, note 3.", documents=["I wrote of rain before, in note 1."]) == written


def test_one_writer_loads_its_model_once(run, monkeypatch):
    from penname.session import engines

    made, make = [], engines.make_engine
    monkeypatch.setattr(engines, "make_engine", lambda *arguments: made.append(1) or make(*arguments))
    with run.writer("rest-pg") as writer:
        for user in range(3):
            writer.write("Write about rain, note 3.", documents=[f"I am user {user}, and wrote of rain before."])
    assert made == [1]


def test_documents_may_be_texts_records_or_a_path(run, tmp_path):
    text = "I wrote of rain before, in note 1."
    (tmp_path / "me.txt").write_text(text)
    with penname.Writer(run.folder, "rest-pg", recipe=run.recipe) as writer:
        given = [[text], [penname.Document("anyone", text)], tmp_path / "me.txt", iter([text])]
        assert len({writer.write("Write about rain, note 3.", documents).response for documents in given}) == 1
        with pytest.raises(UserError, match=r"documents: found one text, expected a list"):
            writer.write("Write about rain.", documents=text)
        blank, other_encoding = " \n", "\udc80"
        for prompt, found in (
            (blank, "only white space"),
            ("", "an empty text"),
            (other_encoding, "characters that are not UTF-8"),
        ):
            with pytest.raises(UserError, match=f"prompt: found {found}, expected a text"):
                writer.write(prompt)


def test_files_of_a_profile_that_are_not_read_are_named(run, tmp_path):
    (tmp_path / "old.docx").write_bytes(b"PK")
    with penname.Writer(run.folder, "rest-pg", recipe=run.recipe) as writer:
        with pytest.raises(UserError, match=r"found no file that can be read; old.docx: found .*, expected a Word"):
            writer.write("Write about rain, note 3.", documents=tmp_path)
        (tmp_path / "one.txt").write_text("I wrote of rain before, in note 1.")
        beside = writer.write("Write about rain, note 3.", documents=tmp_path)
    assert any(note.startswith("not read of the profile: old.docx: found ") for note in beside.notes)
    assert "there are no documents: the response is not personalized" not in beside.notes


def test_a_run_is_opened_again(run):
    again = penname.open_run(run.folder)
    assert again.compare().summary == run.compare().summary
    assert penname.compare(run).summary == penname.compare(run.folder).summary
    page = again.report()
    assert page.read_text().count("rest-pg")


def test_wrong_arguments_are_refused(run):
    for call in (run.evaluate, run.compare, run.results, run.examples, functools.partial(penname.report, run)):
        with pytest.raises(UserError, match="split: found 'tst', expected"):
            call(split="tst")
    with pytest.raises(UserError, match="methods: found the text 'rag', expected a list"):
        run.evaluate(methods="rag")
    with run.writer("rest-pg") as writer:
        with pytest.raises(UserError, match="candidates: found 0, expected 1 or more"):
            writer.write("Write about rain.", candidates=0)
        for documents in (None, [1, 2]):
            with pytest.raises(UserError, match=r"documents: found .*, expected texts, Documents or a Path"):
                writer.write("Write about rain.", documents=documents)
    assert len(repr(run)) < 200


def test_errors_name_arguments_not_options(run, tmp_path):
    with pytest.raises(UserError, match="method: found 'sft', expected one of rag, sft-reasoning, rest-pg") as caught:
        run.writer("sft")
    assert "--" not in str(caught.value)
    with pytest.raises(UserError, match=r"found no recipe\.yaml"):
        penname.open_run(tmp_path)
    with pytest.raises(UserError, match="runs: found no run"):
        penname.compare()
    with pytest.raises(UserError, match="did you mean 'samples'"):
        penname.load_recipe("quickstart", {"expectation.sample": 3})
