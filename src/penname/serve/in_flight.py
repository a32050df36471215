"""The requests that are being answered, so that nobody goes on writing as a user who is forgotten."""

from __future__ import annotations

import unicodedata
from typing import Protocol

TenantUser = tuple[str, str]
"""A tenant and a user, see `tenant_user`."""


class Stoppable(Protocol):
    """Something that can be told to stop."""

    def stop(self) -> None:
        """Stop at the next opportunity."""
        ...


class InFlight:
    """Requests by tenant and user; all calls are made in the server's event loop."""

    def __init__(self) -> None:
        self._requests: dict[TenantUser, set[Stoppable]] = {}

    def add(self, tenant: str, user: str, request: Stoppable) -> None:
        """Take in a request, before it reads anything of the user's."""
        self._requests.setdefault(tenant_user(tenant, user), set()).add(request)

    def remove(self, tenant: str, user: str, request: Stoppable) -> None:
        """Let go of a request, which may be one that was never taken in."""
        key = tenant_user(tenant, user)
        requests = self._requests.get(key, set())
        requests.discard(request)
        if not requests:
            self._requests.pop(key, None)

    def stop(self, tenant: str, user: str) -> None:
        """Stop all requests of a user, who has been forgotten."""
        for request in tuple(self._requests.get(tenant_user(tenant, user), ())):
            request.stop()


def tenant_user(tenant: str, user: str) -> TenantUser:
    """What a user is called here: the same for each form of the same letters, as the store takes them for one user."""
    return tenant, unicodedata.normalize("NFC", user)
