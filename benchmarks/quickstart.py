"""`make quickstart` against itself before penname had an engine of its own, each from a fresh clone with installation.

Environments and caches, pip's too, are new on both sides. With --quick only the installations are timed.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from common import finish, parser, run, timed

from penname.errors import UserError

ROOT = Path(__file__).parents[1]
BEFORE = "76c3a24"


def fresh_clone(commit: str, folder: Path) -> Path:
    done = subprocess.run(["git", "clone", "--quiet", ROOT, folder], capture_output=True, text=True)
    if not done.returncode:
        done = subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{ROOT}: found no clone with commit {commit}, expected a whole one: {done.stderr.strip()}")
    return folder


def make(goal: str, clone: Path) -> None:
    own = {name: value for name, value in os.environ.items() if name not in ("PENNAME_CACHE", "VIRTUAL_ENV")}
    own["XDG_CACHE_HOME"] = str(clone / "cache")
    subprocess.run(["make", goal], cwd=clone, env=own, stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    given = parser(__doc__).parse_args()
    goal = "install" if given.quick else "quickstart"
    with tempfile.TemporaryDirectory() as folder:
        now, before = (fresh_clone(commit, Path(folder) / commit) for commit in ("HEAD", BEFORE))
        now_s, _ = timed(make, goal, now)
        before_s, _ = timed(make, goal, before)
    finish(before_s / now_s, 2, seconds=round(now_s), seconds_before=round(before_s), seconds_target=480, made=goal)


if __name__ == "__main__":
    run(main)
