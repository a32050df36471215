"""Turns in which files are read: a tenant has one at a time, so that others' are read beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary

from anyio import CapacityLimiter, Lock, fail_after

from penname.serve.errors import ApiError

SECONDS_TO_WAIT = 60
"""How long a request waits for its turn before it is refused."""


class Turns:
    """Turns of tenants. at_once: of how many tenants."""

    def __init__(self, at_once: int) -> None:
        self._at_once = CapacityLimiter(at_once)
        self._of_tenants: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, tenant: str) -> AsyncIterator[None]:
        """A context that is a turn of a tenant. Raises ApiError (429) where it does not come soon."""
        async with AsyncExitStack() as held:
            try:
                with fail_after(SECONDS_TO_WAIT):
                    await held.enter_async_context(self._of_tenants.setdefault(tenant, Lock()))
                    await held.enter_async_context(self._at_once)
            except TimeoutError:
                problem = "too many files are being read, expected some of them later"
                raise ApiError(429, problem, "server_busy", retry_after=SECONDS_TO_WAIT) from None
            yield
