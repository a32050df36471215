"""Loops over words, compiled by numba where they have much to do."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import numpy as np

FEW = 2**17
"""Array elements in a loop's arguments up to which running it in plain Python is faster than importing numba."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` at its first large input, which takes seconds, and cache the result for later processes.

    It must give the same result uncompiled: numpy's integers wrap around there too, but are not widened.

    Where the cache cannot be written or is damaged, it is compiled anew in each process. A function that calls another
    compiled one cannot be compiled.
    """

    @cache
    def loop(*, kept: bool) -> Any:
        from numba import njit  # takes a while, and not every command ranks

        return njit(cache=kept)(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        if sum(argument.size for argument in arguments if isinstance(argument, np.ndarray)) <= FEW:
            with np.errstate(over="ignore"):
                return function(*arguments)
        try:
            return loop(kept=True)(*arguments)
        except Exception:  # numba passes on whatever error its cache folder or files cause
            return loop(kept=False)(*arguments)

    return call
