"""The pages of users: all of them, and one with documents, reasonings and a picture of the style."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from penname.data.jsonl import document_of
from penname.data.own_texts import id_of_text
from penname.data.records import Location
from penname.errors import ArgumentError, DataError
from penname.serve.access import LOCAL_TENANT
from penname.serve.errors import ApiError
from penname.serve.routes.documents import delete_document
from penname.serve.routes.reasonings import ReasoningGiven, put_reasoning
from penname.serve.routes.users import export_user, forget_user
from penname.serve.state import State
from penname.serve.store.part import checked_id
from penname.serve.style import style_of
from penname.studio.pages import page
from penname.studio.runs import find_runs
from penname.studio.state import CALLER, StateOf, StudioOf
from penname.studio.train.learned import has_learned_from
from penname.studio.users.feedback import feedback_of
from penname.studio.users.picture import picture_of
from penname.studio.users.reasonings import reasonings_of
from penname.studio.users.shown import documents_shown, users_shown

router = APIRouter(prefix="/users")

Id = Annotated[str, Query(max_length=4000)]
IdGiven = Annotated[str, Form(max_length=4000)]
Search = Annotated[str, Query(max_length=1000)]


@router.get("")
def show_users(
    request: Request, state: StateOf, search: Search = "", first: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """List users."""
    return page(request, "users.html", **users_shown(state, search, first))


@router.get("/list")
def list_users(
    request: Request, state: StateOf, search: Search = "", first: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """A page of the users whose names have this in them. first: the place of the first one."""
    return page(request, "users_list.html", **users_shown(state, search, first))


@router.get("/user")
def show_user(request: Request, state: StateOf, id: Id) -> Response:
    """Show a user."""
    user = state.store.user(LOCAL_TENANT, id)
    return page(request, "user.html", user=user.id, created=user.created[:10], **documents_shown(state, user.id))


@router.get("/user/documents")
def list_documents(request: Request, state: StateOf, id: Id, after: Id = "", search: Search = "") -> Response:
    """A page of a user's documents. after: the id of the one that they are behind."""
    return page(request, "user_documents.html", user=id, **documents_shown(state, id, after, search))


@router.delete("/user/documents")
def remove_document(request: Request, state: StateOf, id: Id, document: Id, search: Search = "") -> Response:
    """Delete a document."""
    delete_document(id, document, CALLER, state)
    return page(
        request, "user_documents.html", user=id, **documents_shown(state, id, "", search, "The document is deleted.")
    )


@router.post("/user/documents")
def add_document(
    request: Request,
    state: StateOf,
    id: IdGiven,
    text: Annotated[str, Form(max_length=1_000_000)] = "",
    title: Annotated[str, Form(max_length=10_000)] = "",
    date: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Add a text that was pasted."""
    fields = {"user_id": id, "text": text.replace("\r\n", "\n"), "title": title.strip(), "date": date.strip()}
    try:
        document = document_of({name: value for name, value in fields.items() if value}, Location(Path("text"), 1))
    except DataError as error:
        raise ArgumentError(error.field or "text", error.problem) from None
    known = {**vars(document), "id": id_of_text(document)}
    state.store.add_documents(LOCAL_TENANT, id, [type(document)(**known)])
    return page(request, "user_documents.html", user=id, **documents_shown(state, id, "", "", "The document is added."))


@router.get("/user/picture")
def show_picture(request: Request, state: StateOf, id: Id) -> Response:
    """Show how a user writes."""
    return page(request, "user_picture.html", user=id, picture=picture_of(state.store, id))


@router.get("/user/style")
def show_style(request: Request, state: StateOf, id: Id) -> Response:
    """Show what is unusual in how a user writes."""
    return page(request, "user_style.html", style=style_of(state.store, LOCAL_TENANT, id))


@router.get("/user/reasonings")
def show_reasonings(request: Request, state: StateOf, id: Id) -> Response:
    """Show what models wrote about a user."""
    return _reasonings(request, state, id)


@router.post("/user/reasonings")
def keep_reasoning(
    request: Request,
    state: StateOf,
    id: IdGiven,
    method: Annotated[str, Form(max_length=200)],
    text: Annotated[str, Form(max_length=100_000)] = "",
) -> Response:
    """Put a reasoning in the place of what a model would write."""
    if not text.strip():
        raise ArgumentError("text", "found no text, expected a reasoning")
    given = ReasoningGiven(text=text.replace("\r\n", "\n"))
    put_reasoning(id, given, CALLER, state, state.methods.get(method))
    return _reasonings(request, state, id, "It is kept and locked: also where documents change, it stays.")


@router.delete("/user/reasonings")
def delete_reasoning(request: Request, state: StateOf, id: Id, model: Id) -> Response:
    """Delete a reasoning, so that the model writes another one with the next text."""
    if not state.store.delete_reasoning(LOCAL_TENANT, id, model):
        raise ApiError(404, "found no such reasoning, expected one that is kept", "reasoning_not_found")
    return _reasonings(request, state, id, "It is deleted.")


@router.get("/user/feedback")
def show_feedback(request: Request, state: StateOf, id: Id) -> Response:
    """Show what is kept of what the person thought of texts."""
    return page(request, "user_feedback.html", user=id, shown=feedback_of(state, id), message="")


@router.delete("/user/feedback")
def take_back(request: Request, state: StateOf, id: Id, feedback: Id) -> Response:
    """Keep a feedback no longer."""
    if not state.store.delete_feedback(LOCAL_TENANT, id, feedback):
        raise ApiError(404, "found no such feedback, expected one that is kept", "feedback_not_found")
    shown = feedback_of(state, id)
    return page(request, "user_feedback.html", user=id, shown=shown, message="It is kept no longer.")


@router.post("/user/forget")
def forget(
    request: Request,
    state: StateOf,
    studio: StudioOf,
    id: IdGiven,
    typed: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Delete all that is kept of a user, for good. typed: the user's id once more."""
    user = state.store.user(LOCAL_TENANT, id)
    if not typed.strip() or checked_id("user", typed.strip(), "typed") != user.id.strip():
        raise ArgumentError("typed", "found another name, expected the user's, letter by letter")
    forget_user(user.id, CALLER, state)
    runs = [run.name for run in find_runs(studio.runs) if has_learned_from(run.folder, user.id)]
    return page(request, "user_forgotten.html", user=user.id, runs=runs)


@router.get("/user/export")
def export(state: StateOf, id: Id, format: Literal["json", "jsonl"] = "json") -> Response:
    """Give out all that is kept of a user; as `jsonl` the documents alone."""
    answer = export_user(id, CALLER, state, format)
    name = quote(f"{id}.{format}", safe="")
    answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    return answer


def _reasonings(request: Request, state: State, user: str, message: str = "") -> Response:
    return page(request, "user_reasonings.html", user=user, shown=reasonings_of(state, user), message=message)
