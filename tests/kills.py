"""Processes that are killed with SIGKILL at random moments and started again, until they have ended."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

import torch

KILLS = {"train": 300, "sweep": 200, "pat": 200, "store": 200, "scale": 102}
"""How often `make test-slow` kills each: in all, a thousand times."""


def time_undisturbed(work: Callable[..., None], *arguments: Any) -> float:
    """Do the work in this process, so that forked ones have all that is imported on the way; returns its seconds."""
    threads, began = torch.get_num_threads(), time.monotonic()
    work(*arguments)
    torch.set_num_threads(threads)
    return time.monotonic() - began


def kill_until_done(work: Callable[..., None], arguments: tuple[Any, ...], longest: float, seed: int) -> int:
    """Start the work in a process of its own, and again each time it is killed, until it ends by itself.

    Args:
        work: What a process does; it goes on with what an earlier one has kept.
        arguments: Its arguments.
        longest: Seconds after which a process is killed at the latest.
        seed: Of the moments.

    Returns:
        How many processes were killed.
    """
    context, generator, killed = multiprocessing.get_context("fork"), random.Random(seed), 0
    while True:
        process = context.Process(target=work, args=arguments)
        process.start()
        process.join(generator.uniform(0, longest))
        if not process.is_alive():
            assert process.exitcode == 0
            return killed
        os.kill(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
        process.join()
        killed += process.exitcode == -signal.SIGKILL
