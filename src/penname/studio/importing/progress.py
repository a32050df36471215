"""How far something in the background is, and whether it is to stop: told by its thread, read by the event loop."""

from __future__ import annotations

from threading import Event


class Stopped(Exception):
    """What is done was cancelled."""


class Progress:
    """How far a thread is.

    doing: what it does.
    done, total: how much of it is done, and how much there is; a total of 0 where that is not known.
    unit: of what.
    """

    def __init__(self, doing: str, total: int = 0, unit: str = "") -> None:
        self._stop = Event()
        self.begin(doing, total, unit)

    def begin(self, doing: str, total: int, unit: str) -> None:
        """Say that something else is done now. Raises Stopped."""
        self.doing, self.done, self.total, self.unit = doing, 0, total, unit
        self.check()

    def advance(self, count: int) -> None:
        """Say that so much more is done. Raises Stopped."""
        self.done += count
        self.check()

    def stop(self) -> None:
        """Have the thread stop at the next opportunity."""
        self._stop.set()

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def check(self) -> None:
        """Raise Stopped where it is to stop."""
        if self._stop.is_set():
            raise Stopped

    @property
    def said(self) -> str:
        """How far it is, in words."""
        if not self.total:
            return self.doing
        done = min(self.done, self.total)
        if self.unit == "bytes":
            return f"{self.doing}: {done / 1e6:,.1f} of {self.total / 1e6:,.1f} MB"
        return f"{self.doing}: {done:,} of {self.total:,} {self.unit}"
