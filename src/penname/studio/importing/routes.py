"""The page on which a person brings texts: files are sent, what was understood of them is shown, and then saved."""

from __future__ import annotations

from typing import Annotated, BinaryIO, Literal, cast

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from penname.data.readers.table_columns import COLUMNS
from penname.studio.events import EventLog
from penname.studio.importing.choice import Change
from penname.studio.importing.shown import import_shown
from penname.studio.importing.work import CHANGED, Importing
from penname.studio.pages import page
from penname.studio.state import StateOf

router = APIRouter(prefix="/import")

FILES_AT_ONCE = 1000
"""Most files of a request."""


def _importing_of(request: Request, state: StateOf) -> Importing:
    importing: Importing = request.app.state.importing
    importing.hear_of(state.in_flight)
    return importing


ImportingOf = Annotated[Importing, Depends(_importing_of)]


def _change_given(
    number: Annotated[int, Form(ge=0)],
    author: Annotated[list[int] | None, Form()] = None,
    shown: Annotated[list[int] | None, Form()] = None,
    as_: Annotated[Literal["one", "each"] | None, Form(alias="as")] = None,
    name: Annotated[str | None, Form(max_length=4000)] = None,
    name_before: Annotated[str | None, Form(max_length=4000)] = None,
    all: Annotated[Literal["all", "none"] | None, Form()] = None,
) -> tuple[int, Change]:
    return number, Change(frozenset(author or ()), frozenset(shown or ()), as_, name, name_before, all)


ChangeGiven = Annotated[tuple[int, Change], Depends(_change_given)]
"""The number of the step that was shown, and what was changed there."""


@router.get("")
async def show(request: Request, importing: ImportingOf, state: StateOf) -> Response:
    """Show the import that goes on, or where to drop files."""
    return page(request, "import.html", swapped=False, **await import_shown(importing, state.store))


@router.get("/part")
async def part(request: Request, importing: ImportingOf, state: StateOf) -> Response:
    """The step that the import is at."""
    return page(request, "import_part.html", swapped=True, **await import_shown(importing, state.store))


@router.get("/events")
async def events(request: Request, importing: ImportingOf, of: Annotated[int, Query()]) -> Response:
    """What becomes of a step. of: its number."""
    log = importing.log
    if of != importing.number:
        log = EventLog()
        log.add(CHANGED, "")
        log.end()
    return log.answer(request)


@router.post("/begin")
async def begin(
    request: Request,
    importing: ImportingOf,
    state: StateOf,
    files: Annotated[int, Form()],
    size: Annotated[int, Form()],
) -> Response:
    """Say how many files will come."""
    importing.begin(files, size)
    return await part(request, importing, state)


@router.post("/files")
async def receive(request: Request, importing: ImportingOf) -> Response:
    """Take some of the files."""
    async with request.form(max_files=FILES_AT_ONCE) as form:
        sent = [file for file in form.getlist("file") if isinstance(file, UploadFile)]
        await importing.receive([(file.filename or "", cast(BinaryIO, file.file)) for file in sent])
    return Response(status_code=204)


@router.post("/read")
async def read(request: Request, importing: ImportingOf, state: StateOf) -> Response:
    """Read the files, as all have come."""
    importing.read()
    return await part(request, importing, state)


@router.post("/columns")
async def choose_columns(request: Request, importing: ImportingOf, state: StateOf) -> Response:
    """Read the table again, of which other columns are chosen: a field for each key of `COLUMNS`."""
    async with request.form() as form:
        chosen = [(kind, str(form[kind])) for kind in COLUMNS if kind in form]
    importing.read(chosen)
    return await part(request, importing, state)


@router.post("/chosen")
async def choose(
    request: Request,
    importing: ImportingOf,
    state: StateOf,
    given: ChangeGiven,
    first: Annotated[int, Form(ge=0)] = 0,
    search: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Choose whose texts are saved. first, search: see `authors`."""
    importing.choose(*given)
    return page(
        request, "import_chosen.html", swapped=False, **await import_shown(importing, state.store, first, search)
    )


@router.post("/name")
async def rename(request: Request, importing: ImportingOf, state: StateOf, given: ChangeGiven) -> Response:
    """Take the name that was typed; nothing that can be pressed is swapped, as a press may go on meanwhile."""
    importing.choose(*given)
    return page(request, "import_named.html", **await import_shown(importing, state.store))


@router.get("/authors")
async def authors(
    request: Request,
    importing: ImportingOf,
    state: StateOf,
    first: Annotated[int, Query(ge=0)] = 0,
    search: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """A page of the authors. first: the place of the first one among those that are searched for."""
    importing.preview()
    return page(
        request, "import_authors.html", swapped=True, **await import_shown(importing, state.store, first, search)
    )


@router.post("/save")
async def save(request: Request, importing: ImportingOf, state: StateOf, given: ChangeGiven) -> Response:
    """Save what is chosen, with what was changed last; where that is outdated, show the choice as it is now."""
    if importing.is_outdated(*given):
        values = await import_shown(importing, state.store)
        return page(request, "import_part.html", swapped=True, **values | {"is_outdated": True})
    importing.choose(*given)
    importing.save(state.store)
    return await part(request, importing, state)


@router.post("/stop")
async def stop(request: Request, importing: ImportingOf, state: StateOf) -> Response:
    """Leave off saving."""
    await importing.stop_saving()
    return await part(request, importing, state)


@router.post("/cancel")
async def cancel(request: Request, importing: ImportingOf, state: StateOf) -> Response:
    """Forget the import, or what is said of the last one."""
    importing.cancel()
    return await part(request, importing, state)
