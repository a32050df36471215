"""Clients that hang up: what is done for them ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio import CancelScope, create_task_group
from starlette.types import Receive

from penname.serve.errors import ApiError

GONE = 499
"""The status of requests whose clients hang up before an answer, as other servers count them."""

Done = TypeVar("Done")


async def cancel_when_gone(receive: Receive, scope: CancelScope) -> None:
    """Cancel when the client hangs up; its request has been read by then."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def unless_gone(receive: Receive, work: Callable[[], Awaitable[Done]]) -> Done:
    """Work, unless the client hangs up meanwhile: it may have to wait long. Raises ApiError then."""
    done: list[Done] = []
    try:
        async with create_task_group() as group:
            group.start_soon(cancel_when_gone, receive, group.cancel_scope)
            done.append(await work())
            group.cancel_scope.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    if not done:
        raise ApiError(GONE, "the client has gone", "client_gone")
    return done[0]
