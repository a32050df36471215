"""The command that opens the studio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penname.cli.help import START, examples
from penname.cli.serve import DATABASE, DatabaseOption


def studio(
    model: Annotated[
        str, typer.Argument(help="Folder of a run, or a model, that writes until another one is chosen.")
    ] = "bundled",
    runs: Annotated[Path, typer.Option(help="Folder of the runs that are shown, and of those that are begun.")] = Path(
        "runs"
    ),
    db: DatabaseOption = DATABASE,
    user_keys: Annotated[
        Path | None,
        typer.Option(help="File of the users' keys, which open what the database has; with SQLite the one beside it."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on, on this machine alone.")] = 8000,
    browser: Annotated[bool, typer.Option(help="Open the pages in a browser.")] = True,
) -> None:
    """Open the studio: pages in a browser, to bring texts, write, train, judge and compare without a terminal."""
    from penname.studio.start import StudioSettings, start

    start(StudioSettings(model, runs, db, user_keys, port, browser))


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(
        rich_help_panel=START,
        epilog=examples("penname studio", "penname studio runs/quickstart --port 8080 --no-browser"),
    )(studio)
