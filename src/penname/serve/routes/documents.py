"""Documents: what users wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from penname.data.records import Document
from penname.serve.documents_in_json import BODY, documents_in_json
from penname.serve.errors import ApiError, stopping
from penname.serve.in_flight import Stop, tenant_user
from penname.serve.routes.common import CallerOf, Deleted, Id, Listed, Page, StateOf, shown_page
from penname.serve.state import State
from penname.serve.store.store import Store
from penname.serve.taken import Taken
from penname.serve.uploads.uploads import has_files

router = APIRouter(prefix="/v1/users/{user}/documents", tags=["documents"])


class DocumentAnswer(BaseModel):
    """A document that is kept."""

    object: Literal["document"] = "document"
    id: str
    text: str
    title: str | None = None
    date: str | None = None
    item_id: str | None = None
    rating: float | None = None
    description: str | None = None


class Skipped(BaseModel):
    """Why texts of a file were left out, and how many."""

    reason: str
    count: int


class DocumentsAdded(BaseModel):
    """What was added.

    ids: those of the documents, in their order.
    rows: number of texts that there were in files.
    skipped, lines: what was left out of files and why, and how they were read, as `penname data convert` says it.
    """

    object: Literal["documents"] = "documents"
    documents: int
    ids: list[str]
    rows: int
    skipped: list[Skipped] = []
    lines: list[str] = []


@router.post("", openapi_extra={"requestBody": BODY})
async def add_documents(
    user: Id,
    request: Request,
    caller: CallerOf,
    state: StateOf,
    me: Annotated[list[str] | None, Query(description="names of the user, as in the form's field")] = None,
) -> DocumentsAdded:
    """Add documents, and the user if nobody knows it.

    One document or several as JSON, one a line as JSON lines, or files in a form's field `file`. Either all are added
    or none is: of files, all that are the user's texts.
    """
    if state.admission.stopping:
        raise stopping()
    # Documents take a while to read: a server that stops waits for them, and who is forgotten meanwhile stays so.
    stop = Stop()
    state.in_flight.add(caller.tenant, user, stop)
    try:
        is_known = await run_sync(state.store.has_user, caller.tenant, user)
        with stop.heeded():
            async with _taken(request, state, caller.tenant, user, me or []) as taken:
                add = partial(_add, state.store, caller.tenant, user, taken, stop, put_user=not is_known)
                return await run_sync(add)
    finally:
        state.in_flight.remove(caller.tenant, user, stop)


@asynccontextmanager
async def _taken(request: Request, state: State, tenant: str, user: str, me: Sequence[str]) -> AsyncIterator[Taken]:
    """What is taken of the documents that a request brings, see `Uploads.taken`."""
    if has_files(request):
        async with state.uploads.taken(request, tenant, user, me) as taken:
            yield taken
    else:
        yield await documents_in_json(request, user)


def _add(store: Store, tenant: str, user: str, taken: Taken, stop: Stop, *, put_user: bool) -> DocumentsAdded:
    ids = store.add_documents(tenant, user, taken.documents, put_user=put_user, wanted=lambda: not stop.told)
    skipped = [Skipped.model_validate(record) for record in taken.skipped]
    return DocumentsAdded(documents=len(set(ids)), ids=ids, rows=taken.rows, skipped=skipped, lines=taken.lines)


class DocumentsPage(Page):
    """Which of a user's documents are asked for."""

    search: Annotated[str | None, Field(max_length=4000)] = Field(None, description="only those that have this in them")


@router.get("")
def list_documents(
    user: Id,
    caller: CallerOf,
    state: StateOf,
    page: Annotated[DocumentsPage, Query()],
) -> Listed[DocumentAnswer]:
    """List a user's documents in the order in which they were added."""
    with state.store.while_known(caller.tenant, user):
        found = state.store.documents(caller.tenant, user, page.after, page.limit + 1, page.search)
    shown, about = shown_page(found, page.limit, lambda document: str(document.id))
    return Listed(data=list(map(_answer, shown)), **about)


@router.delete("/{document}")
def delete_document(user: Id, document: Id, caller: CallerOf, state: StateOf) -> Deleted:
    """Delete a document."""
    if not state.store.remove_document(caller.tenant, user, document):
        raise ApiError(404, "found an id that the user has no document of", "document_not_found", "document")
    state.large_profiles.forget(tenant_user(caller.tenant, user))
    return Deleted(object="document", id=document)


def _answer(document: Document) -> DocumentAnswer:
    return DocumentAnswer.model_validate(vars(document))
