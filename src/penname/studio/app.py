"""The studio's application: its pages stand beside the server's interface, and are behind a door of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penname.errors import UserError
from penname.reporting.page import STYLE
from penname.serve.errors import ApiError, of_user_error
from penname.serve.headers import SecurityHeaders
from penname.serve.invalid_fields import invalid
from penname.serve.server_errors import ServerErrors
from penname.studio import home
from penname.studio.door import Door
from penname.studio.importing import routes as imports
from penname.studio.importing.work import Importing
from penname.studio.models import Models
from penname.studio.pages import FOLDER, ROOT, error_page
from penname.studio.rate import routes as rate
from penname.studio.results import routes as results
from penname.studio.results.results import Results
from penname.studio.session import Session
from penname.studio.state import Studio
from penname.studio.train import routes as train
from penname.studio.train.watched import WatchedRuns
from penname.studio.users import routes as users
from penname.studio.write import routes as write
from penname.studio.write.sheets import Sheets

ROUTERS = (
    home.router,
    imports.router,
    users.router,
    write.router,
    train.router,
    rate.router,
    results.router,
)


def with_studio(server: FastAPI, runs: Path, session: Session) -> Beside:
    """The server's application with the pages beside it.

    server: the server's application.
    runs: the folder of runs.
    session: who may see the pages.
    """
    pages = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    pages.state.studio = studio = Studio(runs, session, server)
    pages.state.importing = importing = Importing()
    pages.state.models = models = Models(lambda: studio.state.methods, runs)
    pages.state.watched_runs = WatchedRuns()
    pages.state.results = Results(runs)
    pages.state.sheets = Sheets(lambda: studio.state, models)
    pages.add_middleware(ServerErrors)
    for router in ROUTERS:
        pages.include_router(router, prefix=ROOT)
    pages.get(f"{ROOT}/page.css")(_style)
    pages.mount(f"{ROOT}/static", StaticFiles(directory=FOLDER / "static"))
    pages.add_exception_handler(ApiError, _error)
    pages.add_exception_handler(UserError, _error)
    pages.add_exception_handler(RequestValidationError, _error)
    pages.add_exception_handler(HTTPException, _error)

    async def close() -> None:
        await importing.close()
        await models.close()

    return Beside(server, SecurityHeaders(Door(pages, session)), pages.state, close)


class Beside:
    """Two applications: all below `ROOT` is the pages'.

    state: what the pages have.
    close: releases it, once the server has ended.
    """

    def __init__(self, server: ASGIApp, pages: ASGIApp, state: State, close: Callable[[], Awaitable[None]]) -> None:
        self.state = state
        self._server = server
        self._pages = pages
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._server(scope, receive, partial(self._send_of_lifespan, send))
            return
        path = scope.get("path", "")
        ours = scope["type"] == "http" and (path == ROOT or path.startswith(f"{ROOT}/"))
        await (self._pages if ours else self._server)(scope, receive, send)

    async def _send_of_lifespan(self, send: Send, message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown"):
            await self._close()
        await send(message)


async def _style() -> FileResponse:
    """The reports' style sheet, on which that of the pages stands."""
    return FileResponse(STYLE)


async def _error(request: Request, error: Exception) -> Response:
    if isinstance(error, UserError):
        error = of_user_error(error)
    elif isinstance(error, RequestValidationError):
        error = invalid([{**fault, "loc": fault["loc"][1:]} for fault in error.errors()])
    if isinstance(error, ApiError):
        return error_page(request, error.status, error.message)
    assert isinstance(error, HTTPException)
    return error_page(request, error.status_code, str(error.detail))
