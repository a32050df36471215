"""Who is written as, and all that is kept of a user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select, update

from penname.serve.store import tombstones
from penname.serve.store.database import selected
from penname.serve.store.part import Part, checked_id, checked_limit, checked_text, checked_user, note, now
from penname.serve.store.records import UnknownTenant, UnknownUser, User
from penname.serve.store.tables import documents, feedback, reasonings, tenants, users

_EXPORTED = {
    "documents": (documents, (documents.c.added, documents.c.place), ("added", "place")),
    "reasonings": (reasonings, (reasonings.c.model,), ()),
    "feedback": (feedback, (feedback.c.created, feedback.c.id), ()),
}
"""By kind: its table, the order of its rows, and the columns that mean nothing outside the store."""

_SHOWN = (users.c.id, users.c.created, users.c.profile_version)


class Users(Part):
    """A tenant's users."""

    def put_user(self, tenant: str, user: str) -> User:
        """Add a user, unless the tenant has one of this id; the user.

        Raises UnknownTenant.
        """
        tenant, user = checked_user(tenant, user)
        with self._database.writing(tenant) as connection:
            key = connection.scalar(select(tenants.c.tombstone_key).where(tenants.c.name == tenant))
            if key is None:
                raise UnknownTenant
            created = _after(tombstones.time_of(connection, tenant, tombstones.mark(key, user)))
            values = {"tenant": tenant, "id": user, "created": created, "profile_version": _first_version(created)}
            connection.execute(self._database.insert(users).values(values).on_conflict_do_nothing())
            return _user(connection, tenant, user)

    def user(self, tenant: str, user: str) -> User:
        """A user. Raises UnknownUser."""
        tenant, user = checked_user(tenant, user)
        with self._database.reading(tenant) as connection:
            return _user(connection, tenant, user)

    def users(self, tenant: str, after: str = "", limit: int = 100) -> list[User]:
        """A page of a tenant's users in the order of their ids: at most `limit`, those behind the id `after`."""
        tenant, after = checked_id("tenant", tenant), checked_text("after", after)
        own = (users.c.tenant == tenant, users.c.id > after)
        query = select(*_SHOWN).where(*own).order_by(users.c.id).limit(checked_limit(limit))
        with self._database.reading(tenant) as connection:
            return [User(**selected(row)) for row in connection.execute(query)]

    def export(self, tenant: str, user: str) -> dict[str, Any]:
        """All that is kept of a user: `user`, and lists of `documents`, `reasonings` and `feedback`, as JSON has them.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        with self._database.reading(tenant) as connection:
            exported: dict[str, Any] = {"user": vars(_user(connection, tenant, user))}
            for kind, (table, order, inner) in _EXPORTED.items():
                own = (table.c.tenant == tenant, table.c.user_id == user)
                hidden = {"tenant", "user_id", *inner}
                columns = [column for column in table.columns if column.name not in hidden]
                rows = connection.execute(select(*columns).where(*own).order_by(*order))
                exported[kind] = [selected(row) for row in rows]
        return exported


def version_of(connection: Connection, tenant: str, user: str, *, hold: bool = False) -> int:
    """The version of a user's profile.

    hold: whether others are kept from changing or forgetting the user until the transaction ends.

    Raises UnknownUser.
    """
    query = select(users.c.profile_version).where(users.c.tenant == tenant, users.c.id == user)
    # SQLite, with one writer at a time, has no such clause, and SQLAlchemy leaves it out.
    version = connection.scalar(query.with_for_update(key_share=True) if hold else query)
    if version is None:
        raise UnknownUser
    return int(version)


def raise_version(connection: Connection, tenant: str, user: str) -> int:
    """Give a user's profile its next version, and drop the reasonings that were written from the one before.

    Raises UnknownUser.
    """
    own = (users.c.tenant == tenant, users.c.id == user)
    raised = update(users).where(*own).values(profile_version=users.c.profile_version + 1)
    version = connection.scalar(raised.returning(users.c.profile_version))
    if version is None:
        raise UnknownUser
    written = (reasonings.c.tenant == tenant, reasonings.c.user_id == user, reasonings.c.locked.is_(False))
    connection.execute(delete(reasonings).where(*written))
    return int(version)


def delete_rows(
    connection: Connection, table: Table, tenant: str, user: str, action: str, *which: ColumnElement[bool]
) -> int:
    """Delete rows of a user's and enter that into the audit; how many there were. Raises UnknownUser.

    action: what the audit calls it.
    which: conditions of the rows.
    """
    version_of(connection, tenant, user, hold=True)
    own = (table.c.tenant == tenant, table.c.user_id == user, *which)
    deleted = connection.execute(delete(table).where(*own)).rowcount
    if deleted:
        note(connection, tenant, action, deleted)
    return deleted


def _user(connection: Connection, tenant: str, user: str) -> User:
    row = connection.execute(select(*_SHOWN).where(users.c.tenant == tenant, users.c.id == user)).one_or_none()
    if row is None:
        raise UnknownUser
    return User(**selected(row))


def _after(time: str | None) -> str:
    """This moment, or the one after `time` where the clock was set back."""
    if time is None:
        return now()
    later = datetime.fromisoformat(time) + timedelta(microseconds=1)
    return max(now(), later.isoformat(timespec="microseconds").replace("+00:00", "Z"))


def _first_version(created: str) -> int:
    """Microseconds since 1970: no version that an earlier user of the id had, whose reasoning may still be written."""
    return (datetime.fromisoformat(created) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
