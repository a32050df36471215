"""Loops over words, compiled by numba where there are many."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

import numpy as np

FEW = 2**17
"""Up to so many numbers in its arguments a loop is done sooner as it is than numba is imported."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` where it first has much to do, which takes seconds, and keep that for later processes.

    It must do the same uncompiled: integers of numpy wrap around there too, but stay as narrow as they are.

    Where nothing can be kept, or what was kept is damaged, it is compiled anew in each process. A function that calls
    another compiled one cannot be compiled.
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
        except Exception:  # whatever is wrong with the folder or its files, numba lets it through
            return loop(kept=False)(*arguments)

    return call
