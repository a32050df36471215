"""Who is written as."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, or_, select, update

from penname.serve.store.part import (
    KnownUser,
    UserPart,
    checked_id,
    checked_limit,
    checked_text,
    checked_user,
    note,
    now,
)
from penname.serve.store.records import StoreError, UnknownTenant, UnknownUser, User
from penname.serve.store.tables import reasonings, tenants, users

logger = logging.getLogger(__name__)

_SHOWN = (users.c.mark, users.c.slot, users.c.sealed_id, users.c.created, users.c.profile_version)
_BITS_OF_VERSION = 52
"""Of the first version of a profile: so that JSON's numbers, which programs read as floats, hold it exactly."""


class Users(UserPart):
    """A tenant's users."""

    def put_user(self, tenant: str, user: str) -> User:
        """Add a user, unless the tenant has one of this id; the user.

        Raises UnknownTenant.
        """
        tenant, user = checked_user(tenant, user)
        with self._database.writing(tenant) as connection:
            self._put(connection, tenant, user)
            return self._user(connection, tenant, user)

    def user(self, tenant: str, user: str) -> User:
        """A user. Raises UnknownUser."""
        tenant, user = checked_user(tenant, user)
        with self._database.reading(tenant) as connection:
            return self._user(connection, tenant, user)

    def has_user(self, tenant: str, user: str) -> bool:
        """Whether a tenant has a user of this id."""
        try:
            self.user(tenant, user)
        except UnknownUser:
            return False
        return True

    @contextmanager
    def while_known(self, tenant: str, user: str) -> Iterator[None]:
        """A context in which what is kept of a user is read; it takes long with large profiles.

        Raises UnknownUser, also at its end, where the user was forgotten meanwhile: what was read is not to be told.
        """
        tenant, user = checked_user(tenant, user)
        with self._database.reading(tenant) as connection:
            slot = self._known(connection, tenant, user).slot
        yield
        if self.is_forgotten(slot):
            raise UnknownUser

    def is_forgotten(self, slot: int) -> bool:
        """Whether a user was forgotten, by whatever process; no query, as it is asked often. slot: see `Profile`."""
        return self._user_keys.is_forgotten(slot)

    def users(self, tenant: str, after: str = "", limit: int = 100) -> list[User]:
        """A page of a tenant's users in the order of their ids: at most `limit`, those behind the id `after`.

        All of the tenant's ids are unsealed for it, as the database cannot put them in order.
        """
        tenant, after, limit = checked_id("tenant", tenant), checked_text("after", after), checked_limit(limit)
        behind = (user for user in self._all(tenant) if user.id > after)
        return sorted(behind, key=lambda user: user.id)[:limit]

    def user_ids(self, tenant: str) -> Iterator[str]:
        """The ids of all of a tenant's users, in order."""
        yield from sorted(user.id for user in self._all(checked_id("tenant", tenant)))

    def _all(self, tenant: str) -> Iterator[User]:
        """All of a tenant's users, in any order."""
        with self._database.reading(tenant) as connection:
            rows = connection.execute(select(*_SHOWN).where(users.c.tenant == tenant)).all()
        return self._readable(rows)

    def _readable(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[User]:
        """The users of rows, but for those whose row or key is damaged, which the log tells."""
        for row in rows:
            try:
                user = self._unsealed(row)
            except StoreError as error:
                logger.error("%s (slot %d)", error, row.slot)
                continue
            if user is not None:
                yield user

    def _put(self, connection: Connection, tenant: str, user: str) -> int | None:
        """Add a user, unless there is one of this id; nobody forgets the user until the transaction ends.

        The result is where a new user's key is.
        """
        if connection.scalar(select(tenants.c.name).where(tenants.c.name == tenant)) is None:
            raise UnknownTenant
        row = self._row(connection, tenant, user, hold=True)
        if row and self._user_keys.key(row.slot) is None:  # what was to delete the row as well has failed
            connection.execute(delete(users).where(users.c.tenant == tenant, users.c.slot == row.slot))
            row = None
        return self._add(connection, tenant, user) if row is None else None

    def _add(self, connection: Connection, tenant: str, user: str) -> int:
        mark, slot = self._user_keys.mark(tenant, user), self._user_keys.add()
        key = self._user_keys.key(slot)
        assert key is not None
        row = {
            "tenant": tenant,
            "mark": mark,
            "slot": slot,
            "created": now(),
            # No version that an earlier user of the id had, whose reasoning may still be written.
            "profile_version": secrets.randbits(_BITS_OF_VERSION),
            "sealed_id": key.seal("users", mark, user),
        }
        new = self._database.insert(users).values(row)
        # One whom another process has added meanwhile stays so, and is held.
        put = new.on_conflict_do_update(
            index_elements=[users.c.tenant, users.c.mark], set_={"created": users.c.created}
        )
        connection.execute(put)
        # So that neither another file nor an older copy is taken for this one.
        known = {"fingerprint": self._user_keys.fingerprint(tenant), "slots": slot + 1}
        older = or_(tenants.c.fingerprint.is_distinct_from(known["fingerprint"]), tenants.c.slots <= slot)
        connection.execute(update(tenants).where(tenants.c.name == tenant, older).values(known))
        return slot

    def _user(self, connection: Connection, tenant: str, user: str) -> User:
        row = self._row(connection, tenant, user)
        found = self._unsealed(row) if row else None
        if found is None:
            raise UnknownUser
        return found

    def _row(
        self, connection: Connection, tenant: str, user: str, *, hold: bool = False
    ) -> Row[*tuple[Any, ...]] | None:
        """A user's row. hold: see `_known`."""
        mark = self._user_keys.mark(tenant, user)
        query = select(*_SHOWN).where(users.c.tenant == tenant, users.c.mark == mark)
        return connection.execute(query.with_for_update(key_share=True) if hold else query).one_or_none()

    def _unsealed(self, row: Row[*tuple[Any, ...]]) -> User | None:
        """The user of a row; None where the key is gone already and the row is about to go."""
        key = self._user_keys.key(row.slot)
        return User(key.unseal("users", row.mark, row.sealed_id), row.created, row.profile_version) if key else None


def raise_version(connection: Connection, tenant: str, known: KnownUser) -> int:
    """Give a user's profile its next version, and drop the reasonings that were written from the one before.

    Raises UnknownUser.
    """
    own = (users.c.tenant == tenant, users.c.mark == known.mark)
    raised = update(users).where(*own).values(profile_version=users.c.profile_version + 1)
    version = connection.scalar(raised.returning(users.c.profile_version))
    if version is None:
        raise UnknownUser
    written = (reasonings.c.tenant == tenant, reasonings.c.user_mark == known.mark, reasonings.c.locked.is_(False))
    connection.execute(delete(reasonings).where(*written))
    return int(version)


def delete_rows(
    connection: Connection, table: Table, tenant: str, known: KnownUser, action: str, *which: ColumnElement[bool]
) -> int:
    """Delete rows of a user's and enter that into the audit; how many there were.

    action: what the audit calls it.
    which: conditions of the rows.
    """
    own = (table.c.tenant == tenant, table.c.user_mark == known.mark, *which)
    deleted = connection.execute(delete(table).where(*own)).rowcount
    if deleted:
        note(connection, tenant, action, deleted)
    return deleted
