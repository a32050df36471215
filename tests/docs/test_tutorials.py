"""The tutorials run as they stand: each page's blocks, in its order, in a folder of their own.

Sizes are lowered by one rule: a `penname train` that is no dry run gets the settings `SMALLER` as well. Packages are
not installed anew, a server is started in the background on a free port, and what `penname data leaks` finds (exit code
2) may be serious, as tiny models learn by heart.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from tests.engines.servers import free_port
from tests.test_readme import ROOT

import penname

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRELUDE = """
set -euo pipefail
penname() {
    case "$*" in
        *--dry-run*) "$PYTHON" -m penname "$@" ;;
        train*) "$PYTHON" -m penname "$@" "${SMALLER[@]}" ;;
        serve*) "$PYTHON" -m penname "$@" & trap "kill $!" EXIT ;;
        data\\ leaks*) "$PYTHON" -m penname "$@" || test $? = 2 ;;
        *) "$PYTHON" -m penname "$@" ;;
    esac
}
python() { "$PYTHON" "$@"; }
pip() { :; }
"""
PRINTED = {
    "mails": [
        "72 mails in Sent.mbox",
        "72 rows, 72 documents; examples: 57 train, 7 val, 7 test",
        "train: 129 rows, 129 kept; no row skipped",
        "no leak found (contexts and dates checked)",
    ],
    "reward": ["1.0\n0.5\n0.0", "exit code 2"],
    "scale": ["the same texts and scores: True"],
    "serve": ['"documents":2', '"chosen": "Rivers are long, and we are not."', '"deleted":true'],
    "table": ["model parameters: "],
}
"""What a page says that is printed and does not depend on the model."""


@pytest.fixture
def smaller(tiny_model):
    model = {"model": str(tiny_model), "dtype": "float32"}
    settings = {
        "generator": model,
        "teacher": model,
        "limit": {"train": 8, "test": 4},
        "prompt": {"max_input_tokens": 600, "max_output_tokens": 400},
        "expectation": {"samples": 2, "temperature": 0.5, "quantile": 0.5},
    }
    return [part for key, value in settings.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def script_of(page, folder):
    """The page's commands in its order; its Python goes to files, each named by its first line."""
    commands = []
    for language, block in BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            (folder / block.splitlines()[0].removeprefix("# ")).write_text(block, "utf-8")
        elif not language:
            commands.append(block)
    return "\n".join(commands)


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_runs_as_it_stands(page, smaller, tmp_path):
    script = f"SMALLER=({shlex.join(smaller)})\n{PRELUDE}\n{script_of(page, tmp_path)}"
    port = str(free_port())
    for path in tmp_path.glob("*.py"):
        path.write_text(path.read_text("utf-8").replace("8000", port), "utf-8")
    paths = os.pathsep.join([str(tmp_path), os.path.dirname(os.path.dirname(penname.__file__))])
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": paths}
    done = subprocess.run(
        ["bash", "-c", script.replace("8000", port)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for words in PRINTED[page.stem]:
        assert words in page.read_text("utf-8")
        assert words in done.stdout, (words, done.stdout[-3000:], done.stderr[-3000:])


def test_every_tutorial_is_run():
    assert {page.stem for page in TUTORIALS} == set(PRINTED)
