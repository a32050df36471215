"""Each benchmark runs and ends with its one line of JSON; what it measures is for benchmarks/README.md."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "common")


@pytest.mark.slow
@pytest.mark.skipif("PENNAME_DATA" not in os.environ, reason="PENNAME_DATA is not set: no real texts to measure on")
@pytest.mark.skipif(find_spec("trl") is None, reason="trl is not installed: pip install -e '.[benchmark]'")
@pytest.mark.parametrize("name", NAMES)
def test_a_quick_benchmark_prints_its_result_last(name):
    done = subprocess.run([sys.executable, f"{name}.py", "--quick"], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"ratio", "target", "reached"} <= set(found)
    assert found["ratio"] > 0
