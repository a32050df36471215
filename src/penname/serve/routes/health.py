"""Whether the server is alive, whether it can answer, and its metrics."""

from __future__ import annotations

from typing import Literal

from anyio import CapacityLimiter, move_on_after
from anyio.to_thread import run_sync
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from penname.errors import UserError
from penname.serve.access import LOCAL_TENANT
from penname.serve.errors import ApiError
from penname.serve.routes.common import CallerOf, StateOf
from penname.serve.store.store import Store

router = APIRouter(tags=["health"])

SECONDS_FOR_DATABASE = 2.0
_ONE_AT_A_TIME = CapacityLimiter(1)
"""A database that hangs would take a thread for each time that someone asks."""


class Health(BaseModel):
    """That all is well."""

    status: Literal["ok"] = "ok"


@router.head("/healthz", include_in_schema=False)  # as load balancers ask
@router.get("/healthz")
async def alive() -> Health:
    """Say that the process answers."""
    return Health()


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz")
async def ready(state: StateOf) -> Health:
    """Say that requests are answered: 503 while the server stops, and without its database or an engine."""
    if state.admission.stopping:
        raise ApiError(503, "the server stops", "stopping")
    if not await state.methods.alive():
        raise ApiError(503, "an engine has ended", "engine_failed")
    if not await _answers(state.store):
        raise ApiError(503, "the database does not answer", "database_unavailable")
    return Health()


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(caller: CallerOf, state: StateOf) -> Response:
    """Show the metrics in Prometheus' text format.

    They are of all tenants together, and how much others have written is nobody's business: they are for whoever needs
    no key here, and elsewhere for keys of the tenant `local`. Raises ApiError (403) for others.
    """
    if caller.tenant != LOCAL_TENANT:
        problem = f"the metrics are of all tenants, expected a key of the tenant {LOCAL_TENANT}"
        raise ApiError(403, problem, "other_tenant")
    return Response(state.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _answers(store: Store) -> bool:
    with move_on_after(SECONDS_FOR_DATABASE):
        try:
            await run_sync(store.ping, abandon_on_cancel=True, limiter=_ONE_AT_A_TIME)
        except UserError:
            return False
        return True
    return False
