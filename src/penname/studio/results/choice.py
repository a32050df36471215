"""Which runs are looked at, and how: what an address of these pages says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import Depends, Query

from penname.serve.errors import ApiError

MOST_RUNS = 12
"""Runs that are compared at once: each pair of their methods is tested."""


@dataclass(frozen=True)
class Choice:
    """Runs, and how they are compared.

    runs: their names.
    split: `val` or `test`; None for the one that each run evaluates on.
    holm: whether the tests are corrected for multiple comparisons.
    seeds: whether the runs differ in their seed alone, and are averaged.
    """

    runs: tuple[str, ...]
    split: str | None = None
    holm: bool = False
    seeds: bool = False

    @property
    def query(self) -> str:
        """How an address says it."""
        given = [("run", name) for name in self.runs]
        given += [("split", self.split)] if self.split else []
        given += [(name, "true") for name in ("holm", "seeds") if getattr(self, name)]
        return urlencode(given)

    def but(self, **changes: object) -> Choice:
        """Another choice that differs in this alone."""
        return replace(self, **changes)  # type: ignore[arg-type]


def choice_of(
    run: Annotated[tuple[str, ...], Query()] = (),
    split: Literal["val", "test"] | None = None,
    holm: bool = False,
    seeds: bool = False,
) -> Choice:
    """The choice of an address. Raises ApiError (400) where it has no run, or too many."""
    if not run:
        raise ApiError(400, "choose one run or more, by the box before its name", "invalid_value", "run")
    if len(run) > MOST_RUNS:
        problem = f"found {len(run)} runs, expected at most {MOST_RUNS} to compare at once"
        raise ApiError(400, problem, "invalid_value", "run")
    return Choice(run, split, holm, seeds)


ChoiceOf = Annotated[Choice, Depends(choice_of)]
