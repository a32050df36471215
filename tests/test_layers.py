"""Imports follow the layers: a room may import only what stands below it."""

import ast
from pathlib import Path

import pytest

import penname

ROOT = Path(penname.__file__).parent
BASE = {"errors", "encoders", "extensions", "method_table"}
ALLOWED = {
    "data": set(),
    "retrieval": {"data"},
    "graph": {"data", "retrieval"},
    "prompts": {"data"},
    "engines": set(),
    "rewards": {"data", "engines", "prompts"},
    "training": {"engines"},
    "runs": set(),
    "evaluation": {"data", "rewards"},
    "config": {"data", "engines", "prompts", "retrieval", "runs"},
    "recipe_files": {"config"},
    "session": {"config", "engines", "prompts"},
    "methods": {
        "data",
        "session",
        "retrieval",
        "graph",
        "prompts",
        "engines",
        "rewards",
        "training",
        "runs",
        "evaluation",
        "config",
        "recipe_files",
    },
    "generate": {"config", "data", "engines", "prompts", "retrieval", "rewards", "runs", "session", "methods", "graph"},
    "api": {"config", "recipe_files", "rewards", "runs", "methods", "generate"},
    "cli_control": {"data", "prompts", "training", "runs"},
    "cli_data": {"cli_control", "data", "retrieval", "runs", "evaluation", "config", "recipe_files"},
    "cli_humans": {"methods", "evaluation"},
    "cli_show": {"methods", "runs", "evaluation", "config"},
    "cli": {
        "cli_data",
        "cli_humans",
        "cli_show",
        "methods",
        "runs",
        "evaluation",
        "config",
        "recipe_files",
        "engines",
        "api",
        "generate",
    },
    "encoders": set(),
    "extensions": set(),
    "method_table": set(),
    "errors": set(),
}
MODULES = sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or p.stem != "__init__")


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_from_below(path):
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    rooms = {name.split(".")[1] for name in names if name.startswith("penname.")}
    own = room_of(path)
    assert rooms - {own} - BASE - ALLOWED[own] == set()


def test_every_room_has_its_layer():
    assert {room_of(path) for path in MODULES} == set(ALLOWED)
