"""What the documents tell a user to type: all of it parses, and what the README has that is cheap enough runs."""

import json
import re
import shlex
from pathlib import Path

import pytest
import typer
from tests.test_cli import penname

import penname as library
from penname.cli.app import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SET = re.compile(r"[A-Z_]+=\S*")
OTHERS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "benchmarks/README.md")
PAGES = [*(ROOT / name for name in OTHERS), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text, language=""):
    """A page's blocks of a language; those of commands have none, and those of output are `text`."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [block for name, block in found if name == language]


def commands(text):
    """The penname commands in a page's blocks, as words, without what is set before them and comments."""
    whole = [block.replace("\\\n", " ") for block in [*blocks(text), *blocks(text, "bash")]]
    lines = [part for block in whole for line in block.splitlines() for part in line.split("&&")]
    typed = [re.sub(r"\[--[^\]]*\]|\|\|.*| > \S+", "", line) for line in lines if re.search(r"(^|\s)penname ", line)]
    words = [[word for word in shlex.split(line, comments=True) if not SET.fullmatch(word)] for line in typed]
    return [own[1:] for own in words if own[:1] == ["penname"]]


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, id=" ".join(words)[:70]) for page in PAGES for words in commands(page.read_text("utf-8"))],
)
def test_every_command_parses(words):
    """The words are read as the command would, and nothing runs."""
    parse(words)


def parse(words):
    """Read a command's words as typer does. Raises where there is no such command or option."""
    command, name = typer.main.get_command(app), "penname"
    while within := getattr(command, "commands", None):
        name, *words = words
        assert name in within
        command = within[name]
    command.make_context(name, list(words))


@pytest.mark.parametrize("words", [["train", "--nonsense"], ["data", "convret"], ["data", "convert", "--nonsense"]])
def test_what_does_not_exist_does_not_parse(words):
    with pytest.raises(Exception, match=r"No such option|assert 'convret'"):
        parse(words)


@pytest.fixture
def tiny(tiny_model):
    """What makes a recipe small enough for a test."""
    model = {"model": str(tiny_model), "dtype": "float32"}
    return {
        "generator": model,
        "teacher": model,
        "prompt": {"max_input_tokens": 400, "max_output_tokens": 80},
        "training": {"learning_rate": 2e-4, "batch_size": 4},
        "expectation": {"samples": 2, "temperature": 0.5, "quantile": 0.5},
        "three_authors": None,
    }


def test_the_python_runs_as_it_stands(tiny, notes, tmp_path, monkeypatch, capsys):
    """With a tiny model and tiny data in the recipe's place."""
    (code,) = blocks(README, "python")
    load = library.load_recipe
    small = tiny | {"data": [{"format": "jsonl", "path": str(notes)}]}
    monkeypatch.setattr(library, "load_recipe", lambda name, overrides: load(name, small), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "readme.py").write_text(code)
    exec(compile(code, str(tmp_path / "readme.py"), "exec"), {"__name__": "readme"})
    said = capsys.readouterr().out
    assert "rest-em" in said
    assert "brevity" in said
    assert said.strip().splitlines()[-1]


def test_ones_own_data_from_a_table_to_a_text(tiny, tmp_path):
    """The README's five lines, one after the other."""
    rows = [
        f"{user},{user} wrote of rain in note {n} and of bread in note {n + 1}."
        for user in "abcdefgh"
        for n in range(9)
    ]
    (tmp_path / "texts.csv").write_text("user,text\n" + "\n".join(rows) + "\n")
    (tmp_path / "my_texts").mkdir()
    (tmp_path / "my_texts" / "one.txt").write_text("I wrote of rain before.")
    own = next(block for block in blocks(README) if "penname data convert" in block)
    tiny["reasoning"] = {"max_input_tokens": 600, "max_new_tokens": 16, "max_copied_tokens": 30}
    tiny["evaluation.metrics"] = ["rouge1"]
    tiny["limit"] = {"train": 4, "test": 2}
    tiny["methods"] = ["rag", "sft"]
    for words in commands("```\n" + own + "```\n"):
        extra = [part for key, value in tiny.items() for part in ("--set", f"{key}={json.dumps(value)}")]
        done = penname(*words, *(extra if words[0] == "train" else []), cwd=tmp_path)
        assert done.returncode == 0, (words, done.stderr)
    assert done.stdout.strip()
