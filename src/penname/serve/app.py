"""The server's application: its state, its routes and its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from penname import __version__
from penname.errors import UserError
from penname.serve import docs_site
from penname.serve.access import Access
from penname.serve.admission import Admission
from penname.serve.callers import Callers
from penname.serve.errors import ApiError, of_user_error
from penname.serve.headers import SecurityHeaders
from penname.serve.invalid_fields import invalid
from penname.serve.limits import Limits
from penname.serve.mcp.http import make_manager
from penname.serve.methods import Methods
from penname.serve.metrics import CountsRequests, Metrics
from penname.serve.paths import IdsInPaths
from penname.serve.routes import docs, documents, feedback, health, mcp, models, reasonings, texts, users
from penname.serve.routes.common import ERRORS
from penname.serve.server_errors import ServerErrors
from penname.serve.state import State
from penname.serve.store.store import Store

ROUTERS = (texts.router, models.router, users.router, documents.router, reasonings.router, feedback.router, mcp.router)


def make_app(store: Store, load_methods: Callable[[], Methods], *, key_required: bool, longest_wait: float) -> FastAPI:
    """The application.

    store: where users are.
    load_methods: loads the methods, in the application's event loop.
    key_required: see `Access`.
    longest_wait: see `Admission`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        methods = load_methods()
        methods.watch_steps(metrics.step.observe)
        metrics.watch_texts(lambda: methods.in_progress - methods.waiting, lambda: methods.waiting)
        access, admission = Access(store, required=key_required), Admission(longest_wait, metrics)
        state = State(store, methods, access, admission, metrics)
        app.state.penname, app.state.mcp = state, make_manager(state)
        try:
            async with app.state.mcp.run():
                yield
        finally:
            await methods.close()

    metrics = Metrics()
    store.watch(metrics.database.observe)
    app = FastAPI(title="penname", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    # Each one added is around those before it.
    app.add_middleware(IdsInPaths)
    app.add_middleware(Limits, on_refused=metrics.count_refusal)
    app.add_middleware(Callers)
    app.add_middleware(ServerErrors)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(CountsRequests, metrics=metrics)
    for router in ROUTERS:
        app.include_router(router, responses=ERRORS)
    app.include_router(health.router, responses=ERRORS)
    app.include_router(docs.router)
    app.mount(docs.FILES, docs.SWAGGER_UI)
    app.mount(docs_site.PATH, docs_site.DocsSite())
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    return app


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    if error.status == 429:
        request.app.state.penname.metrics.count_refusal(error.code)
    return error.answer()


async def _user_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)
    return of_user_error(error).answer()


async def _invalid(request: Request, error: Exception) -> Response:
    """What a field of a request lacks."""
    assert isinstance(error, RequestValidationError)
    # Where a field is: in the body, the path and so on.
    return invalid([{**fault, "loc": fault["loc"][1:]} for fault in error.errors()]).answer()


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    answer = ApiError(error.status_code, str(error.detail), codes.get(error.status_code, "invalid_request")).answer()
    answer.headers.update(error.headers or {})  # such as the methods that there are
    return answer
