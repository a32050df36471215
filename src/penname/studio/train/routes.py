"""The routes of the page on which a model is trained."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import Response, StreamingResponse

from penname.engines.models import pick_device
from penname.errors import UserError
from penname.experiments.plan import format_bytes
from penname.runs.progress import format_duration
from penname.serve.errors import ApiError
from penname.studio.events import END, MILLISECONDS_TO_RETRY, SECONDS_OF_SILENCE, Event, last_seen, written
from penname.studio.models import METHODS_SAID
from penname.studio.pages import ROOT, page, rendered
from penname.studio.state import StateOf, StudioOf
from penname.studio.train import processes
from penname.studio.train.documents import all_users
from penname.studio.train.estimate import estimate
from penname.studio.train.listing import listed_runs, next_name, shown_users
from penname.studio.train.offers import OFFERS, OWN
from penname.studio.train.pace import name_of
from penname.studio.train.request import PlannedRun, RunRequest, begin, planned
from penname.studio.train.samples import BEST, NEWEST, WORST
from penname.studio.train.states import is_run, state_of
from penname.studio.train.watched import PARTS, Versions, WatchedRun, WatchedRuns, known_from, news, told, version

router = APIRouter(prefix="/train")
SECONDS_BETWEEN_NEWS = 1.0
_ON_A_PAGE, _SAMPLES_ON_A_PAGE = 20, 10


def _folder_of(name: str, studio: StudioOf) -> Path:
    """The folder of a run that is named in a path. Raises ApiError where there is none."""
    folder = (studio.runs / name).absolute()
    if name in ("", ".", "..") or "/" in name or "\0" in name or not is_run(folder):
        raise ApiError(404, "found no run of this name", "not_found")
    return folder


async def _watched_of(request: Request) -> WatchedRuns:
    found: WatchedRuns = request.app.state.watched_runs
    return found


RunFolder = Annotated[Path, Depends(_folder_of)]
WatchedOf = Annotated[WatchedRuns, Depends(_watched_of)]


def asked(
    name: Annotated[str, Form(max_length=200)] = "",
    recipe: Annotated[str, Form(max_length=100)] = OWN,
    data: Annotated[str, Form(max_length=10)] = OWN,
    whose: Annotated[str, Form(max_length=10)] = "all",
    user: Annotated[list[str] | None, Form()] = None,
) -> RunRequest:
    """What a form asks for."""
    own = data == OWN
    if own and whose == "some" and not user:
        raise UserError("documents: chose some people, but nobody: tick one or more")
    return RunRequest(name.strip(), recipe, own, tuple(user or ()) if own and whose == "some" else ())


Asked = Annotated[RunRequest, Depends(asked)]


@router.get("")
async def runs(request: Request, studio: StudioOf, at: Annotated[int, Query(ge=1, le=100_000)] = 1) -> Response:
    """List the runs, those that changed last first."""
    first = (at - 1) * _ON_A_PAGE
    found, more = await anyio.to_thread.run_sync(listed_runs, studio.runs, first, _ON_A_PAGE)
    return page(request, "train.html", runs=found, more=more, at=at)


@router.get("/new")
async def new(
    request: Request, studio: StudioOf, state: StateOf, user: Annotated[list[str] | None, Query()] = None
) -> Response:
    """Ask what a new run is to be. user: those whose documents are ticked at first."""
    ticked = user or []
    users = await anyio.to_thread.run_sync(all_users, state.store)
    values: dict[str, Any] = {
        "offers": OFFERS,
        "own": OWN,
        "name": next_name(studio.runs),
        "ticked": [known for known in ticked if known in users],
        "users": len(users),
        "found": shown_users(users, "", ticked),
    }
    return page(request, "train_new.html", **values)


@router.get("/new/users")
async def find_users(
    request: Request,
    state: StateOf,
    search: Annotated[str, Query(max_length=200)] = "",
    user: Annotated[list[str] | None, Query()] = None,
) -> Response:
    """Find people to tick, beside those that are."""
    users = await anyio.to_thread.run_sync(all_users, state.store)
    ticked = [known for known in user or [] if known in users]
    return page(request, "train_users.html", ticked=ticked, found=shown_users(users, search, ticked))


@router.post("/new/plan")
async def plan(request: Request, studio: StudioOf, state: StateOf, asked: Asked) -> Response:
    """Show what a new run will be."""
    run = await anyio.to_thread.run_sync(planned, asked, state.store, studio.runs)
    estimated = await anyio.to_thread.run_sync(estimate, run.plan, studio.runs)
    return page(request, "train_plan.html", estimated=estimated, duration=format_duration, **_values(run, asked))


def _values(run: PlannedRun, asked: RunRequest) -> dict[str, Any]:
    stages = [(name_of(stage.name), stage) for stage in run.plan.stages]
    notes = [*run.notes, *(note for note in run.plan.notes if note != run.problem)]
    return {
        "run": run,
        "name": asked.name,
        "stages": stages,
        "notes": notes if run.problem is None else run.notes,
        "methods": METHODS_SAID,
        "bytes": format_bytes,
        "on_cpu": pick_device() == "cpu",
    }


@router.post("/runs")
async def start(request: Request, studio: StudioOf, state: StateOf, asked: Asked) -> Response:
    """Begin a run."""
    folder = await anyio.to_thread.run_sync(begin, asked, state.store, studio.runs)
    return Response(headers={"HX-Redirect": f"{ROOT}/train/runs/{folder.name}"})


@router.get("/runs/{name}")
async def run(request: Request, folder: RunFolder, watched: WatchedOf) -> Response:
    """Show a run."""
    found = await anyio.to_thread.run_sync(_parts, watched.of(folder), request)
    state = await anyio.to_thread.run_sync(state_of, folder)
    seen = told({name: version(html) for name, html in found.items()})
    return page(request, "train_run.html", name=folder.name, parts=found, seen=seen, state=state, order=PARTS)


def _parts(run: WatchedRun, request: Request) -> dict[str, str]:
    return run.parts(partial(rendered, request))


@router.get("/runs/{name}/events")
async def events(
    request: Request,
    folder: RunFolder,
    studio: StudioOf,
    watched: WatchedOf,
    seen: Annotated[str, Query(max_length=1000)] = "",
) -> Response:
    """The parts of a run's page as they change, behind those that the page has: nothing of them is kept here."""
    known = known_from(last_seen(request) or seen)
    stream = _stream(request, watched.of(folder), studio, known)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(request: Request, run: WatchedRun, studio: StudioOf, known: Versions) -> AsyncGenerator[str]:
    yield f"retry: {MILLISECONDS_TO_RETRY}\n\n"
    silent = 0.0
    while is_run(run.folder) and not studio.state.admission.stopping:
        found = await anyio.to_thread.run_sync(_parts, run, request)
        for name, html in news(found, known):
            silent = 0.0
            yield written(told(known), Event(name, html))
        if silent >= SECONDS_OF_SILENCE:
            silent = 0.0
            yield ":\n\n"
        silent += SECONDS_BETWEEN_NEWS
        await asyncio.sleep(SECONDS_BETWEEN_NEWS)
    if not is_run(run.folder):
        yield written(told(known), Event(END, ""))


@router.get("/runs/{name}/samples")
async def samples(
    request: Request,
    folder: RunFolder,
    watched: WatchedOf,
    of: Annotated[str, Query(max_length=200)] = "",
    order: Annotated[str, Query(pattern=f"^({BEST}|{WORST}|{NEWEST})$")] = BEST,
    at: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Show all samples of an iteration, a page at a time."""

    found = watched.of(folder).samples

    def read() -> dict[str, Any]:
        state = state_of(folder)
        iterations = found.iterations(state.recipe) if state.recipe else []
        chosen = next((i for i in iterations if i.parent == of), iterations[-1] if iterations else None)
        if chosen is None:
            return {"iterations": [], "chosen": None, "samples": [], "more": False}
        places = found.places(chosen.parent, order)
        first = (at - 1) * _SAMPLES_ON_A_PAGE
        shown = found.read(places[first : first + _SAMPLES_ON_A_PAGE])
        more = len(places) > first + _SAMPLES_ON_A_PAGE
        return {"iterations": iterations, "chosen": chosen, "samples": shown, "more": more}

    values = await anyio.to_thread.run_sync(read)
    return page(request, "train_all_samples.html", name=folder.name, order=order, at=at, **values)


@router.post("/runs/{name}/pause")
async def pause(request: Request, folder: RunFolder) -> Response:
    """Stop a run's process, so that it can be gone on with."""
    await anyio.to_thread.run_sync(processes.pause, folder)
    return await _actions(request, folder)


@router.post("/runs/{name}/go-on")
async def go_on(request: Request, folder: RunFolder) -> Response:
    """Go on with a run."""
    await anyio.to_thread.run_sync(processes.go_on, folder)
    return await _actions(request, folder)


async def _actions(request: Request, folder: Path) -> Response:
    state = await anyio.to_thread.run_sync(state_of, folder)
    return page(request, "train_actions.html", run=folder.name, state=state)


@router.post("/runs/{name}/delete")
async def delete(folder: RunFolder, watched: WatchedOf, typed: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Delete a run's folder, with all that is in it. typed: its name, so that nobody does it by chance."""
    if typed.strip() != folder.name:
        raise UserError("name: found another one than the run's, which is typed to delete it")
    if processes.holder(folder) is not None:
        raise UserError(f"{folder.name}: is under way, expected one that is paused")
    await anyio.to_thread.run_sync(shutil.rmtree, folder)
    watched.drop(folder)
    return Response(headers={"HX-Redirect": f"{ROOT}/train"})
