"""Loops over many words, compiled by numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` where it is first called, which takes a second or more, and keep that for later processes."""
    try:
        compiled: Callable[..., Any] = njit(cache=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        compiled = njit(function)
    return compiled
