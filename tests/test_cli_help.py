"""What a user reads of the command line itself: help and its examples, completion, the doctor, and no warnings."""

import ast
import csv
import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer

import penname as package
from penname.cli import app as cli
from penname.cli.doctor import findings
from penname.experiments.machine import Package, describe_environment, describe_machine
from penname.method_table import METHODS
from penname.shipped import shipped_recipes
from test_cli import penname, refused

ROOT = Path(package.__file__).parent
RECORDED = {"python", "packages", "platform", "cores", "device", "compute_dtype", "meteor"}
STARTED = """
import sys
from penname.cli.app import main
try:
    main()
finally:
    print(*sorted({"torch", "numpy", "matplotlib", "transformers"} & set(sys.modules)), file=sys.stderr)
"""


def commands(command, path=()):
    """Every command with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(cli.app)))


def examples_of(command):
    """The command lines in its help, each as words."""
    _, *lines = (command.epilog or "").split("\n\n")
    return [shlex.split(line.replace("\\\n", " ")) for line in lines]


EXAMPLES = {path: examples_of(command) for path, command in COMMANDS.items()}


def started(*arguments, code="from penname.cli.app import main; main()", **options):
    """In a process of its own, as a user's is."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, **options)


def test_help_is_in_the_order_of_work(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    shown = penname("--help").stdout
    panels = ["Start", "Data", "Train and compare", "Write", "This machine"]
    assert re.findall(r"─ (\w[\w ]+\w) ─", shown) == ["Options", *panels]
    assert re.search(r"Start.*quickstart.*Data.*data.*Train.*train.*Write.*generate.*machine.*doctor", shown, re.DOTALL)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_speaks_to_users(path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = penname(*path, "--help").stdout
    assert f"Usage: {' '.join(['penname', *path])}" in shown
    assert not re.search(r"`|\b(rooms?|modules?|docstrings?|callbacks?|argv|typer|None|self)\b", shown)
    for example in (COMMANDS[path].epilog or "").replace("\n\n", "\n").splitlines():
        assert example in [line.rstrip().removeprefix(" ") for line in shown.splitlines()], "broken between two lines"


@pytest.mark.parametrize(
    "path", [path for path in COMMANDS if path not in (("data",), ("judge-humans",), ("keys",))], ids=" ".join
)
def test_examples_parse(path):
    assert 1 <= len(EXAMPLES[path]) <= (2 if path else 5)
    assert not path or any(("penname", *path) == tuple(words[: len(path) + 1]) for words in EXAMPLES[path])
    for _, *words in EXAMPLES[path]:
        command = COMMANDS[()]
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(None, words)  # refuses what does not parse


def test_version():
    done = penname("--version")
    assert done.stdout == f"penname {package.__version__}\n"
    assert package.__version__ == importlib.metadata.version("penname")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_made(shell, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    script = penname("--show-completion", shell).stdout
    assert f"_PENNAME_COMPLETE=complete_{shell}" in script
    for words, expected in (
        ("train ", [*shipped_recipes()]),
        ("data stats q", ["quickstart"]),
        ("compare runs/a --o", ["--over-seeds"]),
        ("evaluate runs/a --method ", [*METHODS]),
        ("generate --method rest-", ["rest-em", "rest-pg"]),
        ("judge-humans ", ["export", "import"]),
    ):
        line = ["penname", *words.split(" ")]
        monkeypatch.setenv("COMP_WORDS", " ".join(line))
        monkeypatch.setenv("COMP_CWORD", str(len(line) - 1))
        monkeypatch.setenv("_TYPER_COMPLETE_ARGS", " ".join(line))
        monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        with monkeypatch.context() as asked:
            asked.setenv("_PENNAME_COMPLETE", f"complete_{shell}")
            given = penname().stdout
        assert set(expected) <= set(re.findall(r"[\w-]+", given)), words


@pytest.mark.parametrize("words", ["--help", "train ", "evaluate runs/a --method re"])
def test_help_and_completion_import_nothing_heavy(words, monkeypatch):
    if words == "--help":
        done = started("--help", code=STARTED)
    else:
        for name, value in {"COMP_WORDS": f"penname {words}", "COMP_CWORD": str(len(words.split(" ")))}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("_PENNAME_COMPLETE", "complete_bash")
        done = started(code=STARTED)
    assert done.stdout
    assert done.stderr == "\n"


@pytest.fixture(scope="module")
def environment():
    return describe_environment()


@pytest.fixture(scope="module")
def machine():
    return describe_machine()


def test_the_doctor_says_ten_lines():
    done = penname("doctor")
    assert done.returncode == 0, done.stderr
    found = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert len(found) == len(done.stdout.splitlines()) == 10
    assert f"penname {package.__version__}, Python {sys.version.split()[0]}" in found["versions"]
    assert f"torch {importlib.metadata.version('torch')}" in found["versions"]
    assert "float" in found["processor"] + found["GPU"]


def test_the_doctor_tells_a_program_everything(machine):
    found = json.loads(penname("doctor", "--json").stdout)
    assert found.keys() >= RECORDED | {"memory_available_gib", "disk_free_gib", "bundled_model", "extras"}
    assert {name: found["packages"][name] for name in ("torch", "transformers")} == {
        package.name: package.version for package in machine.needed if package.name in ("torch", "transformers")
    }
    assert found["cores"] == os.cpu_count()
    assert found["packages"]["torch"].startswith("2.13")
    assert all(package.tested for package in machine.needed if package.version)


@pytest.mark.parametrize(
    ("changes", "topic", "parts"),
    [
        ({"bundled_there": False}, "bundled model", ["penname generate --model bundled"]),
        ({"disk_free_gib": 0.5}, "disk", ["0.5 GiB free here, too little", "penname quickstart --run FOLDER"]),
        ({"memory_available_gib": 0.5, "gpu": None}, "memory", ["too little to train", "--set training.batch_size=1"]),
        (
            {"memory_available_gib": 64.0, "gpu": None, "largest": 1_700_000_000},
            "memory",
            ["LoRA models of up to 1.7B"],
        ),
        ({"hub_offline": True}, "Hugging Face hub", ["unset HF_HUB_OFFLINE"]),
        ({"data_folder": None}, "folders", ["four-tasks, laptop", "export PENNAME_DATA=FOLDER"]),
        ({"data_folder": "/nowhere", "data_there": False}, "folders", ["names no folder (/nowhere)"]),
        ({"instructions": []}, "processor", ["has no AVX2"]),
        ({"instructions": ["AVX2", "AVX-512"]}, "processor", ["has AVX2 and AVX-512, not AVX-512 BF16 or AMX"]),
        ({"gpu": None, "torch_for": "Apple's GPU"}, "GPU", ["none used", "export PENNAME_DEVICE=mps"]),
        ({"gpu": None, "torch_for": "CUDA 13.0"}, "GPU", ["built for CUDA 13.0", "nvidia-smi"]),
        (
            {"gpu": "H200", "gpu_memory_gib": 139.0, "gpu_memory_available_gib": 138.0, "largest": 8_000_000_000},
            "GPU",
            ["H200", "138.0 of 139.0 GiB", "trains the bundled 135M model", "up to 8B"],
        ),
        (
            {"extras": [Package("vllm", None, "vllm>=0.19", False, "for kind: vllm in a recipe")]},
            "optional packages",
            ["vllm is not installed", "kind: vllm", "pip install 'vllm>=0.19'"],
        ),
    ],
)
def test_the_doctor_names_what_is_missing_and_the_command_for_it(environment, machine, changes, topic, parts):
    lines = findings(environment, replace(machine, **changes))
    (line,) = [line for line in lines if line.startswith(f"{topic}: ")]
    assert [part for part in parts if part not in line] == []


def test_the_doctor_names_versions_that_are_not_tested(environment, machine):
    needed = [replace(p, version="9.9", tested=False) if p.name == "torch" else p for p in machine.needed]
    needed = [replace(p, version=None, tested=False) if p.name == "accelerate" else p for p in needed]
    line = findings(environment, replace(machine, needed=needed))[0]
    assert "torch 9.9" in line
    assert "accelerate missing" in line
    assert line.endswith("pip install 'torch<2.15,>=2.13' 'accelerate>=1.10'")


@pytest.fixture(scope="module")
def library_nodes():
    """The constants and calls of all that is not the command line, each with where it stands."""
    return [
        (f"{path}:{node.lineno}", node)
        for path in sorted(set(ROOT.rglob("*.py")) - set((ROOT / "cli").rglob("*.py")))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant | ast.Call)
    ]


def test_the_library_names_settings_and_arguments_not_options(library_nodes):
    constants = [(place, node.value) for place, node in library_nodes if isinstance(node, ast.Constant)]
    texts = [(place, value) for place, value in constants if isinstance(value, str)]
    assert len(texts) > 1000
    words = r"(?<![\w`])--[a-z]\S*"  # in a docstring between backticks: another program's
    assert [place for place, text in texts if re.search(words, text) and not re.fullmatch(words, text)] == []


def test_every_argument_that_the_library_refuses_is_one_of_a_command(library_nodes):
    known = {name for command in COMMANDS.values() for p in command.params for name in (*p.opts, p.name)}
    refusals = [
        (place, node.args[0].value)
        for place, node in library_nodes
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ArgumentError"
        if isinstance(node.args[0], ast.Constant)
        if not {"serve", "studio"} & {*Path(place).parts}  # names of requests' fields
    ]
    assert len(refusals) > 10
    for place, name in refusals:
        assert {name, f"--{cli.OPTIONS.get(name, name).replace('_', '-')}"} & known, place


@pytest.fixture(scope="module")
def work(tiny_model, notes, tmp_path_factory):
    """A folder with what the examples name: texts, a table, and a run of the quickstart at a tiny size."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "my_texts").mkdir()
    (folder / "my_texts" / "rain.txt").write_text("I wrote of rain before, in a note.")
    with (folder / "texts.csv").open("w") as file:
        table = csv.writer(file)
        table.writerow(["author", "body"])
        for author in range(4):
            table.writerows(
                [author, f"The {word} of author {author} is quite {word} today."] for word in "abcd"[: 2 + author % 5]
            )
    settings = [
        f"data=[{{format: jsonl, path: {notes}}}]",
        f"generator={{model: {tiny_model}, dtype: float32}}",
        "prompt={max_input_tokens: 400, max_output_tokens: 80}",
        "limit={train: 6, test: 6}",
        "training.gradient_checkpointing=true",
        "methods=[rag, sft]",
        "three_authors=null",
    ]
    done = started("quickstart", *(part for setting in settings for part in ("--set", setting)), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "sft" in done.stdout
    (folder / "stderr").write_text(done.stderr)
    return folder


def test_a_command_prints_no_other_librarys_warnings(work):
    assert (work / "stderr").read_text() == ""


CHEAP = [
    "penname train paper --dry-run",
    "penname compare runs/quickstart",
    "penname evaluate runs/quickstart --split val --method sft",
    "penname report runs/quickstart",
    "penname data stats presidents",
    "penname data validate presidents",
    "penname data convert texts.csv --out mine --user author --text body",
    "penname doctor --json",
    "penname generate --model runs/quickstart --profile my_texts/ --prompt 'Write about rain.'",
]


@pytest.mark.parametrize("line", CHEAP)
def test_examples_run(work, line):
    words = shlex.split(line)
    assert any(words in examples for examples in EXAMPLES.values())
    done = penname(*words[1:], cwd=work)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("penname: note: ") for line in done.stderr.splitlines()), done.stderr


def test_candidates_need_what_the_recipe_chooses_by(work):
    asked = ["generate", "--model", "runs/quickstart", "--prompt", "Write about rain.", "--candidates", "2"]
    refused(penname(*asked, cwd=work), "--candidates: found 2", "expected 1")


def test_what_the_library_calls_an_argument_is_an_option_here(work):
    asked = ["data", "convert", "texts.csv", "--out", "few", "--user", "author", "--text", "body"]
    done = penname(*asked, "--min-documents", "4", "--split", "leave-one-out", cwd=work)
    assert done.returncode == 2
    refusal = "penname: --min-documents: found 4, which leaves of texts.csv 2 users, too few for an example in train; "
    assert done.stderr.splitlines()[-1] == f"{refusal}expected a lower number"
