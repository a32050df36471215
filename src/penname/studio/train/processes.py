"""The processes that train runs: each belongs to a run's folder, and goes on whatever happens to the studio.

`process.json` in the folder says what was begun and by which process: its id and when it was started, as ids are given
again. Whether that process, or another one that holds the folder, is alive is asked of the system each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Thread

import psutil

from penname.errors import UserError
from penname.file_locks import try_lock
from penname.runs.folder import HOLDER, holder_of, read_json, write_text

FILE = "process.json"
ERRORS = "errors.txt"
"""What the process writes to its standard error; what else it says is in the run's log."""

_LOCK = "process.lock"
_CLOCK = 1.0
"""Seconds by which two readings of when a process was started may differ."""


@dataclass(frozen=True)
class Begun:
    """What was begun in a run's folder.

    arguments: those of penname.
    folder: where it was begun, for relative paths in the recipe.
    users: number of the studio's users whose documents it is trained on.
    pid, created: the process, and when it was started, in seconds since 1970.
    paused: whether it was told to stop.
    """

    arguments: list[str]
    folder: str
    users: int
    pid: int
    created: float
    paused: bool = False

    @property
    def command(self) -> str:
        """The command that does the same in a terminal."""
        return shlex.join(["penname", *map(str, self.arguments)])


def start(run: Path, arguments: list[str], users: int) -> None:
    """Start penname in a session of its own. Raises UserError where the run is under way.

    run: the run's folder.
    arguments, users: see `Begun`.
    """
    with _alone(run):
        _start(run, Begun(arguments, os.getcwd(), users, 0, 0.0))


def go_on(run: Path) -> None:
    """Start again what was begun; it resumes. Raises UserError where it is under way, or was not begun here."""
    with _alone(run):
        begun = read_begun(run)
        if begun is None:
            raise UserError(f"{run.name}: was not begun in the studio, expected the command that it was begun with")
        _start(run, begun)


def pause(run: Path) -> None:
    """Tell the process to stop, after which it can be gone on with. Raises UserError where there is none of ours."""
    with _alone(run):
        begun = read_begun(run)
        process = begun and _process(begun.pid, begun.created)
        if not begun or not process:
            found = "is not under way" if holder(run) is None else "was not begun in the studio"
            raise UserError(f"{run.name}: {found}, expected a run that can be paused")
        _write(run, replace(begun, paused=True))
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)


def read_begun(run: Path) -> Begun | None:
    """What was begun in a run's folder; None where nothing was begun in the studio."""
    with contextlib.suppress(UserError, OSError, TypeError):
        begun = Begun(**read_json(run / FILE))
        if isinstance(begun.pid, int) and isinstance(begun.created, float) and isinstance(begun.arguments, list):
            return begun
    return None


def holder(run: Path) -> int | None:
    """The process that works on a run, whoever has started it; None where there is none."""
    begun = read_begun(run)
    if begun is not None and _process(begun.pid, begun.created):
        return begun.pid
    return _living_holder(run)


def _living_holder(run: Path) -> int | None:
    """The process that holds a run's folder, if it is alive and was so when it wrote that it does."""
    pid = holder_of(run)
    if pid is None:
        return None
    try:
        written = (run / HOLDER).stat().st_mtime
        process = psutil.Process(pid)
        alive = process.create_time() <= written + _CLOCK and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if alive else None


def _process(pid: int, created: float) -> psutil.Process | None:
    """The process of this id that was started then, if it is alive."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) < _CLOCK
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (ValueError, psutil.Error):
        return None


def _start(run: Path, begun: Begun) -> None:
    if (pid := holder(run)) is not None:
        raise UserError(f"{run.name}: is under way already, in process {pid}")
    command = [sys.executable, "-m", "penname", *begun.arguments]
    try:
        with (run / ERRORS).open("wb") as errors:
            process = subprocess.Popen(
                command,
                cwd=begun.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # the table in the end comes with users' texts
                stderr=errors,
                start_new_session=True,
            )
    except OSError as error:
        raise UserError(f"{run.name}: could not be started ({error.filename}: {error.strerror})") from None
    _write(run, replace(begun, pid=process.pid, created=psutil.Process(process.pid).create_time(), paused=False))
    Thread(target=process.wait, daemon=True).start()  # or it would stay a zombie


def _write(run: Path, begun: Begun) -> None:
    write_text(run / FILE, json.dumps(asdict(begun), indent=2) + "\n")


@contextlib.contextmanager
def _alone(run: Path) -> Iterator[None]:
    """Hold what is done to a run's process. Raises UserError where another page does something to it just now."""
    try:
        lock = (run / _LOCK).open("wb")
    except OSError as error:
        raise UserError(f"{run.name}: {error.strerror}") from None
    with lock:
        if not try_lock(lock):
            raise UserError(f"{run.name}: is being started or stopped just now")
        yield
