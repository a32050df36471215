"""What an answer is where the server itself fails."""

from __future__ import annotations

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penname.serve.errors import server_failed, stopping

logger = logging.getLogger(__name__)


class ServerErrors:
    """Answers with an error where an exception comes, and tells its kind alone: its message may have a user's text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except Exception as error:
            route = getattr(scope.get("route"), "path", "unknown path")
            logger.error("%s %s: %s", scope["method"], route, type(error).__name__)
            if not begun:  # an answer that has begun is broken off
                await server_failed().answer()(scope, receive, send)
        except asyncio.CancelledError:  # the server stops, and has no time left
            if not begun:
                await stopping().answer()(scope, receive, send)
