"""The first page: what there is to do, in the order in which it is done."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from penname.studio.pages import page

router = APIRouter()

PURPOSES = {
    "import": "drop the files that have your texts, as mail, chats, posts or documents",
    "users": "see what is known of each person, and how they write",
    "train": "have a model learn from these texts; it goes on in the background",
    "write": "have a text written as one of these people, by several methods side by side",
    "rate": "judge texts of two methods without knowing which is which",
    "results": "compare all runs, with tests and reports",
}
"""What each page of the menu is for."""


@router.get("")
async def home(request: Request) -> Response:
    """Show where to begin."""
    return page(request, "home.html", purposes=PURPOSES)
