"""Runs the server until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING

from penname.errors import UserError
from penname.serve.listening import bound_sockets
from penname.serve.store.opening import open_store

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from penname.serve.store.store import Store

PREPARED_PRODUCTS = 1024
"""How many shapes of matrix products oneDNN keeps prepared: prompts of all lengths come and go, and with the fewer that
penname sets otherwise many products would be prepared again and again."""

SWITCH_SECONDS = 0.0001
"""How long a thread may run Python code while another waits to: the engine's threads have to after each operation, and
with Python's own 5 ms they would stand still while requests are taken and answered."""

SECONDS_TO_WRITE = 24.0
"""How long texts that are being written may take after the server was told to stop."""

SECONDS_TO_SETTLE = 2.0
"""How long it then waits until those that were ended are settled, and how long until their clients have read it."""


@dataclass(frozen=True)
class ServerSettings:
    """How a server runs.

    model: a run's folder, or another model.
    methods: the methods of a run to be served; empty for the last one that can write.
    database: address of the database, see `open_store`.
    user_keys: see `open_store`.
    host, port: where it listens; anywhere but on this machine's loopback, all requests need a key.
    rows: the largest number of texts that are written at once.
    longest_wait: seconds until the first token above which a request is refused.
    engine: see `Methods`.
    """

    model: str
    methods: tuple[str, ...]
    database: str
    user_keys: Path | None
    host: str
    port: int
    rows: int
    longest_wait: float
    engine: str | None = None


def _alone(app: FastAPI) -> ASGIApp:
    return app


def _say_where(host: str, port: int) -> None:
    print(f"listening on {host}, port {port}: see /docs there", flush=True)


def serve(
    settings: ServerSettings,
    around: Callable[[FastAPI], ASGIApp] = _alone,
    on_listening: Callable[[str, int], None] = _say_where,
) -> None:
    """Serve until SIGTERM or SIGINT: then no new text is begun, and those that are being written are finished.

    around: makes the application that is served of the server's own.
    on_listening: told each host and port once requests are answered there.

    Raises UserError where packages are missing, nobody can listen there, the model cannot be loaded or the database
    cannot be opened.
    """
    try:
        import uvicorn  # noqa: F401

        from penname.serve.access import LOCAL_TENANT
        from penname.serve.private_folder import remove_leftovers
    except ImportError as error:
        raise UserError(f"the server needs more packages: pip install 'penname[serve]' ({error})") from error
    remove_leftovers()
    _keep_products_prepared()
    sys.setswitchinterval(SWITCH_SECONDS)
    with (
        suppress(KeyboardInterrupt),  # it was told to stop before it answered anybody
        bound_sockets(settings.host, settings.port) as sockets,
        open_store(settings.database, settings.user_keys) as store,
    ):
        if is_loopback(settings.host):
            store.put_tenant(LOCAL_TENANT)
        asyncio.run(_serve(settings, store, sockets, around, on_listening))


def _keep_products_prepared() -> None:
    """Set what oneDNN reads at its first product."""
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    os.environ[name] = str(max(PREPARED_PRODUCTS, int(os.environ.get(name, 0))))


async def _serve(
    settings: ServerSettings,
    store: Store,
    sockets: list[socket.socket],
    around: Callable[[FastAPI], ASGIApp],
    on_listening: Callable[[str, int], None],
) -> None:
    import uvicorn

    from penname.retrieval.bm25 import warm_up
    from penname.serve.app import make_app
    from penname.serve.connections import Connection
    from penname.serve.errors import stopping
    from penname.serve.in_flight import InFlight
    from penname.serve.methods import Methods
    from penname.serve.state import State

    # Before the server itself starts, which would tell an error as a traceback.
    methods = Methods(settings.model, settings.methods, settings.rows, settings.engine, print)
    # What searches large profiles may have to be compiled; a text that is asked for meanwhile does not wait for it.
    Thread(target=warm_up, daemon=True).start()
    app = make_app(
        store, lambda: methods, key_required=not is_loopback(settings.host), longest_wait=settings.longest_wait
    )

    class Server(uvicorn.Server):
        """Finishes what is being written before it stops, as far as there is time; told so twice, it stops at once."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            state: State | None = getattr(app.state, "penname", None)
            if state is None:
                super().handle_exit(sig, frame)
            elif state.admission.stopping:
                self._leaves_texts = True
            else:
                state.admission.stopping, self._leaves_texts = True, False
                texts = " once all texts are written; tell it once more to leave them" if state.in_flight else ""
                print(f"stopping{texts}", flush=True)
                self._stopping = asyncio.get_running_loop().create_task(self._stop(state.in_flight))

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            gc.collect()
            gc.freeze()  # what has been loaded stays: no later collection looks through it while all threads wait
            for listening in sockets or []:
                host, port = listening.getsockname()[:2]
                on_listening(host, port)

        async def _stop(self, in_flight: InFlight) -> None:
            await _wait(lambda: self._leaves_texts or not in_flight, SECONDS_TO_WRITE)
            in_flight.stop_all(stopping())
            await _wait(lambda: not in_flight, SECONDS_TO_SETTLE)
            self.should_exit = True
            await asyncio.sleep(SECONDS_TO_SETTLE)
            for connection in tuple(self.server_state.connections):  # of clients that do not read
                connection.transport.abort()

    config = uvicorn.Config(
        around(app),
        http=Connection,
        ws="none",
        access_log=False,  # paths have the ids of users
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    await Server(config).serve(sockets)


async def _wait(true: Callable[[], bool], seconds: float) -> None:
    """Wait until something is true, but not for longer."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while not true() and clock() < end:
        await asyncio.sleep(0.05)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
