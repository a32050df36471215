"""Loops over many words, compiled by numba."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` where it is first called, which takes a second or more, and keep that for later processes.

    Where nothing can be kept, or what was kept is damaged, it is compiled anew in each process. A function that calls
    another compiled one cannot be compiled.
    """

    @cache
    def loop(*, kept: bool) -> Any:
        from numba import njit  # takes a while, and not every command ranks

        return njit(cache=kept)(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        try:
            return loop(kept=True)(*arguments)
        except Exception:  # whatever is wrong with the folder or its files, numba lets it through
            return loop(kept=False)(*arguments)

    return call
