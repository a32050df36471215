"""Overwrites what was deleted, in a thread, as soon as nobody reads the state before."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread

_FIRST_PAUSE, _LONGEST_PAUSE = 0.03, 1.0  # seconds; each attempt holds up those who write
_SECONDS_AT_END = 1.0


class Eraser:
    """Calls `erase` after each deletion, and again until it is done.

    erase: overwrites what was deleted until now; whether that is done.
    """

    def __init__(self, erase: Callable[[], bool]) -> None:
        self._erase = erase
        self._state = Condition()
        self._asked = self._done = 0
        self._ending = False
        self._thread = Thread(target=self._work, name="penname-eraser", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Have what was deleted until now overwritten soon."""
        with self._state:
            self._asked += 1
            self._state.notify_all()

    def close(self) -> None:
        """End the thread, after what it was asked for if that is possible within a second."""
        with self._state:
            self._state.wait_for(lambda: self._done >= self._asked, _SECONDS_AT_END)
            self._ending = True
            self._state.notify_all()
        self._thread.join()

    def _work(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            with self._state:
                self._state.wait_for(lambda: self._asked > self._done or self._ending)
                if self._ending:
                    return
                number = self._asked
            done = self._erase()
            with self._state:
                if done:
                    self._done, pause = number, _FIRST_PAUSE
                    self._state.notify_all()
                else:
                    self._state.wait_for(lambda: self._ending, pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
