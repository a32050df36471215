"""Each block of the documents is what it says that it is: shell, Python, YAML of recipes, JSON, or output."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import subprocess
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml
from docs.reference import openapi
from tests.test_readme import PAGES, ROOT, SET, blocks, commands, parse

from penname.config import Recipe

LANGUAGES = {"", "bash", "python", "yaml", "json", "text"}
UNCHECKED = {
    "ray": "starts a cluster, which takes more than one machine",
    "srun": "Slurm's",
    "claude": "a program of others",
    "sleep": "the system's",
    "source": "the shell's",
    "export": "the shell's",
    "cat": "the system's; the tutorials' tests run it",
}
"""Commands that no test of this file looks into, and why."""
FOREIGN_YAML = {"scale.md": "apiVersion: ray.io/v1"}
"""YAML that is no part of a recipe: Kubernetes' own, which is only parsed."""
LEAST = {"methods": ["rag"], "data": [{"format": "presidents"}], "reward": {"mixture": {"rouge1": 1}}}


def of_all_pages(*languages):
    """Every block in these languages, with the page that it is in."""
    return [
        pytest.param(page, block, id=f"{page.relative_to(ROOT)}:{block[:40]}")
        for page in PAGES
        for language in languages
        for block in blocks(page.read_text("utf-8"), language)
    ]


def shell_lines(block):
    """The words of each command in a block; a line that ends in a backslash or within quotation marks goes on."""
    line, found = "", []
    for part in block.splitlines():
        line += part + "\n"
        try:
            words = shlex.split(line.replace("\\\n", " "), comments=True)
        except ValueError:  # a quotation that is not closed yet
            continue
        if not part.endswith("\\"):
            found += [[word for word in words if not SET.fullmatch(word)]]
            line = ""
    assert not line, f"a quotation is not closed: {line}"
    return [words for words in found if words]


@cache
def described():
    return openapi()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page):
    text = page.read_text("utf-8")
    assert set(re.findall(r"^```(\w*)\n(?:.*?)^```$", text, re.M | re.S)) <= LANGUAGES
    assert len(re.findall(r"^```", text, re.M)) % 2 == 0


@pytest.mark.parametrize(("page", "block"), of_all_pages("", "bash"))
def test_a_block_of_commands_is_one(page, block):
    """Its syntax is a shell's, and each command is known: penname's are parsed, others held against what they name."""
    subprocess.run(["bash", "-n"], input=re.sub(r"\[--[^\]]*\]", "", block), text=True, check=True)
    programs = {
        "make": check_make,
        "pip": check_pip,
        "curl": check_curl,
        "python": lambda words: check_python(words, page),
        "penname": lambda words: None,  # tests/test_readme.py
    }
    for words in shell_lines(block):
        name = words[0].partition("=")[0]
        if name not in UNCHECKED and name != "head":  # a variable of Slurm's script
            assert name in programs, words
            programs[name](words[1:])


def check_make(words):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert set(words) <= set(targets)


def check_pip(words):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    if words[:2] == ["install", "-c"]:
        assert (ROOT / words.pop(2)).is_file()
        words.pop(1)
    _, wanted = words
    name, _, named = wanted.rstrip("]").partition("[")
    assert name == "penname"
    assert set(filter(None, named.split(","))) <= set(extras)


def check_python(words, page):
    file = next(word for word in words if word.endswith(".py"))
    own = [code.splitlines()[0].lstrip("# ") for code in blocks(page.read_text("utf-8"), "python")]
    assert file in own or (ROOT / file).is_file()


def check_curl(words):
    """The address is one of the server's, and what is sent to it is what it takes."""
    (address,) = [word for word in words if word.startswith("localhost:")]
    split = urlsplit(f"http://{address}")
    body = words[words.index("-d") + 1] if "-d" in words else None
    files = [words[number + 1] for number, word in enumerate(words) if word == "-F"]
    method = words[words.index("-X") + 1] if "-X" in words else "POST" if body or files else "GET"
    operation = operation_of(split.path, method)
    names = {parameter["name"] for parameter in operation.get("parameters", ())}
    assert {pair.partition("=")[0] for pair in split.query.split("&") if pair} <= names
    content = operation.get("requestBody", {}).get("content", {})
    if body is not None:
        schema = {**content["application/json"]["schema"], "components": described()["components"]}
        jsonschema.validate(json.loads(body), schema)
    if files:
        fields = content["multipart/form-data"]["schema"]["properties"]
        assert {file.partition("=")[0] for file in files} <= set(fields)


def operation_of(path, method):
    for pattern, operations in described()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method.lower() in operations:
            return operations[method.lower()]
    raise AssertionError(f"{method} {path} is not in the interface")


def test_what_the_server_does_not_have_is_found():
    for words in (["localhost:8000/v1/nothing"], ["-X", "PATCH", "localhost:8000/v1/users/ada"]):
        with pytest.raises(AssertionError, match="not in the interface"):
            check_curl(words)
    with pytest.raises(jsonschema.ValidationError):
        check_curl(["localhost:8000/v1/chat/completions", "-d", '{"messages": "Write."}'])


@pytest.mark.parametrize(("page", "block"), of_all_pages("python"))
def test_python_compiles_and_imports_what_there_is(page, block):
    """Tests of the tutorials and of the README run theirs."""
    own = {code.splitlines()[0].lstrip("# ").removesuffix(".py") for code in blocks(page.read_text("utf-8"), "python")}
    tree = ast.parse(block)
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module]
        for name in modules:
            if name not in own:
                module = importlib.import_module(name)
                names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
                assert all(hasattr(module, wanted) for wanted in names)


@pytest.mark.parametrize(("page", "block"), of_all_pages("yaml"))
def test_yaml_is_of_a_recipe(page, block):
    settings = list(yaml.safe_load_all(block))
    if block.startswith(FOREIGN_YAML.get(page.name, "\0")):
        assert settings
        return
    (own,) = settings
    Recipe.model_validate(LEAST | own)


@pytest.mark.parametrize(("page", "block"), of_all_pages("json"))
def test_json_starts_commands_that_there_are(page, block):
    """The documents have JSON for programs that start penname."""
    (server,) = json.loads(block)["mcpServers"].values()
    assert server["command"] == "penname"
    parse(server["args"])


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/tutorials/*.md")), ids=lambda page: page.stem)
def test_a_tutorial_has_commands_and_what_they_print(page):
    text = page.read_text("utf-8")
    assert commands(text)
    assert blocks(text, "text")


def test_lines_of_a_block_are_told_apart():
    block = "penname train x \\\n  --set a=1   # why\n\ncurl localhost:1/v1 -d '{\n\"a\": 1}'\nA=b make test\n"
    assert shell_lines(block) == [
        ["penname", "train", "x", "--set", "a=1"],
        ["curl", "localhost:1/v1", "-d", '{\n"a": 1}'],
        ["make", "test"],
    ]


def test_what_is_not_looked_into_is_there():
    found = {
        words[0]
        for page in PAGES
        for block in [*blocks(page.read_text("utf-8")), *blocks(page.read_text("utf-8"), "bash")]
        for words in shell_lines(block)
    }
    assert set(UNCHECKED) <= found


def test_pages_are_all_there():
    assert {path.name for path in PAGES} >= {"README.md", "SECURITY.md", "serve.md", "mails.md"}
    assert Path(ROOT / "docs" / "tutorials") in {path.parent for path in PAGES}
