"""Opens a store by its database's address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from penname.errors import UserError

if TYPE_CHECKING:
    from penname.serve.store.database import Database
    from penname.serve.store.keys import Keys
    from penname.serve.store.store import Store
    from penname.serve.store.user_keys import UserKeys

_KINDS = "sqlite:///FILE or postgresql://USER@HOST/DATABASE"


def open_store(url: str, user_keys: Path | None = None) -> Store:
    """Open a store, whose tables are made or migrated, and delete again the users whom a restored backup brought back.

    url: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.
    user_keys: the file of users' keys, which is made for a database that has no users; by default the one beside
        SQLite's file.

    Raises UserError where a package is missing, where the database cannot be reached, is another program's or of a
    newer penname, and where the file of keys is missing or not the one that the database was used with.
    """
    database = _migrated(url)
    with ExitStack() as at_failure:
        at_failure.callback(database.close)
        from penname.serve.store.store import Store

        tenants = _fingerprints(database)
        keys = _user_keys(database, user_keys or database.default_user_keys, tenants)
        store = Store(database, keys)
        at_failure.pop_all()
        at_failure.callback(store.close)
        store.forget_again(list(tenants))
        store.free_reservations(list(tenants))
        at_failure.pop_all()
    return store


@contextmanager
def open_keys(url: str) -> Iterator[Keys]:
    """The tenants and their keys alone, for which no file of users' keys is needed. url: see `open_store`."""
    database = _migrated(url)
    from penname.serve.store.keys import Keys

    try:
        yield Keys(database)
    finally:
        database.close()


def _migrated(url: str) -> Database:
    try:
        import alembic  # noqa: F401
        import cryptography  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the server needs SQLAlchemy, Alembic and cryptography: pip install 'penname[serve]' ({error})"
        ) from error
    from penname.serve.store.migrating import migrate

    database = _database(url)
    with ExitStack() as at_failure:
        at_failure.callback(database.close)
        with database.failing_as(UserError), database.migrating() as connection:
            migrate(connection, database.name)
        at_failure.pop_all()
    return database


def _fingerprints(database: Database) -> dict[str, str | None]:
    """Each tenant with the fingerprint of the file that has its users' keys."""
    from sqlalchemy import select

    from penname.serve.store.tables import tenants

    with database.listing() as connection:
        rows = connection.execute(select(tenants.c.name, tenants.c.fingerprint).order_by(tenants.c.name))
        return {row.name: row.fingerprint for row in rows}


def _user_keys(database: Database, path: Path | None, tenants: Mapping[str, str | None]) -> UserKeys:
    """The file of keys that a database was used with. tenants: see `_fingerprints`."""
    from penname.serve.store.user_keys import UserKeys

    if path is None:
        raise UserError(f"user_keys: found none, expected the file of the users' keys of {database.name}")
    used = {tenant: fingerprint for tenant, fingerprint in tenants.items() if fingerprint}
    keys = UserKeys(path, new=not used)
    with ExitStack() as at_failure:
        at_failure.callback(keys.close)
        if any(keys.fingerprint(tenant) != fingerprint for tenant, fingerprint in used.items()):
            raise UserError(f"{keys.name}: found another database's, expected those that {database.name} was used with")
        slots = max((_highest_slot(database, tenant) for tenant in used), default=-1) + 1
        if len(keys) < slots:
            raise UserError(
                f"{keys.name}: found {len(keys)} keys, expected {slots} or more: an older copy has none of newer users"
            )
        at_failure.pop_all()
    return keys


def _highest_slot(database: Database, tenant: str) -> int:
    from sqlalchemy import func, select

    from penname.serve.store.tables import users

    with database.reading(tenant) as connection:
        highest = connection.scalar(select(func.max(users.c.slot)).where(users.c.tenant == tenant))
    return -1 if highest is None else int(highest)


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
