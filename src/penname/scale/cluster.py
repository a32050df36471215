"""Connects to a Ray cluster, and says clearly where that fails."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any

import ray
from ray.exceptions import RayError

from penname.config import ScaleConfig
from penname.errors import UserError

CONNECTION_SECONDS = 10.0
"""Time that a cluster's head has to answer."""


def connect(settings: ScaleConfig) -> None:
    """Connect to the cluster, or start one on this machine. Raises UserError where that fails."""
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if settings.address == "local":
        # Workers are what the recipe says they are, also where that is more than the machine has.
        cores = max(os.cpu_count() or 1, settings.workers * settings.threads)
        options |= {"num_cpus": cores, "include_dashboard": False}
    try:
        if ":" in settings.address:
            _check_answer(settings.address)
        previous = signal.getsignal(signal.SIGTERM)
        ray.init(address=settings.address, **options)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, previous)  # Ray's own would print a trace of this process
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise UserError(
            f"scale.address {settings.address}: {last_line(error).rstrip('.')}; expected a cluster that answers, "
            "with its RAY_AUTH_MODE and RAY_AUTH_TOKEN where it has a token (docs/scale.md), or local"
        ) from None


def _check_answer(address: str) -> None:
    """Raise OSError if nothing answers at HOST:PORT, where Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=CONNECTION_SECONDS).close()


def check_resources(settings: ScaleConfig) -> None:
    """Raise UserError if no machine of the cluster could hold a worker, even if it were idle."""
    needed = {"CPU": float(settings.threads), "GPU": float(settings.gpus)}
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(machine.get(kind, 0.0) >= count for kind, count in needed.items()) for machine in machines):
        found = "; ".join(f"{m.get('CPU', 0):g} CPUs and {m.get('GPU', 0):g} GPUs" for m in machines)
        raise UserError(
            f"scale: no machine of the cluster has the {needed['CPU']:g} CPUs and {needed['GPU']:g} GPUs that a "
            f"worker takes (scale.threads, scale.gpus); found {found or 'no machine'}"
        )


def last_line(error: Exception) -> str:
    """The last line of an error's message, which is the one that says what happened."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
