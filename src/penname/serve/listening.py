"""Where the server listens: known to be free before a model is loaded, and not open before it is."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from penname.errors import ArgumentError

_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
"""Errors of an address that another one of the same name makes up for, as where there is no IPv6."""


@contextmanager
def bound_sockets(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets at each address of a host, where nobody else can listen any more; they do not listen yet.

    Raises ArgumentError for a host that is not this machine's, and for a port that is taken or may not be used.
    """
    addresses = _addresses(host, port)
    with ExitStack() as opened:
        bound: list[socket.socket] = []
        for family, address in addresses:
            try:
                # Where the protocol is named, answers wait for no acknowledgement: asyncio sees to it. Else for 40 ms.
                one = opened.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
                _bind(one, address)
                bound.append(one)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise _refusal(host, port, error) from None
        if not bound:
            raise ArgumentError("host", f"found {host!r}, expected a name or an address of this machine")
        yield bound


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        problem = f"found {host!r} ({getattr(error, 'strerror', None) or 'no such name'})"
        raise ArgumentError("host", f"{problem}, expected a name or an address of this machine") from None
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bind(one: socket.socket, address: Any) -> None:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of a server that has ended hold no port
    if one.family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind(address)


def _refusal(host: str, port: int, error: OSError) -> ArgumentError:
    if error.errno == errno.EADDRINUSE:
        return ArgumentError("port", f"found {port}, where another program listens, expected a free one")
    if error.errno == errno.EACCES:
        return ArgumentError("port", f"found {port}, where this user may not listen, expected 1024 or more")
    return ArgumentError("host", f"found {host!r}, where nobody can listen ({error.strerror})")
