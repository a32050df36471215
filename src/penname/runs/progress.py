"""Live progress: a bar on a terminal and in a notebook, plain lines elsewhere; the same lines go to the run's log.

Beside the log, `timing.jsonl` gets a line whenever a stage ends or is interrupted, with how much was done in which
time. A stage that several processes worked on has several lines; the work of a process that was killed is not recorded.
`progress.json` says how far the current stage is, for whoever watches the run from another process.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 10.0
TIMING = "timing.jsonl"
POSITION = "progress.json"

SECONDS_BETWEEN_POSITIONS = 1.0
"""Least time between two writes of `progress.json`."""

ESTIMATE_FROM = 0.05
"""Share of a stage from which on the time left is estimated."""


@dataclass(frozen=True)
class Position:
    """How far a stage is.

    stage: its name.
    unit: what is counted, in the plural.
    total, done: number of its units, and of those that are done, in this process.
    tokens: number of tokens of these.
    seconds: since this process began the stage.
    time: when this was so, in seconds since 1970.
    """

    stage: str
    unit: str
    total: int
    done: float
    tokens: int
    seconds: float
    time: float


class Bar(Protocol):
    """A progress bar of one stage."""

    def update(self, completed: float, speed: str) -> None:
        """Show the number of completed units and a text that says how fast they are completed."""
        ...

    def stop(self) -> None:
        """Remove the bar."""
        ...


class TerminalBar:
    """rich's progress bar, which disappears when the stage has ended.

    console: where it is shown.
    stage: name of the stage.
    total: number of its units.
    """

    def __init__(self, console: Console, stage: str, total: int) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task(stage, total=total, speed="")

    def update(self, completed: float, speed: str) -> None:
        """See `Bar.update`."""
        self._bar.update(self._task, completed=completed, speed=speed)

    def stop(self) -> None:
        """See `Bar.stop`."""
        self._bar.stop()


class NotebookBar:
    """A progress bar of plain HTML in the cell's output, which needs no widgets.

    stage: name of the stage.
    total: number of its units.
    """

    UPDATE_SECONDS = 0.5
    """Least time between two updates, in seconds."""

    def __init__(self, stage: str, total: int) -> None:
        from IPython.display import display

        self._stage, self._total, self._last_update = stage, total, time.monotonic()
        self._cell = display(self._html(0, ""), display_id=True)

    def update(self, completed: float, speed: str) -> None:
        """See `Bar.update`."""
        if time.monotonic() - self._last_update > self.UPDATE_SECONDS or completed >= self._total:
            self._last_update = time.monotonic()
            self._cell.update(self._html(completed, speed))

    def stop(self) -> None:
        """See `Bar.stop`."""
        from IPython.display import HTML

        self._cell.update(HTML(""))

    def _html(self, completed: float, speed: str) -> Any:
        from IPython.display import HTML

        bar = f'<progress value="{completed:.1f}" max="{self._total}" style="width: 20em"></progress>'
        return HTML(f"{html.escape(self._stage)} {bar} {int(completed)}/{self._total}{html.escape(speed)}")


def in_notebook() -> bool:
    """Whether this runs in a notebook's kernel."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class ConsoleProgress:
    """Shows a stage's name, finished units, tokens per second and time left.

    console: where they are shown.
    log: file to which each line is appended with its time; None for none.

    `advance` counts finished units; `add_generated` counts what is being generated, which is lost if the process is
    killed.
    """

    def __init__(self, console: Console, log: Path | None = None) -> None:
        self._console = console
        self._log = log
        self._bar: Bar | None = None
        self._open = False
        self._noted = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar, also after an error, so that the terminal gets its cursor back."""
        if self._bar is not None:
            self._bar.stop()
        with contextlib.suppress(OSError):  # a full disk is reported by the error that interrupted the stage
            self._log_timing()

    def start(self, stage: str, total: int, unit: str, completions: int = 1) -> None:
        """Start a stage; one that is still open ends here.

        stage: its name.
        total: number of its units.
        unit: what they are, in the plural.
        completions: number of completions that are generated for each unit.
        """
        self._log_timing()
        if self._bar is not None:
            self._bar.stop()
        self._title = stage
        self._total, self._unit, self._completions = total, unit, completions
        self._finished = self._tokens = self._completions_finished = 0
        self._open = True
        self._started = self._last_line = time.monotonic()
        self._note_position(at_once=True)
        if in_notebook():
            self._bar = NotebookBar(stage, total)
        elif self._console.is_terminal:
            self._bar = TerminalBar(self._console, stage, total)

    def add_generated(self, tokens: int, completions: int) -> None:
        """See `Progress.add_generated`."""
        self._tokens += tokens
        self._completions_finished += completions
        self._show()

    def advance(self, count: int, tokens: int = 0, note: str = "") -> None:
        """See `Progress.advance`."""
        self._finished += count
        self._tokens += tokens
        self._completions_finished = 0
        self._show(note)

    def _show(self, note: str = "") -> None:
        reached = self._reached()
        self._note_position()
        if self._bar is not None:
            self._bar.update(reached, f"{self._speed()} {note}")
        elif time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES and reached < self._total:
            self._last_line = time.monotonic()
            elapsed = self._last_line - self._started
            estimated = reached >= ESTIMATE_FROM * self._total
            left = format_duration(elapsed / reached * (self._total - reached)) if estimated else "?"
            self.say(
                f"{self._title}: {int(reached)}/{self._total} {self._unit}{self._speed()}"
                f"{', ' + note if note else ''}, {left} left"
            )

    def finish(self, note: str = "") -> None:
        """See `Progress.finish`."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._log_timing()
        self._note_position(at_once=True)
        elapsed = time.monotonic() - self._started
        self.say(
            f"{self._title}: {self._finished} {self._unit} in {format_duration(elapsed)}{self._speed()}"
            f"{', ' + note if note else ''}"
        )

    def say(self, line: str) -> None:
        """Show a line and append it to the log."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def _log_timing(self) -> None:
        if self._open and self._log is not None:
            seconds = round(time.monotonic() - self._started, 1)
            timing = {"stage": self._title, "unit": self._unit, "count": self._finished, "tokens": self._tokens}
            with self._log.with_name(TIMING).open("a", encoding="utf-8") as file:
                file.write(json.dumps(timing | {"seconds": seconds}) + "\n")
        self._open = False

    def _reached(self) -> float:
        return self._finished + self._completions_finished / self._completions

    def _note_position(self, *, at_once: bool = False) -> None:
        """Write how far the stage is, if that was not just written. at_once: in any case."""
        now = time.monotonic()
        if self._log is None or (not at_once and now - self._noted < SECONDS_BETWEEN_POSITIONS):
            return
        self._noted = now
        elapsed, seconds = round(now - self._started, 1), round(time.time(), 1)
        position = Position(self._title, self._unit, self._total, self._reached(), self._tokens, elapsed, seconds)
        scratch = self._log.with_name(f"{POSITION}.{os.getpid()}.partial")
        with contextlib.suppress(OSError):  # a full disk is reported where results are written
            scratch.write_text(json.dumps(asdict(position)), encoding="utf-8")
            scratch.replace(self._log.with_name(POSITION))

    def _speed(self) -> str:
        elapsed = time.monotonic() - self._started
        return f", {self._tokens / elapsed:.0f} tokens/s" if self._tokens and elapsed > 0.1 else ""


def read_timing(folder: Path) -> list[dict[str, Any]]:
    """The records of a run's `timing.jsonl`; lines that a killed process truncated, or of another kind, are skipped.

    folder: the run folder.
    """
    path, found = folder / TIMING, []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        with contextlib.suppress(ValueError):
            timing = json.loads(line)
            if not isinstance(timing, dict) or not isinstance(timing.get("stage"), str):
                continue
            if all(isinstance(timing.get(key), int | float) for key in ("count", "tokens", "seconds")):
                found.append(timing)
    return found


def read_position(folder: Path) -> Position | None:
    """How far the current or last stage of a run is; None where that is not known. folder: the run folder."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        found = Position(**json.loads((folder / POSITION).read_text(encoding="utf-8")))
        numbers = (found.total, found.done, found.tokens, found.seconds, found.time)
        texts = (found.stage, found.unit)
        if all(isinstance(n, int | float) for n in numbers) and all(isinstance(t, str) for t in texts):
            return found
    return None


def format_duration(seconds: float) -> str:
    """A time as text: in hours and minutes, in minutes and seconds, or in seconds."""
    seconds_rounded = round(seconds)
    if seconds_rounded >= 3600:
        return f"{seconds_rounded // 3600}h {seconds_rounded // 60 % 60:02d}m"
    return f"{seconds_rounded // 60}m {seconds_rounded % 60:02d}s" if seconds_rounded >= 60 else f"{seconds_rounded}s"
