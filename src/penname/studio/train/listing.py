"""Lists on the pages: of runs, and of people whose documents a run is trained on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penname.studio.train.processes import FILE
from penname.studio.train.states import RunState, is_run, state_of

MOST_USERS = 30
"""People who are shown beside those that are ticked."""


@dataclass(frozen=True)
class ListedRun:
    """A run, as it is listed.

    name: that of its folder.
    changed: when something was last written there, in local time.
    """

    name: str
    state: RunState
    changed: str


def listed_runs(runs: Path, first: int, count: int) -> tuple[list[ListedRun], bool]:
    """Some of the runs, those that changed last first, and whether there are more.

    runs: the folder that they are in.
    first, count: which of them.
    """
    folders = [folder for folder in runs.iterdir() if is_run(folder)] if runs.is_dir() else []
    newest = sorted(folders, key=_changed, reverse=True)[first : first + count + 1]
    return [_listed(folder) for folder in newest[:count]], len(newest) > count


def next_name(runs: Path) -> str:
    """A name for a run that no other has."""
    known = {path.name.casefold() for path in runs.iterdir()} if runs.is_dir() else set()
    number = 1
    while f"my-run-{number}" in known:
        number += 1
    return f"my-run-{number}"


def shown_users(users: Sequence[str], search: str, ticked: Sequence[str]) -> tuple[list[str], int]:
    """People who are shown to be ticked, and how many more there are: those with a text in their id.

    users: all.
    ticked: those who are shown in any case, and so are not among these.
    """
    folded, known = search.strip().casefold(), set(ticked)
    found = [user for user in users if folded in user.casefold() and user not in known]
    return found[:MOST_USERS], max(0, len(found) - MOST_USERS)


def _changed(folder: Path) -> float:
    return max(
        (path.stat().st_mtime for name in ("log.txt", FILE, "recipe.yaml") if (path := folder / name).is_file()),
        default=0.0,
    )


def _listed(folder: Path) -> ListedRun:
    state = state_of(folder)
    return ListedRun(folder.name, state, time.strftime("%Y-%m-%d %H:%M", time.localtime(state.changed)))
