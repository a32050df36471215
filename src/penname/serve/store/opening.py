"""Opens a store by its database's address."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from penname.errors import UserError

if TYPE_CHECKING:
    from penname.serve.store.database import Database
    from penname.serve.store.store import Store

_KINDS = "sqlite:///FILE or postgresql://USER@HOST/DATABASE"


def open_store(url: str, tombstones: Path | None = None) -> Store:
    """Open a store, whose tables are made or migrated, and delete again the users whom a restored backup brought back.

    url: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.
    tombstones: the file of tombstones, which is made where it is missing; by default the one beside SQLite's file, and
        none for PostgreSQL, where a restored backup then has its tombstones of that time alone.

    Raises UserError where a package is missing, or the database cannot be reached, is another program's or of a newer
    penname.
    """
    try:
        import alembic  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise UserError(f"the server needs SQLAlchemy and Alembic: pip install 'penname[serve]' ({error})") from error
    from penname.serve.store.migrating import migrate
    from penname.serve.store.store import Store
    from penname.serve.store.tombstones import TombstoneFile

    database = _database(url)
    with ExitStack() as at_failure:
        at_failure.callback(database.close)
        with database.failing_as(UserError), database.migrating() as connection:
            migrate(connection, database.name)
        path = tombstones or database.default_tombstones
        store = Store(database, TombstoneFile(path) if path else None)
        at_failure.callback(store.close)
        tenants = store.tenants()
        store.forget_again(tenants)
        store.free_reservations(tenants)
        store.erase()
        at_failure.pop_all()
    return store


def _database(url: str) -> Database:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError as BadAddress

    try:
        address = make_url(url)
    except (BadAddress, ValueError):
        raise UserError(f"database: found no address, expected {_KINDS}") from None
    kind = address.get_backend_name()
    if kind == "sqlite":
        from penname.serve.store.sqlite import Sqlite

        return Sqlite(address)
    if kind in ("postgresql", "postgres"):
        from penname.serve.store.postgresql import Postgresql

        return Postgresql(address)
    raise UserError(f"database: found one of kind {kind!r}, expected {_KINDS}")
