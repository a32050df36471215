"""What a model has by heart is found: in one that was trained on few texts again and again, not in an untrained one."""

import json
import random
import re
import sys
from unittest.mock import patch

import pytest

from penname.cli.app import main
from penname.evaluation.word_runs import WordRuns
from penname.generate.memorized import _training_texts
from penname.prompts.templates import template
from penname.session.continuation import divided_target
from penname.session.examples import PreparedExample

WORDS = sorted(set(re.findall(r"\b[a-z]{4,9}\b", template("figure7_reasoning"))))
"""Words that are tokens of the tiny model."""


def passage(number, length=26):
    """A text that nobody can guess."""
    return " ".join(random.Random(number).choices(WORDS, k=length))


def example(number, user):
    documents = [{"text": passage(1000 + number)}]
    asked = f"Write about {WORDS[number % len(WORDS)]}."
    return {
        "id": f"e{number}",
        "user_id": user,
        "task": "notes",
        "input": asked,
        "output": passage(number),
        "reasoning": "short plain sentences",
        "profile": documents,
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("passages")
    for split, numbers in (("train", range(6)), ("val", (20,)), ("test", range(30, 36))):
        records = [example(n, f"{split}-{n % 3}") for n in numbers]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return folder


@pytest.fixture(scope="module")
def penname(tmp_path_factory):
    def call(*arguments):
        with patch.object(sys, "argv", ["penname", *map(str, arguments)]), pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code or 0

    return call


@pytest.fixture(scope="module")
def run(data, tiny_model, tmp_path_factory, penname):
    folder = tmp_path_factory.mktemp("runs")
    (folder / "recipe.yaml").write_text(
        f"""
methods: [rag, sft, sft-reasoning]
data: [{{format: jsonl, path: {data}}}]
generator: {{model: {tiny_model}, dtype: float32}}
retrieval: {{k: 1}}
prompt: {{max_input_tokens: 400, max_output_tokens: 130}}
reasoning: {{source: data}}
training: {{learning_rate: 4.0e-3, warmup_steps: 5, epochs: 90, batch_size: 6}}
evaluation: {{temperature: 0}}
reward: {{mixture: {{rouge1: 1}}}}
"""
    )
    assert penname("train", folder / "recipe.yaml", "--run", folder / "run") == 0
    return folder / "run"


def found(penname, capsys, *arguments):
    capsys.readouterr()
    code = penname("data", "leaks", *arguments, "--json")
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, json.loads(out), err


def test_a_run_says_what_its_models_have_by_heart(run, penname, capsys):
    code, told, err = found(penname, capsys, run)
    assert code == 2
    assert "penname: " in err.splitlines()[-1]
    assert "training targets by heart; expected none by heart" in err
    for method in ("sft", "sft-reasoning"):
        continued = told["models"][method]["continued"]
        assert continued["train"]["targets"] == 6
        assert continued["train"]["by_heart"] >= 4
        assert continued["held_out"] == {"by_heart": 0, "targets": 6}
    sft = told["models"]["sft"]["of_other_users"]
    assert sft["texts"] > 0
    assert sft["longest"]["text"] in {passage(n) for n in range(6)} or sft["longest"]["words"] < 26
    assert sft["longest"]["source"]["user"].startswith("train-")
    assert sft["longest"]["source"]["kind"] == "training target"
    assert told["models"]["rag"]["continued"]["train"] == {"by_heart": 0, "targets": 0}
    assert any(line.startswith("sft writes words of other users' training texts") for line in told["serious"])


def test_an_untrained_model_has_nothing_by_heart(data, tiny_model, run, penname, capsys):
    code, told, _ = found(penname, capsys, data, "--model", tiny_model)
    assert (code, told["serious"]) == (0, [])
    (model,) = told["models"].values()
    assert model["texts"] == 6
    assert model["continued"]["train"] == {"by_heart": 0, "targets": 6}
    code, told, _ = found(penname, capsys, run, "--method", "rag")
    assert (code, set(told["models"])) == (0, {"rag"})


def test_a_trained_model_with_its_data_and_lines_for_people(data, run, penname, capsys, tmp_path):
    model = run / "sft/training/model"
    code, told, _ = found(penname, capsys, data, "--model", model, "--targets", "4")
    assert code == 2
    assert told["models"]["model"]["continued"]["train"]["targets"] == 4
    (tmp_path / "train.jsonl").write_text((data / "train.jsonl").read_text())
    code = penname("data", "leaks", tmp_path, "--model", model, "--targets", "2")
    assert code == 2
    out = capsys.readouterr().out
    assert "continues 2 of 2 training targets word for word, with none to compare" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("RUN", "--model", "x"), "--model: found 'x', but"),
        (("RUN", "--method", "pat"), "method: found 'pat', expected one of rag, sft, sft-reasoning"),
        (("DATA", "--method", "rag"), "--method: found rag, but"),
        (("DATA", "--model", "no/where"), "could not be loaded"),
        (("presidents", "--targets", "0"), "--targets"),
        (("MODEL",), "found a model, expected its data: penname data leaks DATA --model"),
    ],
)
def test_what_cannot_be_looked_at(arguments, message, data, run, penname, capsys):
    named = {"RUN": run, "DATA": data, "MODEL": run / "sft/training/model"}
    assert penname("data", "leaks", *(named.get(a, a) for a in arguments)) == 2
    assert message in capsys.readouterr().err.replace("'--method'", "method")


@pytest.mark.parametrize(
    ("target", "given", "follows"),
    [
        (" ".join(map(str, range(50))), " ".join(map(str, range(10))), " " + " ".join(map(str, range(10, 30)))),
        ("a b c d e f g h i j k l", "a b c d", " e f g h i j k l"),
        ("a b c d e", None, None),
        ("", None, None),
    ],
)
def test_the_words_that_are_given_and_those_that_must_follow(target, given, follows):
    assert divided_target(target) == (None if given is None else (given, follows))


def test_words_of_scripts_without_spaces_are_divided_too():
    given, follows = divided_target("今天天气很好我们一起去公园散步然后回家吃饭看书睡觉明天再去学校上课写作业")
    assert given + follows in "今天天气很好我们一起去公园散步然后回家吃饭看书睡觉明天再去学校上课写作业"
    assert given
    assert len(follows) >= 8


def test_words_that_many_users_have_are_nobodys():
    """Equal texts are each of their users', and with three of these a common phrase."""
    text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    examples = [PreparedExample(str(n), f"u{n}", "t", "Write.", text, ()) for n in range(4)]
    for count, own, others in ((1, 0, 1), (2, 1, 0), (4, 0, 0)):
        runs = WordRuns([text], ["Write."], ["Write."])
        for origin, found in _training_texts(examples[:count]):
            runs.look_through(found, origin)
        assert len(runs.from_others(["u1 (t)"], own=True)) == own
        assert len(runs.from_others(["u1 (t)"])) == others
