"""The studio's application: its pages stand beside the server's interface, and are behind a door of their own."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from penname.errors import UserError
from penname.reporting.page import STYLE
from penname.serve.errors import ApiError, of_user_error
from penname.serve.failures import Failures
from penname.serve.faults import invalid
from penname.serve.headers import SecurityHeaders
from penname.studio import home
from penname.studio.door import Door
from penname.studio.importing import routes as importing
from penname.studio.importing.work import Importing
from penname.studio.pages import FOLDER, ROOT, error_page
from penname.studio.session import Session
from penname.studio.state import Studio
from penname.studio.users import routes as users

ROUTERS = (home.router, importing.router, users.router)


def with_studio(server: FastAPI, runs: Path, session: Session) -> ASGIApp:
    """The server's application with the pages beside it.

    server: the server's application.
    runs: the folder of runs.
    session: who may see the pages.
    """
    pages = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    pages.state.studio = Studio(runs, session, server)
    server.state.importing = Importing()
    pages.add_middleware(Failures)
    for router in ROUTERS:
        pages.include_router(router, prefix=ROOT)
    pages.get(f"{ROOT}/page.css")(_style)
    pages.mount(f"{ROOT}/static", StaticFiles(directory=FOLDER / "static"))
    pages.add_exception_handler(ApiError, _error)
    pages.add_exception_handler(UserError, _error)
    pages.add_exception_handler(RequestValidationError, _error)
    pages.add_exception_handler(HTTPException, _error)
    return _Beside(server, SecurityHeaders(Door(pages, session)))


class _Beside:
    """Two applications: all below `ROOT` is the pages'."""

    def __init__(self, server: ASGIApp, pages: ASGIApp) -> None:
        self._server = server
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        ours = scope["type"] == "http" and (path == ROOT or path.startswith(f"{ROOT}/"))
        await (self._pages if ours else self._server)(scope, receive, send)


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
