"""Who asks: the tenant of a request, by its key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from penname.serve.errors import ApiError
from penname.serve.store.keys import KEY_PREFIX
from penname.serve.store.records import Key
from penname.serve.store.store import Store

LOCAL_TENANT = "local"
"""Whose users those are that are asked for without a key."""

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_PORT = re.compile(r":\d{1,5}$")
_IPV4_LOOPBACK = re.compile(r"127(\.\d{1,3}){3}")

OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers that tell that a request was passed on."""

_MEANT_AS_KEY = re.compile(rf"\b{re.escape(KEY_PREFIX)}")


@dataclass(frozen=True)
class Caller:
    """Who asks. key: None for someone on this machine who needs none."""

    tenant: str
    key: Key | None


class Access:
    """Finds out who asks.

    store: has the keys.
    required: whether nobody may ask without a key; otherwise only this machine can reach the server.
    """

    def __init__(self, store: Store, *, required: bool) -> None:
        self._store = store
        self._required = required

    async def caller(self, request: HTTPConnection) -> Caller:
        """Who sends a request. Raises ApiError (401) for a missing or invalid key."""
        given = request.headers.get("authorization", "").strip()
        kind, _, secret = given.partition(" ")
        secret = secret.strip()
        is_bearer = kind.lower() == "bearer"
        if is_bearer and (self._required or _MEANT_AS_KEY.search(secret)):
            key = await run_sync(self._store.key_of, secret)
            if key is None:
                raise ApiError(401, "found a key that is not valid", "invalid_api_key")
            return Caller(key.tenant, key)
        if given and not is_bearer:
            problem = "found another kind of authorization, expected the header Authorization: Bearer pn-..."
            raise ApiError(401, problem, "invalid_api_key")
        if self._required:
            raise ApiError(401, "found no key, expected the header Authorization: Bearer pn-...", "missing_api_key")
        # Clients that cannot do without a key send any text.
        _check_asked_from_here(request.headers)
        return Caller(LOCAL_TENANT, None)


def _check_asked_from_here(headers: Headers) -> None:
    """Refuse what only seems to come from this machine's programs. Raises ApiError (403).

    Pages of others may have their own name lead here (DNS rebinding), and may send forms; a proxy passes on what others
    ask.
    """
    hosts = ", ".join(LOOPBACK)
    if not names_this_machine(headers.get("host", "")):
        raise ApiError(403, f"without a key, expected one of the hosts {hosts}", "host_not_allowed")
    origin = headers.get("origin")
    if origin is not None and not names_this_machine(origin.partition("://")[2]):
        raise ApiError(403, f"without a key, expected an origin on one of the hosts {hosts}", "origin_not_allowed")
    if any(name in headers for name in OF_PROXIES):
        raise ApiError(403, "found a request that a proxy passed on, expected a key", "key_required")


def names_this_machine(host: str) -> bool:
    """Whether a host is this machine, by a name or an address of it alone. host: with or without a port."""
    name = _PORT.sub("", host)
    return name.lower() in LOOPBACK or bool(_IPV4_LOOPBACK.fullmatch(name))
