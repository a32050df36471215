"""The files of others that the pages load: each with its licence, in the wheel too, and small together."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from penname.studio.pages import FOLDER

ROOT = Path(__file__).parents[2]
STATIC = FOLDER / "static"
TERMS = {"htmx": "0BSD", "sse": "0BSD", "uplot": "MIT"}
REFUSED = r"<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=|\shx-on|javascript:|['\"]js:"
SIGNS = {"0BSD": r"(BSD Zero Clause|Zero-Clause BSD)", "MIT": r"The MIT License"}


def test_every_file_of_others_has_its_licence_beside_it():
    assert {path.name.split(".")[0] for path in STATIC.glob("*.min.*")} == TERMS.keys()
    for name, terms in TERMS.items():
        assert re.search(SIGNS[terms], (STATIC / f"{name}.LICENSE.txt").read_text())


def test_the_readme_names_them_with_their_terms():
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("|")]
    for name, terms in (("htmx", "0BSD"), ("SSE extension", "0BSD"), ("uPlot", "MIT"), ("axe-core", "MPL-2.0")):
        assert any(name in row and terms in row for row in rows), name


def test_the_wheel_has_files_templates_and_licences():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["penname"]
    inside = [path.relative_to(FOLDER.parent) for path in (*STATIC.rglob("*"), *(FOLDER / "templates").rglob("*"))]
    assert [path for path in inside if not any(fnmatch(str(path), pattern) for pattern in patterns)] == []
    licences = [path.relative_to(ROOT) for path in STATIC.glob("*.LICENSE.txt")]
    listed = project["project"]["license-files"]
    assert [path for path in licences if not any(fnmatch(str(path), pattern) for pattern in listed)] == []


def test_files_of_others_are_small():
    assert sum(path.stat().st_size for path in STATIC.glob("*.min.*")) < 200_000


def test_no_page_loads_anything_from_elsewhere():
    for path in (FOLDER / "templates").rglob("*.html"):
        found = re.findall(r"(?:src|href|action|hx-\w+|sse-connect)=[\"'](?:https?:)?//[^\"']*", path.read_text())
        assert found == [], path.name


def test_no_template_has_what_the_policy_refuses():
    for path in (FOLDER / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(REFUSED, text), path.name
