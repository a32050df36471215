"""What the pages work with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request

from penname.serve.access import LOCAL_TENANT, Caller
from penname.serve.state import State
from penname.studio.session import Session

CALLER = Caller(LOCAL_TENANT, None)
"""Whoever sees the pages, as the server's other parts know it."""


@dataclass(frozen=True)
class Studio:
    """What the pages work with.

    runs: the folder of runs.
    session: who may see the pages.
    server: the application of the server beside the pages.
    """

    runs: Path
    session: Session
    server: Any

    @property
    def state(self) -> State:
        """What the server works with, from its start on."""
        state: State = self.server.state.penname
        return state


def _studio_of(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


def _state_of(request: Request) -> State:
    return _studio_of(request).state


StudioOf = Annotated[Studio, Depends(_studio_of)]
StateOf = Annotated[State, Depends(_state_of)]
