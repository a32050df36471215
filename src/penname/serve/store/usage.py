"""What keys spend: reserved before a request is answered, settled after it."""

from __future__ import annotations

from sqlalchemy import select, update

from penname.serve.store.part import Part
from penname.serve.store.records import Key, Usage
from penname.serve.store.tables import usage

_NO_LIMIT = 2**62


class Usages(Part):
    """Tokens by key and day."""

    def reserve(self, key: Key, day: str, tokens: int) -> bool:
        """Reserve tokens of a key's day, unless these would be more than it may spend; whether they are reserved.

        key: a key that `key_of` gave.
        day: in ISO 8601.
        tokens: most tokens that the request can take.
        """
        most = _NO_LIMIT if key.tokens_a_day is None else key.tokens_a_day
        if tokens > most:
            return False
        # One statement: what is compared cannot change before it is added to.
        new = self._database.insert(usage).values(tenant=key.tenant, key_id=key.id, day=day, reserved=tokens, used=0)
        reserve = new.on_conflict_do_update(
            index_elements=[usage.c.tenant, usage.c.key_id, usage.c.day],
            set_={"reserved": usage.c.reserved + tokens},
            where=usage.c.reserved + usage.c.used + tokens <= most,
        ).returning(usage.c.reserved)
        with self._database.writing(key.tenant) as connection:
            return connection.execute(reserve).one_or_none() is not None

    def settle(self, key: Key, day: str, reserved: int, used: int) -> None:
        """Put the tokens that a request took in the place of those that were reserved for it.

        key, day, reserved: as they were reserved.
        used: tokens that the request took, however it ended.
        """
        own = (usage.c.tenant == key.tenant, usage.c.key_id == key.id, usage.c.day == day)
        values = {"reserved": usage.c.reserved - reserved, "used": usage.c.used + used}
        with self._database.writing(key.tenant) as connection:
            connection.execute(update(usage).where(*own).values(values))

    def usage(self, key: Key, day: str) -> Usage:
        """What a key has spent of a day's tokens."""
        own = (usage.c.tenant == key.tenant, usage.c.key_id == key.id, usage.c.day == day)
        with self._database.reading(key.tenant) as connection:
            row = connection.execute(select(usage.c.reserved, usage.c.used).where(*own)).one_or_none()
        return Usage(*row) if row else Usage()
