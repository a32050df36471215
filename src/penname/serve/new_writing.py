"""How a request is written: with a method's own model, or with PaT."""

from __future__ import annotations

from anyio.to_thread import run_sync

from penname.serve.cold_start import NAME as COLD_START
from penname.serve.cold_start import ColdWriting
from penname.serve.model_writing import ModelWriting
from penname.serve.state import State
from penname.serve.store.records import UnknownUser
from penname.serve.store.store import Store
from penname.serve.writing import Desk, Order, Writing


async def new_writing(state: State, method: str | None, order: Order) -> Writing:
    """A request on its way, with PaT where that is asked for, or where nothing of the user's is known.

    method: the method that is asked for; None for the default one.

    Raises ApiError (404) for a method that is not served.
    """
    desk = Desk(state.store, state.admission, state.in_flight, state.large_profiles)
    cold_start = state.methods.cold_start
    if cold_start is not None:
        by_itself = method is None and order.reasoning is None
        if method == COLD_START or (by_itself and await run_sync(_is_new, state.store, order)):
            return ColdWriting(desk, cold_start, order)
    return ModelWriting(desk, state.methods.get(method), order)


def _is_new(store: Store, order: Order) -> bool:
    """Whether a request is for a user without documents."""
    try:
        return order.user is None or not store.has_documents(order.caller.tenant, order.user)
    except UnknownUser:
        return True
