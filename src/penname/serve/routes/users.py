"""Users: who is written as. Another tenant's user is answered exactly as one whom nobody knows."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from anyio import from_thread
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from penname.serve.errors import forgotten
from penname.serve.in_flight import tenant_user
from penname.serve.routes.common import (
    JSONL,
    CallerOf,
    Deleted,
    Id,
    Listed,
    PageOf,
    StateOf,
    jsonl,
    shown_page,
    without_none,
)
from penname.serve.store.records import UnknownUser, User

router = APIRouter(prefix="/v1/users", tags=["users"])


class UserAnswer(BaseModel):
    """A user.

    profile_version: grows with each change of the documents.
    """

    object: Literal["user"] = "user"
    id: str
    created: str
    profile_version: int


@router.get("")
def list_users(caller: CallerOf, state: StateOf, page: PageOf) -> Listed[UserAnswer]:
    """List the tenant's users in the order of their ids."""
    found = state.store.users(caller.tenant, page.after, page.limit + 1)
    shown, about = shown_page(found, page.limit, lambda user: user.id)
    return Listed(data=list(map(_answer, shown)), **about)


@router.put("/{user}")
def put_user(user: Id, caller: CallerOf, state: StateOf) -> UserAnswer:
    """Add a user, unless there is one of this id."""
    return _answer(state.store.put_user(caller.tenant, user))


@router.get("/{user}")
def get_user(user: Id, caller: CallerOf, state: StateOf) -> UserAnswer:
    """Show a user."""
    return _answer(state.store.user(caller.tenant, user))


@router.delete("/{user}")
def forget_user(user: Id, caller: CallerOf, state: StateOf) -> Deleted:
    """Delete all that is kept of a user, for good."""
    from_thread.run_sync(state.in_flight.stop, caller.tenant, user, forgotten())
    try:
        known = state.store.forget(caller.tenant, user)
    finally:  # what was begun meanwhile
        from_thread.run_sync(state.in_flight.stop, caller.tenant, user, forgotten())
        state.large_profiles.forget(tenant_user(caller.tenant, user))
    if not known:
        raise UnknownUser
    return Deleted(object="user", id=user)


@router.get("/{user}/export", responses={200: {"content": {JSONL: {}, "application/json": {}}}})
def export_user(
    user: Id, caller: CallerOf, state: StateOf, format: Annotated[Literal["json", "jsonl"], Query()] = "json"
) -> Response:
    """Give out all that is kept of a user; as `jsonl` the documents alone, in the format of penname's data."""
    with state.store.while_known(caller.tenant, user):
        kept = state.store.export(caller.tenant, user)
    if format == "json":
        return Response(json.dumps(kept, ensure_ascii=False, indent=1), media_type="application/json")
    known = kept["user"]["id"]
    return jsonl([{"user_id": known, **without_none(document)} for document in kept["documents"]])


def _answer(user: User) -> UserAnswer:
    return UserAnswer(**vars(user))
