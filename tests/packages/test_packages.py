"""The packages as they are released: built twice alike, small, enough for what each extra is for, with no network.

Everything is installed into fresh environments from a folder of wheels, in a network namespace that leads nowhere; the
wheels are fetched once, in the versions of constraints.txt. Minutes, and some gigabytes of disk.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

EPOCH = "1700000000"
"""When files of a package were changed last, for packages that are alike byte by byte."""
MOST_MIB, MOST_SECONDS = 2048, 0.3
"""The largest size of an environment that writes and serves, and the longest import of penname."""


def run(*command, ok=True, **more):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, encoding="utf-8", check=False, **more
    )
    if ok:
        assert done.returncode == 0, done.stderr[-2000:]
    return done


def contents(wheel):
    with zipfile.ZipFile(wheel) as opened:
        return {name: hashlib.sha256(opened.read(name)).hexdigest() for name in opened.namelist()}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the files that belong to the project, as building leaves others beside them."""
    folder = tmp_path_factory.mktemp("tree")
    names = run("git", "-C", ROOT, "ls-files", "-z").stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def built(tree, tmp_path_factory):
    """The sdist, and the wheel that is made from it."""
    return build(tree, tmp_path_factory.mktemp("built"))


def build(tree, out, *kinds):
    environment = os.environ | {"SOURCE_DATE_EPOCH": EPOCH}
    run(sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", out, tree, env=environment)
    return out


def only(folder, pattern):
    (found,) = folder.glob(pattern)
    return found


def test_the_wheel_of_the_sdist_is_that_of_the_tree(built, tree, tmp_path):
    assert contents(only(built, "*.whl")) == contents(only(build(tree, tmp_path, "--wheel"), "*.whl"))


def test_equal_trees_give_equal_wheels(built, tree, tmp_path):
    assert only(built, "*.whl").read_bytes() == only(build(tree, tmp_path), "*.whl").read_bytes()


def test_nothing_of_tests_and_documents_is_in_the_wheel(built):
    names = contents(only(built, "*.whl"))
    assert {name.split("/")[0].split("-")[0] for name in names} == {"penname"}
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    with tarfile.open(only(built, "*.tar.gz")) as opened:
        assert any(name.endswith("/src/penname/recipes/paper.yaml") for name in opened.getnames())


@pytest.fixture(scope="module")
def wheels(built, tmp_path_factory):
    """A folder with penname and all that its extras need, and the bundled model."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel = f"{only(built, '*.whl')}[studio]"
    run(sys.executable, "-m", "pip", "wheel", "-q", "-w", folder, "-c", ROOT / "constraints.txt", wheel)
    from penname.engines.models import BUNDLED_WHEEL

    run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, BUNDLED_WHEEL)
    return folder


class Environment:
    """A fresh environment that reaches no network."""

    def __init__(self, folder, wheels, extras):
        self.folder = folder
        folder.mkdir()
        self._variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PENNAME", "PIP"))},
            "PENNAME_CACHE": str(folder / "cache"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_CONFIG_FILE": os.devnull,
        }
        run(sys.executable, "-m", "venv", folder / "venv")
        self("python", "-m", "pip", "install", "-q", f"penname{extras}")

    @property
    def size(self):
        """What is installed, in bytes."""
        files = (path for path in (self.folder / "venv").rglob("*") if path.is_file() and not path.is_symlink())
        return sum(path.stat().st_size for path in files)

    def __call__(self, program, *arguments, ok=True):
        command = ["unshare", "--net", "--map-root-user", self.folder / "venv" / "bin" / program, *arguments]
        return run(*command, ok=ok, env=self._variables, cwd=self.folder)


@pytest.fixture
def environment(wheels, tmp_path):
    made = []

    def make(extras=""):
        made.append(Environment(tmp_path / f"environment{len(made)}", wheels, extras))
        return made[-1]

    return make


TIMED = "import time; began = time.perf_counter(); import penname; print(time.perf_counter() - began)"


def test_a_base_installation_writes(environment):
    penname = environment()
    assert float(penname("python", "-c", TIMED).stdout) < MOST_SECONDS
    assert "for training: pip install" in penname("penname", "doctor").stdout
    text = penname("penname", "generate", "--model", "bundled", "--prompt", "Write about rain.").stdout
    assert len(text.split()) > 5
    assert "stage" in penname("penname", "train", "quickstart", "--dry-run").stdout
    refused = penname("penname", "quickstart", ok=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "pip install 'penname[train]'" in refused.stderr
    refused = penname("penname", "serve", "bundled", ok=False)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "pip install 'penname[serve]'" in refused.stderr


def test_training_needs_its_extra_alone(environment):
    penname = environment("[train]")
    settings = ["limit={train: 8, test: 4}", "methods=[rag, sft]", "three_authors=null", "tracking=none"]
    penname("penname", "train", "quickstart", *(f"--set={setting}" for setting in settings))


def test_a_server_needs_its_extra_alone(environment):
    penname = environment("[serve]")
    assert penname.size < MOST_MIB * 2**20
    done = penname("python", "-c", SERVED)
    assert done.stdout.splitlines()[-1] == "200"


SERVED = """
import os, subprocess, sys, time, urllib.request
from pathlib import Path
os.system("ip link set lo up")
server = subprocess.Popen([Path(sys.executable).with_name("penname"), "serve", "bundled", "--port", "8123"])
for _ in range(600):
    time.sleep(0.2)
    try:
        print(urllib.request.urlopen("http://127.0.0.1:8123/readyz").status)
        break
    except OSError:
        pass
server.terminate()
server.wait()
"""
