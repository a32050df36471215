"""penname does the same on every system: its files are in UTF-8, and what some systems lack is not imported at once."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import penname
from penname.engines.models import pick_device
from penname.errors import UserError

ROOT = Path(penname.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
STARTERS = {"run", "Popen", "check_output"}
NOT_IMPORTED = ("__main__", "migrations.env", "engines.vllm_repetition")
"""Modules that do something when they are imported, and the one of a package that is seldom installed."""
OWN = {("file", "open")}
"""Methods of penname itself that have the name of one that opens a file."""


def opens_text(call):
    """Whether a call opens a file, or reads a process, as text in whatever encoding the system has."""
    given = {keyword.arg for keyword in call.keywords}
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    owner = getattr(call.func.value, "id", "") if isinstance(call.func, ast.Attribute) else ""
    if "encoding" in given or (owner, name) in OWN or (owner, name) == ("os", "open"):
        return False
    if name == "open":
        modes = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
        return not any(isinstance(mode, str) and "b" in mode for mode in modes)
    methods = isinstance(call.func, ast.Attribute)
    return (
        (name == "read_text" and methods and not call.args)
        or (name == "write_text" and methods)
        or (name in STARTERS and bool({"text", "universal_newlines"} & given))
    )


def unnamed_encodings(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [f"{path}:{call.lineno}: {ast.unparse(call)}" for call in calls if opens_text(call)]


def test_text_is_read_and_written_in_an_encoding_that_is_named():
    assert [place for path in MODULES for place in unnamed_encodings(path)] == []


def test_an_unnamed_encoding_is_found():
    found = {"path.read_text()": 1, "path.open('a')": 1, "run(c, text=True)": 1, "path.open('rb')": 0, "os.open(p)": 0}
    assert {text: opens_text(ast.parse(text, mode="eval").body) for text in found} == found


def test_every_module_is_imported_without_what_windows_lacks():
    names = [".".join(("penname", *path.relative_to(ROOT).with_suffix("").parts)) for path in MODULES]
    names = [name.removesuffix(".__init__") for name in names if not name.endswith(NOT_IMPORTED)]
    script = "import importlib, sys; [importlib.import_module(name) for name in sys.stdin.read().split()]"
    paths = [str(Path(__file__).with_name("portable")), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, "-c", script], input="\n".join(names), text=True, capture_output=True, env=environment
    )
    assert done.stderr == ""


def test_the_device_is_the_one_that_is_named(monkeypatch):
    monkeypatch.setenv("PENNAME_DEVICE", "cpu")
    assert pick_device() == "cpu"
    monkeypatch.setenv("PENNAME_DEVICE", "abacus")
    with pytest.raises(UserError, match=r"^PENNAME_DEVICE: found 'abacus', expected one that this machine has: cpu"):
        pick_device()
