"""Reasonings: what a method's model wrote about a user, or what was put in its place."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from penname.errors import ArgumentError, UserError
from penname.prompts.completion import compose
from penname.serve.errors import ApiError
from penname.serve.methods import ServedMethod
from penname.serve.routes.common import CallerOf, Deleted, Id, MethodOf, StateOf
from penname.serve.store.records import Reasoning

router = APIRouter(prefix="/v1/users/{user}/reasoning", tags=["users"])


class ReasoningGiven(BaseModel):
    """A reasoning in the place of what the model would write, whatever becomes of the documents."""

    text: Annotated[str, Field(min_length=1, max_length=100_000)]


class ReasoningAnswer(BaseModel):
    """A reasoning that is kept.

    model: names the training of the method's model.
    locked: whether it was put by hand, and so outlives changes of the documents.
    current: whether the documents are still those that there were when it was written.
    """

    object: Literal["reasoning"] = "reasoning"
    method: str
    model: str
    text: str
    locked: bool
    profile_version: int
    current: bool


@router.get("")
def get_reasoning(user: Id, caller: CallerOf, state: StateOf, method: MethodOf) -> ReasoningAnswer:
    """Show the reasoning that the next text is written with; 404 where the model is to write one first."""
    kept = state.store.reasoning(caller.tenant, user, method.model)
    if kept is None:
        raise _no_reasoning()
    return _answer(kept, method, state.store.user(caller.tenant, user).profile_version)


@router.put("")
def put_reasoning(
    user: Id, given: ReasoningGiven, caller: CallerOf, state: StateOf, method: MethodOf
) -> ReasoningAnswer:
    """Put a reasoning in the place of what the model would write."""
    _check(given.text, method)
    state.store.put_reasoning(caller.tenant, user, method.model, given.text)
    return get_reasoning(user, caller, state, method)


@router.delete("")
def delete_reasoning(user: Id, caller: CallerOf, state: StateOf, method: MethodOf) -> Deleted:
    """Delete the reasoning, so that the model writes another one with the next text."""
    if not state.store.delete_reasoning(caller.tenant, user, method.model):
        raise _no_reasoning()
    return Deleted(object="reasoning", id=method.name)


def _check(text: str, method: ServedMethod) -> None:
    """Raise UserError for a reasoning that the method's model cannot be given."""
    writer = method.writer
    writer.check_reasoning()
    if not text.strip():
        raise ArgumentError("text", "found only white space, expected a reasoning")
    tokens = len(writer.renderer.prefix(compose(text, "")))
    try:
        method.backend.check(writer.setup.prompt.max_input_tokens + tokens, 1, writer.sampling)
    except UserError as error:
        raise ArgumentError("text", f"found {tokens} tokens, for which there is no room: {error}") from None


def _answer(kept: Reasoning, method: ServedMethod, version: int) -> ReasoningAnswer:
    return ReasoningAnswer(method=method.name, current=kept.profile_version == version, **vars(kept))


def _no_reasoning() -> ApiError:
    return ApiError(404, "no reasoning is kept: the model writes one with the next text", "reasoning_not_found")
