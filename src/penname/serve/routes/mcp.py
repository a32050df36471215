"""The endpoint for agents, which speak the Model Context Protocol."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from penname.serve.access import LOOPBACK, Caller, names_this_machine
from penname.serve.errors import ApiError
from penname.serve.mcp.http import ManagedResponse, refusal
from penname.serve.mcp.relay import PATH

router = APIRouter()


@router.post(PATH, include_in_schema=False)
async def mcp(request: Request) -> Response:
    """Answer an agent."""
    try:
        _check_origin(request, request.state.caller)
    except ApiError as error:
        return refusal(error)
    return ManagedResponse(request.app.state.mcp)


def _check_origin(request: Request, caller: Caller) -> None:
    """Refuse pages of others, as the protocol has it; one that has a key may ask from anywhere."""
    origin = request.headers.get("origin")
    if caller.key is None and origin is not None and not names_this_machine(origin.partition("://")[2]):
        problem = f"without a key, expected an origin on one of the hosts {', '.join(LOOPBACK)}"
        raise ApiError(403, problem, "origin_not_allowed", "origin")
