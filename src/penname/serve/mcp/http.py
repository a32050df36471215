"""The tools over HTTP: each request is answered by itself, with no session that would outlive it."""

from __future__ import annotations

import anyio
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import INVALID_REQUEST
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from penname.serve.errors import ApiError
from penname.serve.hanging_up import cancel_when_gone
from penname.serve.limits import MOST_BYTES
from penname.serve.mcp.server import Context, make_server
from penname.serve.mcp.tools import Agent
from penname.serve.state import State


def make_manager(state: State) -> StreamableHTTPSessionManager:
    """What answers requests while its `run` goes on; their `state.caller` says who asks."""
    server = make_server(state, _agent_of)
    # The SDK's own check of hosts would refuse others that a key is sent to; the route checks hosts and origins.
    return StreamableHTTPSessionManager(server, json_response=True, stateless=True, max_request_body_size=MOST_BYTES)


class ManagedResponse(Response):
    """Answers with what a manager makes of the request, and stops when the client hangs up."""

    def __init__(self, manager: StreamableHTTPSessionManager) -> None:
        super().__init__()
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, until it is done or the client has gone."""
        body = _Body(await receive())  # `Limits` has received it as a whole
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_when_gone, receive, group.cancel_scope)
            await self._manager.handle_request(scope, body.receive, send)
            group.cancel_scope.cancel()


class _Body:
    """A request's body as the one message that it is."""

    def __init__(self, message: Message) -> None:
        self._message: Message | None = message

    async def receive(self) -> Message:
        """The body, and nothing after it."""
        message, self._message = self._message, None
        if message is None:
            await anyio.sleep_forever()
            raise AssertionError
        return message


def refusal(error: ApiError) -> Response:
    """An error before the body has come, as the protocol has it, since its clients show no other."""
    told = error.body()["error"]
    body = {"code": INVALID_REQUEST, "message": told.pop("message"), "data": told}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": body}, error.status, error.headers(close=True))


def _agent_of(context: Context) -> Agent:
    request = context.request
    assert request is not None
    return Agent(request.state.caller, request.headers)
