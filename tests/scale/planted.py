"""Rewards that end or hold up the worker that computes them."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

FATAL = "Write about chess, note 11."


def fatal(item):
    """End the process at one input, as a bug in compiled code would."""
    if item.input == FATAL:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0.5


def stuck_once(item):
    """Stand still at one input, the first time on each machine."""
    mark = Path(tempfile.gettempdir()) / f"penname-stuck-{os.getppid()}"
    if item.input == FATAL and not mark.exists():
        mark.touch()
        time.sleep(600)
    return 0.5


def failing(item):
    """Raise what no reward should."""
    raise ZeroDivisionError("a reward divided by nothing")
