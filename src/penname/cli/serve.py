"""The commands of the server: it is started, and keys are given out."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from penname.cli.help import WRITE, examples
from penname.errors import ArgumentError

DATABASE = "sqlite:///penname.db"

DatabaseOption = Annotated[
    str, typer.Option("--db", help="The database: sqlite:///FILE or postgresql://USER@HOST/DATABASE.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

keys = typer.Typer(no_args_is_help=True, help="Keys of those who may ask a server.")


def serve(
    model: Annotated[str, typer.Argument(help="Folder of a run, or a model: bundled, a folder or a hub id.")],
    method: Annotated[
        list[str] | None, typer.Option(help="A method of the run; several can be served. By default the last one.")
    ] = None,
    db: DatabaseOption = DATABASE,
    user_keys: Annotated[
        Path | None,
        typer.Option(help="File of the users' keys, which open what the database has; with SQLite the one beside it."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen. Anywhere but on this machine's loopback, all requests need a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on.")] = 8000,
    rows: Annotated[int, typer.Option(min=1, help="Texts that are written at once.")] = 32,
    longest_wait: Annotated[
        float, typer.Option(min=0.1, help="Seconds until the first word above which a request is refused (429).")
    ] = 10.0,
    engine: Annotated[
        str | None,
        typer.Option(help="Address of a vLLM server of the model, ending in /v1, in place of the local engine."),
    ] = None,
) -> None:
    """Serve a trained run over an OpenAI-compatible HTTP interface, writing as each of its users."""
    from penname.serve.server import ServerSettings, serve

    serve(ServerSettings(model, tuple(method or ()), db, user_keys, host, port, rows, longest_wait, engine))


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(
        rich_help_panel=WRITE,
        epilog=examples(
            "penname serve runs/quickstart",
            "penname serve runs/quickstart --host 0.0.0.0 \\\n"
            "  --db postgresql://penname@localhost/penname --user-keys user-keys",
        ),
    )(serve)
    app.add_typer(keys, name="keys", rich_help_panel=WRITE)


@keys.command(epilog=examples("penname keys add --tenant acme --tokens-a-day 100000"))
def add(
    tenant: Annotated[str, typer.Option(help="Whose key it is: users belong to a tenant.")],
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    tokens_a_day: Annotated[int | None, typer.Option(min=0, help="Most tokens that it may take in a day.")] = None,
    proxy: Annotated[
        bool, typer.Option("--proxy", help="For a program that names the user of each request in a header.")
    ] = False,
    db: DatabaseOption = DATABASE,
) -> None:
    """Make a key and print it, and its id beside it; the key is not kept, and cannot be shown again."""
    from penname.serve.store.opening import open_keys

    with open_keys(db) as tenants:
        secret = tenants.add_key(tenant, label, tokens_a_day, proxy=proxy)
        known = tenants.key_of(secret)
    print(secret)
    if known is not None:  # apart from the key, which programs read from the output
        print(f"its id is {known.id}: penname keys revoke {known.id} --tenant {shlex.quote(tenant)}", file=sys.stderr)


@keys.command(name="list", epilog=examples("penname keys list --tenant acme"))
def list_keys(
    tenant: Annotated[str | None, typer.Option(help="Whose keys; by default everybody's.")] = None,
    db: DatabaseOption = DATABASE,
    as_json: JsonOption = False,
) -> None:
    """List keys, without their secrets."""
    from penname.serve.store.opening import open_keys

    with open_keys(db) as tenants:
        found = [key for name in ([tenant] if tenant else tenants.tenants()) for key in tenants.list_keys(name)]
    if as_json:
        print(json.dumps([vars(key) for key in found], ensure_ascii=False))
        return
    for key in found:
        limit = "no limit" if key.tokens_a_day is None else f"{key.tokens_a_day} tokens a day"
        state = f"revoked {key.revoked}" if key.revoked else limit
        print(f"{key.id}  {key.tenant}  {state}{'  proxy' if key.proxy else ''}  {key.label}".rstrip())


@keys.command(epilog=examples("penname keys revoke 1f2e3d4c --tenant acme"))
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, as keys list shows it.")],
    tenant: Annotated[str, typer.Option(help="Whose key it is.")],
    db: DatabaseOption = DATABASE,
) -> None:
    """End a key's validity at once."""
    from penname.serve.store.opening import open_keys

    with open_keys(db) as tenants:
        if not tenants.revoke_key(tenant, key):
            raise ArgumentError("key", f"found no valid key {key!r} of this tenant")
