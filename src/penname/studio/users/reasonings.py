"""What models wrote about a user, and what someone put in its place, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from penname.errors import UserError
from penname.serve.access import LOCAL_TENANT
from penname.serve.methods import ServedMethod
from penname.serve.state import State
from penname.serve.store.records import Reasoning


@dataclass(frozen=True)
class Shown:
    """A reasoning, or the place for one.

    name: the method's, or what else tells the model.
    method: the name of the method that writes with it; None where its model is not loaded.
    kept: None where the model is to write one first.
    current: whether the next text is written with it.
    """

    name: str
    method: str | None
    kept: Reasoning | None
    current: bool


def reasonings_of(state: State, user: str) -> list[Shown]:
    """The reasonings of the methods that are loaded, and then of all others. Raises UnknownUser."""
    version = state.store.user(LOCAL_TENANT, user).profile_version
    kept = {one.model: one for one in state.store.reasonings(LOCAL_TENANT, user)}
    loaded = [method for method in state.methods.served.values() if _takes_one(method)]
    shown = [_shown(method.name, method.name, kept.pop(method.model, None), version) for method in loaded]
    return [*shown, *(_shown(model, None, one, version) for model, one in kept.items())]


def _takes_one(method: ServedMethod) -> bool:
    try:
        method.writer.check_reasoning()
    except UserError:
        return False
    return True


def _shown(name: str, method: str | None, kept: Reasoning | None, version: int) -> Shown:
    return Shown(name, method, kept, kept is not None and (kept.locked or kept.profile_version == version))
