"""The requests that are being answered: none goes on for a user who is forgotten, or once a server has to end."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from anyio import CancelScope

from penname.serve.errors import ApiError

TenantUser = tuple[str, str]
"""A tenant and a user, see `tenant_user`."""


class Stoppable(Protocol):
    """Something that can be told to stop."""

    def stop(self, why: ApiError) -> None:
        """Stop at the next opportunity. why: what the client is told."""
        ...


class Stop:
    """Ends what is done while it is `heeded`, once it is told to."""

    def __init__(self) -> None:
        self._scope = CancelScope()
        self._why: ApiError | None = None

    @property
    def told(self) -> bool:
        """Whether it was told to."""
        return self._why is not None

    def stop(self, why: ApiError) -> None:
        """End it, or do not let it begin. why: what the client is told."""
        self._why = self._why or why
        self._scope.cancel()

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """A context, to be entered once, which is left where this is told to stop. Raises ApiError, which says why."""
        with self._scope:
            yield
        if self._scope.cancelled_caught:
            assert self._why is not None
            raise self._why


class InFlight:
    """Requests by tenant and user; all calls are made in the server's event loop."""

    def __init__(self) -> None:
        self._requests: dict[TenantUser, set[Stoppable]] = {}
        self._holders: list[Callable[[TenantUser], None]] = []

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._requests)

    def add(self, tenant: str, user: str | None, request: Stoppable) -> None:
        """Take in a request, before it reads anything of the user's. user: None for a new one."""
        self._requests.setdefault(tenant_user(tenant, user or ""), set()).add(request)

    def remove(self, tenant: str, user: str | None, request: Stoppable) -> None:
        """Let go of a request, which may be one that was never taken in."""
        key = tenant_user(tenant, user or "")
        requests = self._requests.get(key, set())
        requests.discard(request)
        if not requests:
            self._requests.pop(key, None)

    def tell(self, holder: Callable[[TenantUser], None]) -> None:
        """Have someone who holds users' texts between requests told whose requests are stopped, so that they go too."""
        self._holders.append(holder)

    def stop(self, tenant: str, user: str, why: ApiError) -> None:
        """Stop all requests of a user."""
        for holder in self._holders:
            holder(tenant_user(tenant, user))
        for request in tuple(self._requests.get(tenant_user(tenant, user), ())):
            request.stop(why)

    def stop_all(self, why: ApiError) -> None:
        """Stop all requests of all users."""
        for requests in tuple(self._requests.values()):
            for request in tuple(requests):
                request.stop(why)


def tenant_user(tenant: str, user: str) -> TenantUser:
    """What a user is called here: the same for each form of the same letters, as the store takes them for one user."""
    return tenant, unicodedata.normalize("NFC", user)
