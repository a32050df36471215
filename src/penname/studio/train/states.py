"""What has become of a run: told from its folder and from the processes that there are."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from penname.config import Recipe
from penname.errors import UserError
from penname.runs.progress import POSITION
from penname.session import stage_names
from penname.studio.recipes import recipe_of
from penname.studio.train.processes import ERRORS, FILE, Begun, holder, read_begun

State = Literal["starting", "under way", "pausing", "paused", "done", "failed", "stopped", "unreadable"]
SAID: dict[State, str] = {
    "starting": "Starting",
    "under way": "Under way",
    "pausing": "Pausing",
    "paused": "Paused",
    "done": "Done",
    "failed": "Failed",
    "stopped": "Stopped",
    "unreadable": "Cannot be read",
}
_LINES_SHOWN = 20
_BYTES_READ = 2**16


@dataclass(frozen=True)
class RunState:
    """What has become of a run.

    state: in a word.
    recipe: its recipe; None where it has none yet, or none that can be read.
    begun: what was begun in the studio; None where it was begun elsewhere.
    problem: why it ended or cannot be read, in a line.
    changed: when something was last written to its folder, in seconds since 1970.
    """

    state: State
    recipe: Recipe | None
    begun: Begun | None
    problem: str | None
    changed: float

    @property
    def goes(self) -> bool:
        """Whether a process works on it."""
        return self.state in ("starting", "under way", "pausing")

    @property
    def said(self) -> str:
        """Its state, as it is shown."""
        return SAID[self.state]


def state_of(run: Path) -> RunState:
    """What has become of a run. run: its folder."""
    begun, problem = read_begun(run), None
    pid = holder(run)  # before the folder is read, so that what it wrote last is not missed
    try:
        recipe = recipe_if_any(run)
    except UserError as error:
        recipe, problem = None, str(error)
    changed = changed_at(run)
    if pid is not None:
        state: State = "under way" if recipe else "starting"
        if begun and begun.pid == pid:
            state = "pausing" if begun.paused else "starting" if _time_of(run / POSITION) < begun.created else state
        return RunState(state, recipe, begun, None, changed)
    if recipe and is_finished(run, recipe):
        return RunState("done", recipe, begun, None, changed)
    if problem:
        return RunState("unreadable", None, begun, problem, changed)
    if begun is None:
        return RunState("stopped", recipe, None, None, changed)
    if begun.paused:
        return RunState("paused", recipe, begun, None, changed)
    return RunState("failed", recipe, begun, _why(run), changed)


def recipe_if_any(run: Path) -> Recipe | None:
    """The recipe of a run; None where it has none yet. Raises UserError for one that cannot be read."""
    return recipe_of(run) if (run / "recipe.yaml").is_file() else None


def is_finished(run: Path, recipe: Recipe) -> bool:
    """Whether all that a run computes is computed."""
    split = recipe.evaluation.split
    stages = [stage_names.evaluation(split, name) for name in recipe.method_rows]
    stages += [stage_names.three_authors(split, name) for name in recipe.writers(recipe.method_rows)]
    return all((run / stage / "stage.json").is_file() for stage in stages)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run's."""
    with contextlib.suppress(OSError):  # such as a name that is too long
        return (folder / "recipe.yaml").is_file() or (folder / FILE).is_file()
    return False


def changed_at(run: Path) -> float:
    """When something was last written to a run's folder, in seconds since 1970."""
    return max(_time_of(run / name) for name in ("log.txt", FILE, POSITION, "recipe.yaml"))


def last_lines(run: Path) -> list[str]:
    """The last lines that a run's process wrote, to its log and to its standard error."""
    return [*_lines(run / "log.txt")[-_LINES_SHOWN:], *_lines(run / ERRORS)[-_LINES_SHOWN:]]


def _why(run: Path) -> str:
    """Why a process ended, in a line."""
    lines = _lines(run / ERRORS)
    said = [line.removeprefix("penname: ") for line in lines if line.startswith("penname: ") and ": note: " not in line]
    if said or any(line.startswith("Traceback") for line in lines):
        return (said or lines)[-1]
    return "its process was ended from outside, as happens where memory runs out; go on repeats at most a few minutes"


def _lines(path: Path) -> list[str]:
    """The last lines of a file that are not blank."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _BYTES_READ))
        return [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return []


def _time_of(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0
