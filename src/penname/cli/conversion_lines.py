"""What `penname data convert` shows while it works: how the texts are read, what it has found, and how far it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Self

from rich.console import Console

from penname.data.readers.choice import bytes_of
from penname.runs.progress import ConsoleProgress

MAX_FINDINGS = 20
"""How many problems are shown; the summary counts all."""

BAR_FROM_BYTES = 20 * 2**20
"""How much there is to read where progress is shown."""


class ConversionLines:
    """Shows how texts are read, and on standard error problems and, where there is much to read, a progress bar.

    path: what is converted.
    as_json: whether the result is printed as JSON, so that nothing else is on standard output.
    """

    def __init__(self, path: Path, as_json: bool) -> None:
        self._progress = ConsoleProgress(Console(stderr=True))
        self._as_json = as_json
        self._findings = 0
        self._bytes = bytes_of(path) if path.exists() else 0
        self._is_long = self._bytes >= BAR_FROM_BYTES
        self._stage = ""
        self._megabytes_shown = self._bytes_read = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar, and say how many problems were not shown."""
        self._progress.__exit__(*error)
        if self._findings > MAX_FINDINGS:
            self._progress.say(f"penname: note: {self._findings - MAX_FINDINGS:,} more such lines")

    def say(self, line: str) -> None:
        """Show a line on how the texts are read."""
        print(line, file=sys.stderr if self._as_json else sys.stdout)

    def show_finding(self, line: str) -> None:
        """Show a problem, if there were not too many before."""
        self._findings += 1
        if self._findings <= MAX_FINDINGS:
            self._progress.say(line)

    def advance_bytes(self, count: int) -> None:
        """Show that so many more bytes were read."""
        self._bytes_read += count
        megabytes = self._bytes_read // 2**20
        if megabytes > self._megabytes_shown:
            self.advance("reading", megabytes - self._megabytes_shown, self._bytes // 2**20)
            self._megabytes_shown = megabytes

    def advance(self, stage: str, count: int, total: int) -> None:
        """Show how far a stage is.

        count: how many more of its units are done.
        total: how many there are.
        """
        if not self._is_long:
            return
        if stage != self._stage:
            self._progress.start(stage, total, "MB" if stage == "reading" else "texts")
            self._stage = stage
        self._progress.advance(count)
