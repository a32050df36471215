"""Caches of what functions make of texts. They can all be emptied: a server is to keep nothing of users' words."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

Result = TypeVar("Result")

_EMPTY: list[Callable[[], None]] = []


def text_cache(maxsize: int) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """As `functools.lru_cache`, for functions of users' texts or of parts of these."""

    def cached(function: Callable[..., Result]) -> Callable[..., Result]:
        caching = lru_cache(maxsize=maxsize)(function)
        _EMPTY.append(caching.cache_clear)
        return caching

    return cached


def empty_text_caches() -> None:
    """Empty all of these caches."""
    for empty in _EMPTY:
        empty()
