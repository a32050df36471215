"""Names in a line, where there may be many."""

from __future__ import annotations

from collections.abc import Iterable

MAX_NAMED = 5
"""How many are named; the others are counted."""


def some_of(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    known = list(names)
    more = f" and {len(known) - MAX_NAMED:,} more" if len(known) > MAX_NAMED else ""
    return ", ".join(known[:MAX_NAMED]) + more
