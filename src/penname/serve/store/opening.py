"""Opens a store by its database's address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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

        tenants = _uses(database)
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


class _Use(NamedTuple):
    """How a tenant uses the file of keys: its fingerprint, how many slots it had at least, and those of its users."""

    fingerprint: str | None
    most: int
    slots: set[int]


def _uses(database: Database) -> dict[str, _Use]:
    """How each tenant uses the file of keys."""
    from sqlalchemy import select

    from penname.serve.store.tables import tenants, users

    with database.listing() as connection:
        rows = connection.execute(select(tenants).order_by(tenants.c.name)).all()
    found = {}
    for row in rows:
        with database.reading(row.name) as connection:
            slots = set(connection.scalars(select(users.c.slot).where(users.c.tenant == row.name)))
        found[row.name] = _Use(row.fingerprint, row.slots or 0, slots)
    return found


def _user_keys(database: Database, path: Path | None, tenants: Mapping[str, _Use]) -> UserKeys:
    """The file of keys that a database was used with; another one only where there is no user any more."""
    from penname.serve.store.user_keys import UserKeys

    if path is None:
        raise UserError(f"user_keys: found none, expected the file of the users' keys of {database.name}")
    used = {tenant: use for tenant, use in tenants.items() if use.slots}
    keys = UserKeys(path, new=not used)
    with ExitStack() as at_failure:
        at_failure.callback(keys.close)
        if any(keys.fingerprint(tenant) != use.fingerprint for tenant, use in used.items()):
            raise UserError(f"{keys.name}: found another database's, expected those that {database.name} was used with")
        ours = [use for tenant, use in tenants.items() if keys.fingerprint(tenant) == use.fingerprint]
        most = max((use.most for use in ours), default=0)
        if len(keys) < most:
            raise UserError(f"{keys.name}: found {len(keys)} keys, expected {most} or more: this is an older copy")
        _, damaged = keys.states()
        if damaged := damaged & set().union(*(use.slots for use in used.values())):
            raise UserError(f"{keys.name}: found {len(damaged)} damaged keys, the first at slot {min(damaged)}")
        at_failure.pop_all()
    return keys


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
