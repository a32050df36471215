"""Live progress: a bar on a terminal and in a notebook, plain lines elsewhere; the same lines go to the run's log.

Beside the log `timing.jsonl` gets a line whenever a stage ends or breaks off: how much it did, and in which time. A
stage that several processes worked at has several; what a process did that was killed is not there.
"""

from __future__ import annotations

import contextlib
import html
import json
import sys
import time
from pathlib import Path
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

SECONDS_BETWEEN_LINES = 10.0
TIMING = "timing.jsonl"

TOLD_FROM = 0.05
"""From this share of a stage on, how long the rest takes is more than a guess."""


class Bar(Protocol):
    """Shows how far one stage is."""

    def update(self, completed: float, speed: str) -> None: ...
    def stop(self) -> None: ...


class TerminalBar:
    """rich's bar, which goes when the stage has ended."""

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
        self._bar.update(self._task, completed=completed, speed=speed)

    def stop(self) -> None:
        self._bar.stop()


class NotebookBar:
    """A bar of plain HTML in the cell's output: it needs no widgets, and stands in the saved notebook as it ended."""

    SECONDS = 0.5

    def __init__(self, stage: str, total: int) -> None:
        from IPython.display import display

        self._stage, self._total, self._shown = stage, total, time.monotonic()
        self._cell = display(self._html(0, ""), display_id=True)

    def update(self, completed: float, speed: str) -> None:
        if time.monotonic() - self._shown > self.SECONDS or completed >= self._total:
            self._shown = time.monotonic()
            self._cell.update(self._html(completed, speed))

    def stop(self) -> None:
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
    """Shows stage, examples, tokens a second and time left; `log` gets the lines with their times.

    What is finished is told with `advance`; what is being written, and may be lost with a kill, with `wrote`.
    """

    def __init__(self, console: Console, log: Path | None = None) -> None:
        self._console = console
        self._log = log
        self._bar: Bar | None = None
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """After an error the terminal gets its cursor back."""
        if self._bar is not None:
            self._bar.stop()
        with contextlib.suppress(OSError):  # a full disk is told by what broke off
            self._time()

    def start(self, stage: str, total: int, unit: str, completions: int = 1) -> None:
        """A stage of `total` units; `completions` are written for each. One that is still open is timed up to here."""
        self._time()
        if self._bar is not None:
            self._bar.stop()
        self._title = stage
        self._total, self._unit, self._completions = total, unit, completions
        self._count = self._tokens = self._ended = 0
        self._open = True
        self._started = self._said = time.monotonic()
        if in_notebook():
            self._bar = NotebookBar(stage, total)
        elif self._console.is_terminal:
            self._bar = TerminalBar(self._console, stage, total)

    def wrote(self, tokens: int, completions: int) -> None:
        self._tokens += tokens
        self._ended += completions
        self._show()

    def advance(self, count: int, tokens: int = 0, note: str = "") -> None:
        self._count += count
        self._tokens += tokens
        self._ended = 0
        self._show(note)

    def _show(self, note: str = "") -> None:
        reached = self._count + self._ended / self._completions
        if self._bar is not None:
            self._bar.update(reached, f"{self._speed()} {note}")
        elif time.monotonic() - self._said > SECONDS_BETWEEN_LINES and reached < self._total:
            self._said = time.monotonic()
            elapsed = self._said - self._started
            told = reached >= TOLD_FROM * self._total
            left = _duration(elapsed / reached * (self._total - reached)) if told else "?"
            self.say(
                f"{self._title}: {int(reached)}/{self._total} {self._unit}{self._speed()}"
                f"{', ' + note if note else ''}, {left} left"
            )

    def finish(self, note: str = "") -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._time()
        elapsed = time.monotonic() - self._started
        self.say(
            f"{self._title}: {self._count} {self._unit} in {_duration(elapsed)}{self._speed()}"
            f"{', ' + note if note else ''}"
        )

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")

    def _time(self) -> None:
        if self._open and self._log is not None:
            seconds = round(time.monotonic() - self._started, 1)
            done = {"stage": self._title, "unit": self._unit, "count": self._count, "tokens": self._tokens}
            with self._log.with_name(TIMING).open("a", encoding="utf-8") as file:
                file.write(json.dumps(done | {"seconds": seconds}) + "\n")
        self._open = False

    def _speed(self) -> str:
        elapsed = time.monotonic() - self._started
        return f", {self._tokens / elapsed:.0f} tokens/s" if self._tokens and elapsed > 0.1 else ""


def read_timing(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's `timing.jsonl`; one that was cut by a kill, or is no such line, is left out."""
    path, found = folder / TIMING, []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        with contextlib.suppress(ValueError):
            timed = json.loads(line)
            if not isinstance(timed, dict) or not isinstance(timed.get("stage"), str):
                continue
            if all(isinstance(timed.get(key), int | float) for key in ("count", "tokens", "seconds")):
                found.append(timed)
    return found


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}m {whole % 60:02d}s" if whole >= 60 else f"{whole}s"
