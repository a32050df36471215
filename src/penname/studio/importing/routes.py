"""The page on which a person brings texts: files are sent, what was understood of them is shown, and then saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Literal, cast

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.datastructures import UploadFile
from starlette.responses import Response

from penname.data.readers.table_columns import COLUMNS
from penname.serve.access import LOCAL_TENANT
from penname.serve.errors import ApiError
from penname.serve.store.part import checked_id
from penname.studio.events import EventLog
from penname.studio.importing.choice import samples_of
from penname.studio.importing.found import Author
from penname.studio.importing.work import CHANGED, Importing, Step, shown
from penname.studio.pages import page
from penname.studio.state import StateOf, StudioOf

router = APIRouter(prefix="/import")

ON_A_PAGE = 50
"""How many authors are shown at once."""

FILES_AT_ONCE = 1000
"""Most files of a request."""


def _importing_of(studio: StudioOf) -> Importing:
    importing: Importing = studio.server.state.importing
    importing.hear_of(studio.state.in_flight)
    return importing


ImportingOf = Annotated[Importing, Depends(_importing_of)]
Number = Annotated[int, Form(ge=0)]


@router.get("")
async def show(request: Request, importing: ImportingOf, state: StateOf) -> Response:
    """Show the import that goes on, or where to drop files."""
    return page(request, "import.html", swapped=False, **await _shown(importing, state))


@router.get("/part")
async def part(request: Request, importing: ImportingOf, state: StateOf) -> Response:
    """The step that the import is at."""
    return page(request, "import_part.html", swapped=True, **await _shown(importing, state))


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
    request: Request, importing: ImportingOf, state: StateOf, files: Annotated[int, Form()], size: Annotated[int, Form()]
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
    importing.read_again(chosen)
    return await part(request, importing, state)


@router.post("/chosen")
async def choose(
    request: Request,
    importing: ImportingOf,
    state: StateOf,
    number: Number,
    author: Annotated[list[int] | None, Form()] = None,
    shown: Annotated[list[int] | None, Form()] = None,
    as_: Annotated[Literal["one", "each"], Form(alias="as")] = "each",
    name: Annotated[str, Form(max_length=4000)] = "",
    all_of_them: Annotated[Literal["", "all", "none"], Form(alias="all")] = "",
    first: Annotated[int, Form(ge=0)] = 0,
    search: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Choose whose texts are saved.

    number: of the step that was shown.
    author: who is ticked. shown: whose boxes were there.
    as_, name: see `Choice`.
    all_of_them: whether all or none are ticked, also those who are not shown.
    first, search: see `authors`.
    """
    found, choice = importing.preview()
    if number != importing.number:
        raise ApiError(409, "others are shown by now: load the page anew", "conflict")
    ticked, boxes = set(author or ()), set(shown or ())
    known = set(range(len(found.authors)))
    if not ticked | boxes <= known:
        raise ApiError(400, "found an author who is not there", "invalid_value", "author")
    chosen = {"all": known, "none": set()}.get(all_of_them, choice.chosen - boxes | ticked)
    name = checked_id("user", name, "name") if name.strip() else ""
    if as_ == "one" and not name and chosen:
        name = found.authors[min(chosen)].name
    choice.as_, choice.chosen, choice.name = as_, chosen, name
    return page(request, "import_choice.html", swapped=False, **await _shown(importing, state, first, search))


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
    return page(request, "import_authors.html", swapped=True, **await _shown(importing, state, first, search))


@router.post("/save")
async def save(request: Request, importing: ImportingOf, state: StateOf, number: Number) -> Response:
    """Save what is chosen."""
    if number != importing.number:
        raise ApiError(409, "another import is shown by now: load the page anew", "conflict")
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


@dataclass(frozen=True)
class _Row:
    """An author as shown. place: among all authors. known: number of documents that the user has already."""

    place: int
    author: Author
    known: int | None


async def _shown(importing: Importing, state: StateOf, first: int = 0, search: str = "") -> dict[str, Any]:
    """What the templates take."""
    values: dict[str, Any] = {"work": importing, "steps": Step, "bar": shown(importing.progress), "kinds": COLUMNS}
    if importing.step is Step.PREVIEW:
        found, choice = importing.preview()
        folded = search.strip().casefold()
        fitting = [
            (place, author) for place, author in enumerate(found.authors) if folded in author.name.casefold()
        ]
        here = fitting[first : first + ON_A_PAGE]
        names = [author.name for _, author in here]
        known = await run_sync(state.store.count_documents, LOCAL_TENANT, names)
        values |= {
            "summary": importing.summary(),
            "samples": samples_of(found, choice),
            "rows": [_Row(place, author, known.get(author.name)) for place, author in here],
            "first": first,
            "fitting": len(fitting),
            "search": search,
            "on_a_page": ON_A_PAGE,
        }
    return values
