"""The first page: what there is to do, in the order in which it is done."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from penname.studio.pages import page

router = APIRouter()


@router.get("")
async def home(request: Request) -> Response:
    """Show where to begin."""
    return page(request, "home.html")
