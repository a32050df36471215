"""The command that agents' programs start: penname's tools over stdio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penname.cli.help import WRITE, examples
from penname.cli.serve import DATABASE
from penname.errors import ArgumentError


def mcp(
    model: Annotated[
        str | None,
        typer.Argument(help="Folder of a run, or a model: bundled, a folder or a hub id.", show_default=False),
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Address of a penname serve that runs, whose tools are relayed.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="PENNAME_KEY", help="A key; by default users are those of this machine.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="The run's method that writes. By default the last one.")] = None,
    db: Annotated[
        str | None,
        typer.Option(help="The database: sqlite:///FILE or postgresql://USER@HOST/DATABASE.", show_default=DATABASE),
    ] = None,
    user_keys: Annotated[Path | None, typer.Option(help="File of the users' keys, as penname serve has it.")] = None,
    engine: Annotated[
        str | None,
        typer.Option(help="Address of a vLLM server of the model, ending in /v1, in place of the local engine."),
    ] = None,
) -> None:
    """Let an agent write as users, over stdio: with a run, or with a server that runs already."""
    from penname.serve.mcp.relay import relay
    from penname.serve.mcp.stdio import serve_run

    if server is None:
        if model is None:
            raise ArgumentError("server", "found none, expected a run's folder, or the address of a server")
        serve_run(model, (method,) if method else (), db or DATABASE, user_keys, engine, key)
        return
    given = {"a run": model, "--method": method, "--db": db, "--user-keys": user_keys, "--engine": engine}
    extra = [name for name, value in given.items() if value is not None]
    if extra:
        raise ArgumentError("server", f"found {' and '.join(extra)} too, expected the address alone")
    relay(server, key)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(
        rich_help_panel=WRITE,
        epilog=examples(
            "penname mcp runs/quickstart --db sqlite:////home/ada/penname.db",
            "penname mcp --server http://localhost:8000",
        ),
    )(mcp)
