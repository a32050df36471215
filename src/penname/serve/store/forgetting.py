"""Forgetting a user: deleted, overwritten, and deleted again where a backup brings the user back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, select

from penname.serve.store.database import Database
from penname.serve.store.erasing import Eraser
from penname.serve.store.part import Part, checked_user, note, now
from penname.serve.store.tables import tenants, tombstones, users
from penname.serve.store.tombstones import TombstoneFile, mark

_SECONDS_TO_ERASE = 1.0


class Forgetting(Part):
    """Forgets users.

    tombstone_file: where tombstones are kept beside the database; None for in the database alone.
    """

    def __init__(self, database: Database, eraser: Eraser, tombstone_file: TombstoneFile | None) -> None:
        super().__init__(database, eraser)
        self._file = tombstone_file

    def forget(self, tenant: str, user: str) -> bool:
        """Delete all that is kept of a user, and leave a tombstone; whether the tenant had the user.

        SQLite: the words are in none of its files when this returns, unless another program still reads an older state
        of the file; then it waits up to a second, and goes on trying after it has returned.

        PostgreSQL: no query finds the words any more. Its files have some of them until it uses their room again: the
        pages of tables and indexes, which VACUUM frees and mostly overwrites (VACUUM FULL writes them anew), and all of
        them the segments of its WAL until they are recycled, and whatever archive or replica those were sent to.
        """
        tenant, user = checked_user(tenant, user)
        with self._database.writing(tenant) as connection:
            forgotten = self._delete(connection, tenant, user, now())
        if forgotten:
            self.erase()
        return forgotten

    def erase(self) -> bool:
        """Overwrite what was deleted, as far as `forget` says; whether that is done within a second."""
        return self._eraser.wait(self._eraser.ask(), _SECONDS_TO_ERASE)

    def forget_again(self, tenants: Sequence[str]) -> int:
        """Delete the users of these tenants whom a restored backup brought back; how many these were."""
        in_file = self._file.read() if self._file else {}
        return sum(self._forget_returned(tenant, in_file) for tenant in tenants)

    def _forget_returned(self, tenant: str, in_file: Mapping[str, str]) -> int:
        with self._database.reading(tenant) as connection:
            in_database = _tombstones(connection, tenant)
            missing = {known: time for known, time in in_database.items() if in_file.get(known, "") < time}
            times = {**in_file, **missing}
            returned = _returned(connection, tenant, times) if times else {}
        if self._file:
            for known, time in missing.items():
                self._file.append(known, time)
        if returned:
            with self._database.writing(tenant) as connection:
                for user, time in returned.items():
                    self._delete(connection, tenant, user, time)
        return len(returned)

    def _delete(self, connection: Connection, tenant: str, user: str, time: str) -> bool:
        own = (users.c.tenant == tenant, users.c.id == user)
        # Whatever request is about to change the user ends first, and those behind find no user.
        created = connection.scalar(select(users.c.created).where(*own).with_for_update())
        if created is None:
            return False
        key = connection.scalars(select(tenants.c.tombstone_key).where(tenants.c.name == tenant)).one()
        known, time = mark(key, user), max(time, created)
        connection.execute(delete(users).where(*own))
        new = self._database.insert(tombstones).values(tenant=tenant, mark=known, time=time)
        put = new.on_conflict_do_update(
            index_elements=[tombstones.c.tenant, tombstones.c.mark], set_={"time": new.excluded.time}
        )
        connection.execute(put)
        note(connection, tenant, "users forgotten")
        # Before the transaction ends: one that fails then is made up for when the store is next opened.
        if self._file:
            self._file.append(known, time)
        return True


def _tombstones(connection: Connection, tenant: str) -> dict[str, str]:
    rows = connection.execute(select(tombstones.c.mark, tombstones.c.time).where(tombstones.c.tenant == tenant))
    return {row.mark: row.time for row in rows}


def _returned(connection: Connection, tenant: str, times: dict[str, str]) -> dict[str, str]:
    """The users who were created before they were forgotten, each with when that was."""
    key = connection.scalars(select(tenants.c.tombstone_key).where(tenants.c.name == tenant)).one()
    rows = connection.execute(select(users.c.id, users.c.created).where(users.c.tenant == tenant)).yield_per(10_000)
    return {row.id: time for row in rows if (time := times.get(mark(key, row.id))) and row.created <= time}
