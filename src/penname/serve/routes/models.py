"""Models, as OpenAI's clients list them: penname for a new user, and one for each user of the tenant's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from penname.serve.errors import ApiError
from penname.serve.methods import Methods
from penname.serve.routes.common import MOST_ON_A_PAGE, CallerOf, Id, Listed, Page, StateOf
from penname.serve.routes.texts import MODEL, named_by
from penname.serve.store.records import UnknownUser, User

router = APIRouter(prefix="/v1/models", tags=["models"])


class ModelAnswer(BaseModel):
    """A model. created: when the user was, or the server started; in seconds since 1970."""

    object: Literal["model"] = "model"
    id: str
    created: int
    owned_by: str = MODEL


class ModelsPage(Page):
    """Which users' models are asked for; the menus of most programs show the first page alone."""

    limit: Annotated[int, Field(ge=1, le=MOST_ON_A_PAGE)] = MOST_ON_A_PAGE


@router.get("")
def list_models(caller: CallerOf, state: StateOf, page: Annotated[ModelsPage, Query()]) -> Listed[ModelAnswer]:
    """List `penname` and `penname/USER`, and where several methods are served those with `@METHOD`.

    A page has up to `limit` users. A key of a program that names the user of each request lists no users: whoever uses
    the program would see who the others are.
    """
    methods = state.methods
    after = named_by(page.after, methods).user if page.after else ""
    models = [] if page.after else [ModelAnswer(id=name, created=state.started) for name in names_of(None, methods)]
    if caller.key is not None and caller.key.proxy:
        return Listed(data=models, last_id=models[-1].id if models else None)
    users = state.store.users(caller.tenant, after or "", page.limit + 1)
    for user in users[: page.limit]:
        models += [ModelAnswer(id=name, created=_seconds(user)) for name in names_of(user.id, methods)]
    return Listed(data=models, has_more=len(users) > page.limit, last_id=models[-1].id if models else None)


@router.get("/{model}")
def get_model(model: Id, caller: CallerOf, state: StateOf) -> ModelAnswer:
    """Show a model; 404 for a user whom nobody knows, as whom the model `penname` writes."""
    user = named_by(model, state.methods).user
    if user is None:
        return ModelAnswer(id=model, created=state.started)
    try:
        return ModelAnswer(id=model, created=_seconds(state.store.user(caller.tenant, user)))
    except UnknownUser:
        raise ApiError(404, "found no such model: nobody knows this user", "model_not_found", "model") from None


def names_of(user: str | None, methods: Methods) -> Iterator[str]:
    """The names of a user's models, the one of the default method first; of a new user for None."""
    plain = MODEL if user is None else f"{MODEL}/{user}"
    # An id that ends in @METHOD itself is only clear with another one behind it.
    yield plain if named_by(plain, methods).user == user else f"{plain}@{methods.default}"
    if len(methods.names) > 1:
        yield from (f"{plain}@{name}" for name in methods.names if name != methods.default)


def _seconds(user: User) -> int:
    return int(datetime.fromisoformat(user.created).timestamp())
