"""Imports follow the layers: a room may import only what stands below it."""

import ast
from pathlib import Path

import pytest

import penname
from penname.data.readers.choice import READERS

ROOT = Path(penname.__file__).parent
BASE = {
    *("control_tokens", "errors", "encoders", "extensions", "extras", "file_locks", "method_table"),
    *("shipped", "text_caches", "thoughts", "words"),
}
TOOLS = {
    "data",
    "retrieval",
    "prompts",
    "engines",
    "rewards",
    "training",
    "runs",
    "evaluation",
    "config",
    "engine_config",
    "recipe_files",
}
PAPERS = {"rest_pg", "pat"}
ALLOWED: dict[str, set[str]] = {
    **{room: set() for room in BASE},
    "data": set(),
    "retrieval": {"data"},
    "prompts": {"data"},
    "engines": set(),
    "rewards": {"data", "engines", "prompts"},
    "training": {"engines"},
    "runs": set(),
    "evaluation": {"data", "rewards"},
    "engine_config": {"engines", "prompts"},
    "config": {"data", "engine_config", "engines", "prompts", "retrieval", "runs"},
    "recipe_files": {"config"},
    "session": TOOLS,
    "scale": {*TOOLS, "session"},
    # The papers' methods stand on the session, and know nothing of each other.
    "rest_pg": {*TOOLS, "session"},
    "pat": {*TOOLS, "session"},
    "experiments": {*TOOLS, *PAPERS, "session", "scale"},
    "reporting": {*TOOLS, *PAPERS, "session", "experiments"},
    "generate": {*TOOLS, *PAPERS, "session", "experiments"},
    "serve": {
        *("data", "retrieval", "prompts", "engines", "rewards"),
        *("config", "session", "experiments", "generate"),
    },
    "studio": {
        *("data", "retrieval", "prompts", "engines", "rewards", "evaluation", "runs"),
        *("config", "recipe_files", "session", "experiments", "reporting", "generate", "serve"),
    },
    "api": {*TOOLS, "experiments", "reporting", "generate"},
    "cli": {*TOOLS, "session", "experiments", "reporting", "generate", "api", "serve", "studio"},
    "__main__": {"cli"},
}
MODULES = sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or p.stem != "__init__")


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_from_below(path):
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "penname":
            names += [f"penname.{alias.name}" for alias in node.names if not alias.name.startswith("_")]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    rooms = {name.split(".")[1] for name in names if name.startswith("penname.")}
    own = room_of(path)
    assert rooms - {own} - BASE - ALLOWED[own] == set()


def test_every_room_has_its_layer():
    assert {room_of(path) for path in MODULES} == set(ALLOWED)


def test_a_reader_is_a_short_module():
    """The words that it knows, and the rules that it shares, have modules of their own."""
    lines = {path.stem: path.read_text().splitlines() for path in (ROOT / "data" / "readers").glob("*.py")}
    readers = {name: len(found) for name, found in lines.items() if any(line.startswith("READER = ") for line in found)}
    assert len(readers) == len(READERS)
    assert {name: length for name, length in readers.items() if length >= 100} == {}
