"""Starts the studio: the server on this machine alone, with the pages beside it."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from penname.errors import UserError
from penname.serve.server import ServerSettings, serve

HOST, ROWS, LONGEST_WAIT = "127.0.0.1", 8, 60.0
"""One person asks: few texts at once, and no refusal for a wait that this person sees."""


@dataclass(frozen=True)
class StudioSettings:
    """How the studio runs.

    model: a run's folder, or another model.
    runs: the folder of runs.
    database, user_keys: see `open_store`.
    port: where it listens.
    browser: whether the pages are opened in a browser.
    """

    model: str
    runs: Path
    database: str
    user_keys: Path | None
    port: int
    browser: bool


def start(settings: StudioSettings) -> None:
    """Serve the pages until SIGTERM or SIGINT.

    Raises UserError for the same reasons as `serve`, and where the folder of runs cannot be written.
    """
    try:
        from penname.studio.app import with_studio
        from penname.studio.session import Session
    except ImportError as error:
        raise UserError(f"the studio needs more packages: pip install 'penname[studio]' ({error})") from error
    try:
        session = Session(settings.runs)
    except OSError as error:
        raise UserError(f"{settings.runs}: found a folder that cannot be written ({error.strerror})") from error

    def say_where(host: str, port: int) -> None:
        address = f"http://{host}:{port}/studio?token={session.token}"
        print(f"the studio is open to whoever has this address: {address}", flush=True)
        if settings.browser:
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    print("loading the model, which takes up to a minute", flush=True)
    server = ServerSettings(
        settings.model, (), settings.database, settings.user_keys, HOST, settings.port, ROWS, LONGEST_WAIT
    )
    serve(server, lambda app: with_studio(app, settings.runs, session), say_where)
