"""The documents name code, settings, values and files: each name is held against what it names."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel
from tests.test_layers import ALLOWED, BASE

import penname
from penname.config import Recipe

PACKAGE = Path(penname.__file__).parent
ROOT = Path(__file__).parents[1]
PAPER = ROOT / "docs" / "paper.md"
OTHERS = ("README.md", "benchmarks/README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
DOCUMENTS = sorted([*ROOT.glob("docs/**/*.md"), *(ROOT / name for name in OTHERS)])
SPAN = re.compile(r"`([^`\n]+)`")
CODE = re.compile(r"([\w/]+\.(?:py|txt))(?::([\w.]+))?")
VALUE = re.compile(r"(\*default\* )?`([^`]+)`")
SETTINGS = "setting"


def spans(text):
    return dict.fromkeys(SPAN.findall(text))


def tables(text):
    """The rows of every table, each a dict of its cells by heading."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        heading, _, *rows = [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in block.splitlines()
        ]
        assert {len(row) for row in rows} == {len(heading)}, block
        yield from (dict(zip(heading, row, strict=True)) for row in rows)


def values_of(row):
    """Each setting of a row with its recipe, the value given, and whether that is said to be the default."""
    for heading, cell in row.items():
        if heading.endswith(".yaml`") and cell:
            names, values = SPAN.findall(row[SETTINGS]), VALUE.findall(cell)
            assert len(names) == len(values), row
            for name, (default, value) in zip(names, values, strict=True):
                yield heading.strip("`"), name, value, bool(default)


ROWS = list(tables(PAPER.read_text()))
REFERENCES = [span for span in spans(PAPER.read_text()) if CODE.fullmatch(span)]
NAMED = {name: None for row in ROWS for name in SPAN.findall(row.get(SETTINGS, ""))}
VALUES = list(dict.fromkeys(entry for row in ROWS for entry in values_of(row)))


def names_in(body):
    """What the statements define: functions, classes, and names that are assigned to."""
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node.body if isinstance(node, ast.ClassDef) else []
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: [] for target in targets if isinstance(target, ast.Name)}
    return found


def setting(name):
    """The field of the recipe that a dotted name stands for; None where there is none."""
    model, field = Recipe, None
    for part in name.split("."):
        field = model.model_fields.get(part) if model else None
        if field is None:
            return None
        types = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((t for t in types if isinstance(t, type) and issubclass(t, BaseModel)), None)
    return field


def value(values, name):
    for part in name.split("."):
        if part not in values:
            raise KeyError(name)
        values = values[part]
    return values


@cache
def recipe(name):
    return yaml.safe_load((PACKAGE / "recipes" / name).read_text())


def test_the_papers_have_references_settings_and_values():
    assert len(REFERENCES) > 80
    assert len(NAMED) > 60
    assert {row.get("line") for row in ROWS if row.get("line")} >= {"2, 3", "3", "4, 5", "6, 7", "8, 9", "9", "10, 11"}
    assert {file for file, *_ in VALUES} == {"paper.yaml", "pat.yaml"}


def test_every_setting_of_the_papers_recipe_is_explained():
    given = {
        f"{section}.{key}" for section, own in recipe("paper.yaml").items() if isinstance(own, dict) for key in own
    }
    explained = {*NAMED, "reward.judge"}  # its model is
    engines = {f"{section}.kind" for section in ("generator", "teacher")}
    assert given - explained - engines == set()


@pytest.mark.parametrize("reference", REFERENCES)
def test_code_that_is_named_is_there(reference):
    path, name = CODE.fullmatch(reference).groups()
    assert (PACKAGE / path).is_file()
    found = names_in(ast.parse((PACKAGE / path).read_text()).body) if name else {}
    for part in name.split(".") if name else ():
        assert part in found
        found = names_in(found[part])


@pytest.mark.parametrize("name", NAMED)
def test_settings_that_are_named_are_there(name):
    assert setting(name) is not None


@pytest.mark.parametrize(("file", "name", "given", "default"), VALUES)
def test_values_that_are_given_are_those_of_the_recipe(file, name, given, default):
    if default:
        with pytest.raises(KeyError):
            value(recipe(file), name)
    else:
        assert value(recipe(file), name) == yaml.safe_load(given)
    assert value(Recipe.model_validate(recipe(file)).model_dump(mode="json"), name) == yaml.safe_load(given)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_settings_in_text_are_there(document):
    sections = [name for name, field in Recipe.model_fields.items() if setting(name) is field]
    dotted = re.compile(rf"(?:{'|'.join(sections)})(?:\.[a-z_]+)+")
    found = [m[0] for span in spans(document.read_text()) if (m := dotted.match(span))]
    assert [name for name in found if setting(name) is None and not name.endswith((".py", ".yaml"))] == []


def test_contributors_find_every_room_in_the_order_of_the_layers():
    rows = tables((ROOT / "CONTRIBUTING.md").read_text())
    rooms = [row["room"].strip("`") for row in rows if "room" in row]
    assert set(rooms[: len(BASE)]) == BASE
    assert rooms[len(BASE) :] == [room for room in ALLOWED if room not in BASE]


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, part = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        if part:
            assert part in [anchor(line.lstrip("# ")) for line in linked.read_text().splitlines() if line[:1] == "#"]
