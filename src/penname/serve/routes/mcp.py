"""The endpoint for agents, which speak the Model Context Protocol."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from penname.serve.mcp.http import ManagedResponse
from penname.serve.mcp.relay import PATH

router = APIRouter()


@router.post(PATH, include_in_schema=False)
async def mcp(request: Request) -> Response:
    """Answer an agent."""
    return ManagedResponse(request.app.state.mcp)
