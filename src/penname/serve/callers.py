"""Who asks is known before anything of a request's body is received, and whoever may not ask is refused by then."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penname.errors import UserError
from penname.serve.access import Access
from penname.serve.errors import ApiError, of_user_error
from penname.serve.mcp.http import refusal
from penname.serve.mcp.relay import PATH as MCP

PATHS = ("/v1/", "/metrics", MCP)
"""What the paths begin with for which it matters who asks. Of requests for all others the body is passed over."""


class Callers:
    """Puts who asks into the request's state, as `caller`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(PATHS):
            await self._answer(scope, receive, send)
        else:
            await self._app(scope, _without_body(receive), send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HTTPConnection(scope)
        access: Access = request.app.state.penname.access
        try:
            request.state.caller = await access.caller(request)
        except (ApiError, UserError) as error:
            refused = of_user_error(error) if isinstance(error, UserError) else error
            answer: Response = refusal(refused) if scope["path"] == MCP else refused.answer(close=True)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _without_body(receive: Receive) -> Receive:
    """What is received of a request whose body nobody reads."""
    empty = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def received() -> Message:
        return next(empty, None) or await receive()

    return received
