"""Compiles loops over words by numba, where their input is large."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import numpy as np

SMALL_INPUT = 2**17
"""Number of elements in a loop's arrays up to which plain Python is faster than loading what is compiled."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first large input, which takes seconds, and cache the result for later processes.

    Once it is compiled or loaded, small inputs have it too. Other threads go on meanwhile.

    The function must give the same result uncompiled: numpy's integers wrap around there too, but are not widened.

    Where the cache cannot be written or is damaged, the function is compiled again in each process. A function that
    calls another compiled one cannot be compiled.
    """

    @cache
    def jitted(*, cached: bool) -> Any:
        from numba import njit  # importing it takes a while, and not every command needs it

        return njit(cache=cached, nogil=True)(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        small = sum(argument.size for argument in arguments if isinstance(argument, np.ndarray)) <= SMALL_INPUT
        if small and not jitted.cache_info().currsize:
            with np.errstate(over="ignore"):
                return function(*arguments)
        try:
            return jitted(cached=True)(*arguments)
        except Exception:  # numba raises whatever error its cache's folder or files cause
            return jitted(cached=False)(*arguments)

    return call
