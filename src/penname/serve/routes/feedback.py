"""Feedback: what users thought of texts, and what the next training takes of it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from penname.serve.errors import ApiError
from penname.serve.requests import Seed, Text, TextWithWords
from penname.serve.routes.common import JSONL, CallerOf, Deleted, Id, Listed, StateOf, jsonl, without_none
from penname.serve.store.feedback import preference_pairs, written_documents
from penname.serve.store.records import Feedback, Thumbs

router = APIRouter(prefix="/v1/users/{user}/feedback", tags=["feedback"])


class FeedbackGiven(BaseModel):
    """What a user thought of a text: one or more of `chosen`, `edited` and `thumbs`."""

    prompt: TextWithWords
    response: TextWithWords = Field(description="the text that was written")
    chosen: TextWithWords | None = Field(None, description="the text that the user took instead")
    edited: TextWithWords | None = Field(None, description="the text as the user changed it")
    thumbs: Thumbs | None = None
    method: Annotated[str, Field(max_length=200)] | None = Field(None, description="what wrote the text")
    seed: Seed | None = None


class FeedbackAdded(BaseModel):
    """The id of feedback that is kept now."""

    object: Literal["feedback"] = "feedback"
    id: str


class FeedbackAnswer(FeedbackGiven, FeedbackAdded):
    """Feedback that is kept."""

    # Earlier versions took texts without words.
    prompt: Text
    response: Text
    chosen: Text | None = None
    edited: Text | None = None
    created: str


@router.post("")
def add_feedback(user: Id, given: FeedbackGiven, caller: CallerOf, state: StateOf) -> FeedbackAdded:
    """Keep what a user thought of a text."""
    return FeedbackAdded(id=state.store.add_feedback(caller.tenant, user, Feedback(**given.model_dump())))


@router.get("", response_model=Listed[FeedbackAnswer], responses={200: {"content": {JSONL: {}}}})
def get_feedback(
    user: Id,
    caller: CallerOf,
    state: StateOf,
    format: Annotated[Literal["json", "pairs", "documents"], Query()] = "json",
) -> Listed[FeedbackAnswer] | Response:
    """Show a user's feedback, or give it out as JSON lines for training.

    `pairs`: `prompt`, `chosen` and `rejected` texts, as DPO takes them. `documents`: the texts that the user edited or
    chose, in the format of penname's data.
    """
    with state.store.while_known(caller.tenant, user):
        found = state.store.feedback(caller.tenant, user)
    if format == "pairs":
        return jsonl([{"user_id": user, **pair} for pair in preference_pairs(found)])
    if format == "documents":
        return jsonl([without_none(vars(document)) for document in written_documents(found, user)])
    return Listed(data=[FeedbackAnswer(**vars(one)) for one in found])


@router.delete("/{feedback}")
def delete_feedback(user: Id, feedback: Id, caller: CallerOf, state: StateOf) -> Deleted:
    """Delete feedback."""
    if not state.store.delete_feedback(caller.tenant, user, feedback):
        raise ApiError(404, "found an id that the user has no feedback of", "feedback_not_found", "feedback")
    return Deleted(object="feedback", id=feedback)
