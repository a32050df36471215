"""The endpoint for agents, which speak the Model Context Protocol."""

from __future__ import annotations

from fastapi import APIRouter, Request
from mcp.types import INVALID_REQUEST
from starlette.responses import JSONResponse, Response

from penname.errors import UserError
from penname.serve.access import LOOPBACK, Caller, names_this_machine
from penname.serve.errors import ApiError, of_user_error
from penname.serve.mcp.http import ManagedResponse
from penname.serve.routes.common import StateOf

router = APIRouter()


@router.post("/mcp", include_in_schema=False)
async def mcp(request: Request, state: StateOf) -> Response:
    """Answer an agent."""
    try:
        caller = await state.access.caller(request)
        _check_origin(request, caller)
    except (ApiError, UserError) as error:
        return _refusal(of_user_error(error) if isinstance(error, UserError) else error)
    request.state.caller = caller
    return ManagedResponse(request.app.state.mcp)


def _check_origin(request: Request, caller: Caller) -> None:
    """Refuse pages of others, as the protocol has it; one that has a key may ask from anywhere."""
    origin = request.headers.get("origin")
    if caller.key is None and origin is not None and not names_this_machine(origin.partition("://")[2]):
        problem = f"without a key, expected an origin on one of the hosts {', '.join(LOOPBACK)}"
        raise ApiError(403, problem, "origin_not_allowed", "origin")


def _refusal(error: ApiError) -> Response:
    """An error as the protocol has it, since its clients show no other."""
    told = error.body()["error"]
    body = {"code": INVALID_REQUEST, "message": told.pop("message"), "data": told}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": body}, error.status, error.headers())
