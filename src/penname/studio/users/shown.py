"""What the pages of users show of the store."""

from __future__ import annotations

from typing import Any

from penname.serve.access import LOCAL_TENANT
from penname.serve.state import State
from penname.serve.store.part import checked_id
from penname.studio.train.documents import all_users

USERS_ON_A_PAGE, DOCUMENTS_ON_A_PAGE = 50, 20
LETTERS = 20_000
"""How many letters of a document are shown."""


def users_shown(state: State, search: str, first: int) -> dict[str, Any]:
    """A page of the users whose names have something in them, and how many there are. first: the place of the first."""
    folded = search.strip().casefold()
    ids = all_users(state.store)
    fitting = [user for user in ids if folded in user.casefold()]
    here = fitting[first : first + USERS_ON_A_PAGE]
    return {
        "users": here,
        "counts": state.store.count_documents(LOCAL_TENANT, here),
        "first": first,
        "fitting": len(fitting),
        "all": len(ids),
        "search": search,
        "on_a_page": USERS_ON_A_PAGE,
    }


def documents_shown(state: State, user: str, after: str = "", search: str = "", message: str = "") -> dict[str, Any]:
    """A page of a user's documents, and how many there are in all.

    after: the id of the document that they are behind.
    search: only those that have this in them.
    message: what was done.

    Raises UnknownUser.
    """
    found = state.store.documents(LOCAL_TENANT, user, after, DOCUMENTS_ON_A_PAGE + 1, search.strip() or None)
    counts = state.store.count_documents(LOCAL_TENANT, [checked_id("user", user)])
    return {
        "documents": found[:DOCUMENTS_ON_A_PAGE],
        "more": len(found) > DOCUMENTS_ON_A_PAGE,
        "count": sum(counts.values()),
        "after": after,
        "search": search,
        "message": message,
        "letters": LETTERS,
    }
