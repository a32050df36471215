"""The tools over stdio: those of a run, in this process, or those of a server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from functools import partial
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Any

from penname.errors import ArgumentError, UserError
from penname.serve.store.opening import open_store

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server

    from penname.serve.access import Caller
    from penname.serve.mcp.tools import Agent
    from penname.serve.methods import Methods
    from penname.serve.state import State
    from penname.serve.store.store import Store

ROWS = 4
LONGEST_WAIT = 60.0
"""Seconds until a text's first token, above which a call is refused; programs give up after a minute themselves."""


def serve_run(
    model: str, methods: tuple[str, ...], database: str, user_keys: Path | None, engine: str | None, key: str | None
) -> None:
    """Answer an agent over stdin and stdout until stdin ends.

    model: a run's folder, or another model.
    methods: the methods of a run, of which the last one writes; empty for the last one that can write.
    database: address of the database, see `open_store`.
    user_keys: see `open_store`.
    engine: see `Methods`.
    key: whose users these are; None for those of this machine's own tenant.

    Raises UserError where packages are missing, the model cannot be loaded, the database cannot be opened or the key is
    not valid.
    """
    check_packages()
    from penname.serve.access import LOCAL_TENANT

    with open_store(database, user_keys) as store:
        if key is None:
            store.put_tenant(LOCAL_TENANT)
        _caller(store, key)
        asyncio.run(_serve(store, key, partial(_load, model, methods, engine)))


def check_packages() -> None:
    """Raise UserError where the extra is not installed."""
    try:
        import mcp  # noqa: F401
        import starlette  # noqa: F401
    except ImportError as error:
        raise UserError(f"agents need more packages: pip install 'penname[serve]' ({error})") from error


async def serve_over_stdio(server: Server[Any]) -> None:
    """Answer over stdin and stdout until stdin ends or the process is told to stop.

    Whatever else is printed meanwhile goes to stderr.
    """
    import anyio
    from mcp.server.stdio import stdio_server

    async with stdio_server(anyio.wrap_file(_stdin())) as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _stdin() -> IO[str]:
    """What comes over stdin, which ends at a signal too: nothing ends a thread that reads stdin itself."""
    inner, outer = socket.socketpair()
    Thread(target=_copy_stdin, args=(outer,), name="penname-stdin", daemon=True).start()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, outer.shutdown, socket.SHUT_WR)
    return inner.makefile("r", encoding="utf-8", errors="replace")


def _copy_stdin(outer: socket.socket) -> None:
    with suppress(OSError):  # told to stop
        while part := os.read(0, 2**16):
            outer.sendall(part)
    with suppress(OSError):
        outer.shutdown(socket.SHUT_WR)


def _caller(store: Store, key: str | None) -> Caller:
    """Whose users they are. Raises ArgumentError for a key that is not valid, or not any more."""
    from penname.serve.access import LOCAL_TENANT, Caller

    if key is None:
        return Caller(LOCAL_TENANT, None)
    known = store.key_of(key)
    if known is None:
        raise ArgumentError("key", "found a key that is not valid")
    return Caller(known.tenant, known)


def _load(model: str, methods: tuple[str, ...], engine: str | None) -> Methods:
    from penname.serve.methods import Methods

    with redirect_stdout(sys.stderr):  # libraries that load models may print
        return Methods(model, methods, ROWS, engine, print)


async def _serve(store: Store, key: str | None, load_methods: Callable[[], Methods]) -> None:
    from penname.serve.mcp.server import make_server

    methods = load_methods()
    try:
        await serve_over_stdio(make_server(_state(store, methods), partial(_agent, store, key)))
    finally:
        await methods.close()


def _agent(store: Store, key: str | None, context: object) -> Agent:
    """Who calls a tool; each time anew, as a key may have been revoked."""
    from starlette.datastructures import Headers

    from penname.serve.mcp.tools import Agent

    return Agent(_caller(store, key), Headers())


def _state(store: Store, methods: Methods) -> State:
    from penname.serve.access import Access
    from penname.serve.admission import Admission
    from penname.serve.metrics import Metrics
    from penname.serve.state import State

    metrics = Metrics()
    access, admission = Access(store, required=False), Admission(LONGEST_WAIT, metrics)
    return State(store, methods, access, admission, metrics)
