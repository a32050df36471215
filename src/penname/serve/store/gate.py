"""A gate that many pass at once, or one alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Gate:
    """Lets one pass alone soon, whoever comes and goes: those who come later wait for it."""

    def __init__(self) -> None:
        self._state = Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Pass together with others."""
        with self._state:
            self._state.wait_for(lambda: not self._closed)
            self._inside += 1
        try:
            yield
        finally:
            with self._state:
                self._inside -= 1
                self._state.notify_all()

    @contextmanager
    def alone(self, seconds: float) -> Iterator[bool]:
        """Pass when nobody is inside; whether that is so within these seconds, in which nobody else comes in."""
        with self._state:
            self._state.wait_for(lambda: not self._closed)
            self._closed = True
            empty = self._state.wait_for(lambda: self._inside == 0, seconds)
        try:
            yield empty
        finally:
            with self._state:
                self._closed = False
                self._state.notify_all()
