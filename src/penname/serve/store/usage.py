"""What keys spend: reserved before a request is answered, settled after it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, select, update

from penname.errors import ArgumentError
from penname.serve.store.part import Part
from penname.serve.store.records import Key, Usage
from penname.serve.store.tables import leases, usage

_NO_LIMIT = 2**62


class Usages(Part):
    """Tokens by key and day.

    A process that is killed leaves its reservations behind: each process's part of them is kept beside their sum, and
    freed when a store is opened after its end. All changes take the row of the sum first, so that none waits for
    another that waits for it.
    """

    def reserve(self, key: Key, day: str, tokens: int) -> bool:
        """Reserve tokens of a key's day, unless these would be more than it may spend; whether they are reserved.

        key: a key that `key_of` gave.
        day: in ISO 8601.
        tokens: most tokens that the request can take.
        """
        if tokens < 0:
            raise ArgumentError("tokens", f"found {tokens}, expected 0 or more")
        most = _NO_LIMIT if key.tokens_a_day is None else key.tokens_a_day
        if tokens > most:
            return False
        row = {"tenant": key.tenant, "key_id": key.id, "day": day}
        # One statement: what is compared with the limit cannot change before it is added to.
        add = self._database.insert(usage).values(**row, reserved=tokens, used=0)
        add = add.on_conflict_do_update(
            index_elements=[usage.c.tenant, usage.c.key_id, usage.c.day],
            set_={"reserved": usage.c.reserved + tokens},
            where=usage.c.reserved + usage.c.used + tokens <= most,
        )
        lease = self._database.insert(leases).values(**row, process=self._database.process(), reserved=tokens)
        lease = lease.on_conflict_do_update(
            index_elements=[leases.c.tenant, leases.c.key_id, leases.c.day, leases.c.process],
            set_={"reserved": leases.c.reserved + tokens},
        )
        with self._database.writing(key.tenant) as connection:
            reserved = connection.execute(add.returning(usage.c.reserved)).one_or_none() is not None
            if reserved:
                connection.execute(lease)
        return reserved

    def settle(self, key: Key, day: str, reserved: int, used: int) -> None:
        """Put the tokens that a request took in the place of those that were reserved for it.

        key, day, reserved: as they were reserved.
        used: tokens that the request took, however it ended.
        """
        own = _of(key.tenant, key.id, day)
        # Not more than is still there: another process may have taken this one for dead.
        lease = (*_lease_of(key.tenant, key.id, day, self._database.process()), leases.c.reserved >= reserved)
        lower = update(leases).where(*lease).values(reserved=leases.c.reserved - reserved)
        with self._database.writing(key.tenant) as connection:
            connection.execute(update(usage).where(*own).values(used=usage.c.used + used))
            if connection.execute(lower).rowcount:
                connection.execute(update(usage).where(*own).values(reserved=usage.c.reserved - reserved))

    def usage(self, key: Key, day: str) -> Usage:
        """What a key has spent of a day's tokens."""
        with self._database.reading(key.tenant) as connection:
            query = select(usage.c.reserved, usage.c.used).where(*_of(key.tenant, key.id, day))
            row = connection.execute(query).one_or_none()
        return Usage(*row) if row else Usage()

    def free_reservations(self, tenants: Sequence[str]) -> int:
        """Free what processes that have ended left reserved of these tenants' tokens; how many tokens these are."""
        return sum(self._free(tenant) for tenant in tenants)

    def _free(self, tenant: str) -> int:
        query = select(leases.c.key_id, leases.c.day, leases.c.process).where(leases.c.tenant == tenant)
        with self._database.reading(tenant) as connection:
            found = connection.execute(query).all()
        running = {process: self._database.is_running(process) for process in {row.process for row in found}}
        ended = [row for row in found if not running[row.process]]
        freed = 0
        for row in ended:
            with self._database.writing(tenant) as connection:
                freed += _end_lease(connection, tenant, row.key_id, row.day, row.process)
        return freed


def _end_lease(connection: Connection, tenant: str, key_id: str, day: str, process: str) -> int:
    own = _of(tenant, key_id, day)
    connection.execute(select(usage.c.reserved).where(*own).with_for_update())
    ended = delete(leases).where(*_lease_of(tenant, key_id, day, process)).returning(leases.c.reserved)
    reserved = connection.scalar(ended) or 0  # none where another process has just done this
    connection.execute(update(usage).where(*own).values(reserved=usage.c.reserved - reserved))
    return int(reserved)


def _of(tenant: str, key_id: str, day: str) -> tuple[ColumnElement[bool], ...]:
    return usage.c.tenant == tenant, usage.c.key_id == key_id, usage.c.day == day


def _lease_of(tenant: str, key_id: str, day: str, process: str) -> tuple[ColumnElement[bool], ...]:
    own = (leases.c.tenant == tenant, leases.c.key_id == key_id, leases.c.day == day)
    return (*own, leases.c.process == process)
