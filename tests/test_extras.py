"""What only a part of penname needs is an extra; whoever lacks it is told so in a line, before anything is computed."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from penname.errors import UserError
from penname.experiments.plan import check_inputs
from penname.extras import MODULES, missing, require
from penname.recipe_files import load_recipe
from penname.reporting.write import write_report

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SERVER = ["alembic", "cryptography", "fastapi", "mcp", "prometheus_client", "sqlalchemy", "starlette", "uvicorn"]
"""What a server imports of the extra `serve`."""
DISTRIBUTIONS = importlib.metadata.packages_distributions()


def named(requirements):
    return {Requirement(text).name.replace("_", "-") for text in requirements}


def distributions(module):
    """What may install a module, by the names that are in pyproject.toml."""
    return {name.replace("_", "-") for name in DISTRIBUTIONS.get(module, [module])}


def recipe_of(methods):
    return load_recipe("quickstart", [f"methods=[{methods}]", "three_authors=null"])


@pytest.fixture
def without(monkeypatch):
    def hide(*modules):
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)

    return hide


@pytest.mark.parametrize("extra", MODULES)
def test_an_extra_installs_what_is_asked_for(extra):
    listed = named(PROJECT["optional-dependencies"][extra])
    for module in MODULES[extra]:
        assert distributions(module) & listed
        assert not distributions(module) & named(PROJECT["dependencies"])


def test_a_missing_package_is_named_with_what_installs_it(without):
    require("train", "training")
    without("trl", "peft")
    assert missing("train") == ["peft", "trl"]
    with pytest.raises(UserError, match=r"^training needs peft, trl: pip install 'penname\[train\]'$"):
        require("train", "training")


@pytest.mark.parametrize(
    ("methods", "module", "line"),
    [
        ("sft", "peft", "training needs peft: pip install 'penname[train]'"),
        ("pat", "torch_geometric", "other users' documents needs torch_geometric: pip install 'penname[graph]'"),
    ],
)
def test_a_run_that_needs_an_extra_does_not_begin(without, methods, module, line, tmp_path):
    without(module)
    with pytest.raises(UserError) as error:
        check_inputs(recipe_of(methods), tmp_path)
    assert line in str(error.value)


def test_what_trains_nothing_needs_no_extra_for_training(without, tmp_path):
    without("peft", "trl", "torch_geometric", "matplotlib")
    check_inputs(recipe_of("rag"), tmp_path)


@pytest.mark.parametrize("command", ["serve bundled", "studio --no-browser", "keys list", "mcp bundled"])
def test_a_command_of_the_server_without_its_packages_is_refused_in_a_line(command, tmp_path):
    script = f"import sys; sys.modules.update(dict.fromkeys({SERVER})); from penname.cli.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script, *command.split()], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert re.search(r"pip install 'penname\[(serve|studio)\]'", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_report_without_figures_is_not_begun(without, tmp_path):
    without("matplotlib")
    with pytest.raises(UserError, match=r"a report needs matplotlib: pip install 'penname\[plots\]'"):
        write_report([tmp_path])
