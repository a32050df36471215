"""Errors that a client is told, in the shape of OpenAI's."""

from __future__ import annotations

import logging
from typing import Any

from starlette.responses import JSONResponse, Response

from penname.errors import ArgumentError, UserError
from penname.prompts.render import PromptTooLong
from penname.serve.store.records import StoreError, UnknownTenant, UnknownUser

logger = logging.getLogger(__name__)

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """An answer that is an error.

    status: of HTTP.
    message: what was found and what was expected; no text of a user's.
    code: names the kind of error for programs.
    param: the field of the request that it is about.
    retry_after: seconds after which the same request may succeed.
    """

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """The body of the answer, and what a stream ends with."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def headers(self, *, close: bool = False) -> dict[str, str]:
        """The answer's headers. close: whether the connection ends, as what is left of a body would be a request."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        headers |= {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return headers | ({"Connection": "close"} if close else {})

    def answer(self, *, close: bool = False) -> Response:
        """The answer; see `headers`."""
        return JSONResponse(self.body(), self.status, self.headers(close=close))


def engine_failed() -> ApiError:
    """The answer to a request that the engine gave up."""
    return ApiError(500, "the engine could not go on with this request", "engine_failed")


def server_failed() -> ApiError:
    """The answer to a request at which the server fails; its log says how."""
    return ApiError(500, "the server failed", "server_error")


def forgotten() -> ApiError:
    """The answer to a request whose user was forgotten before its end."""
    return ApiError(404, "the user was forgotten meanwhile", "user_not_found", "user")


def stopping() -> ApiError:
    """The answer to a request that comes while the server stops, or that it has no time left for."""
    return ApiError(503, "the server stops", "stopping", retry_after=30)


def of_user_error(error: UserError) -> ApiError:
    """The answer to a request that could not be met."""
    message = " ".join(str(error).split())
    if isinstance(error, UnknownUser | UnknownTenant):
        return ApiError(404, message, "user_not_found", "user")
    if isinstance(error, StoreError):
        logger.error("%s", message)  # whoever asks is not to know where the database is
        return ApiError(503, "the server's database failed, its log says how", "database_unavailable")
    if isinstance(error, PromptTooLong):
        # The message of the error itself has the beginning of the prompt.
        excess = f"the prompt is {error.excess} tokens too long for {error.setting} without any document"
        return ApiError(400, excess, "context_length_exceeded", "messages")
    if isinstance(error, ArgumentError):
        return ApiError(400, message, "invalid_value", error.argument)
    return ApiError(400, message, "invalid_value")
