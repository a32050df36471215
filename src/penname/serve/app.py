"""The server's application: its state, its routes and its errors."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from penname import __version__
from penname.errors import UserError
from penname.serve.access import Access
from penname.serve.admission import Admission
from penname.serve.errors import ApiError, of_user_error
from penname.serve.headers import SecurityHeaders
from penname.serve.methods import Methods
from penname.serve.metrics import CountsRequests, Metrics
from penname.serve.paths import IdsInPaths
from penname.serve.routes import docs, documents, feedback, health, models, reasonings, texts, users
from penname.serve.routes.common import ERRORS
from penname.serve.state import State
from penname.serve.store.store import Store

logger = logging.getLogger(__name__)

_PARTS_OF_REQUESTS = (("body",), ("query",), ("path",), ("header",))

MOST_BYTES = 32 * 2**20
"""Largest body of a request."""


ROUTERS = (texts.router, models.router, users.router, documents.router, reasonings.router, feedback.router)


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
        app.state.penname = State(store, methods, access, admission, metrics, int(time.time()))
        try:
            yield
        finally:
            methods.close()

    metrics = Metrics()
    store.watch(metrics.database.observe)
    app = FastAPI(title="penname", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(IdsInPaths)
    app.add_middleware(SecurityHeaders, most_bytes=MOST_BYTES)
    app.add_middleware(CountsRequests, metrics=metrics)
    for router in ROUTERS:
        app.include_router(router, responses=ERRORS)
    app.include_router(health.router)
    app.include_router(docs.router)
    app.mount(docs.FILES, docs.SWAGGER_UI)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failed)
    return app


def _answer(error: ApiError) -> Response:
    return JSONResponse(error.body(), error.status, error.headers())


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    if error.status == 429:
        request.app.state.penname.metrics.count_refusal(error.code)
    return _answer(error)


async def _user_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)
    return _answer(of_user_error(error))


async def _invalid(request: Request, error: Exception) -> Response:
    """What a field of a request lacks; what was found stays out of the answer, as it may be a user's text."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    parts = first["loc"][1:] if first["loc"][:1] in _PARTS_OF_REQUESTS else first["loc"]
    place = ".".join(map(str, parts)) or "body"
    return _answer(ApiError(400, f"{place}: {first['msg']}", "invalid_value", place))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    return _answer(ApiError(error.status_code, str(error.detail), codes.get(error.status_code, "invalid_request")))


async def _failed(request: Request, error: Exception) -> Response:
    # The error's own message may have a user's text.
    logger.error("%s %s: %s", request.method, request.scope.get("route"), type(error).__name__)
    return _answer(ApiError(500, "the server failed", "server_error"))
