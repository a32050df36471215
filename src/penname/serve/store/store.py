"""The store: what its parts do, under one name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from sqlalchemy import select

from penname.serve.store.database import Database, selected
from penname.serve.store.documents import Documents
from penname.serve.store.erasing import Eraser
from penname.serve.store.exporting import Exports
from penname.serve.store.feedback import Feedbacks
from penname.serve.store.forgetting import Forgetting
from penname.serve.store.keys import Keys
from penname.serve.store.part import checked_id, checked_limit
from penname.serve.store.reasonings import Reasonings
from penname.serve.store.records import AuditEntry
from penname.serve.store.tables import audit
from penname.serve.store.usage import Usages
from penname.serve.store.user_keys import UserKeys


class Store(Keys, Usages, Exports, Documents, Reasonings, Feedbacks, Forgetting):
    """A database that is open, which many threads may use at once; each call is a transaction of its own.

    Names of tenants and users that a call is given are checked: all calls raise ArgumentError for one that cannot be.
    Where the database fails they raise StoreError, whose message has no text of a user's.

    database: one whose tables are of the newest revision.
    user_keys: the file that the database is used with.
    """

    def __init__(self, database: Database, user_keys: UserKeys) -> None:
        super().__init__(database, Eraser(database.erase), user_keys)

    def audit(self, tenant: str, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        """A page of what was done to a tenant's data: at most `limit` entries, those behind the number `after`."""
        tenant = checked_id("tenant", tenant)
        columns = (audit.c.number, audit.c.time, audit.c.action, audit.c.count)
        own = (audit.c.tenant == tenant, audit.c.number > after)
        with self._database.reading(tenant) as connection:
            rows = connection.execute(select(*columns).where(*own).order_by(audit.c.number).limit(checked_limit(limit)))
            return [AuditEntry(**selected(row)) for row in rows]

    def ping(self) -> None:
        """Raise StoreError where the database does not answer, or the file of keys is gone."""
        self._database.check()
        self._user_keys.check()

    def watch(self, on_seconds: Callable[[float], None]) -> None:
        """Have it told how many seconds each transaction takes."""
        self._database.on_seconds = on_seconds

    def close(self) -> None:
        """Give back the connections."""
        self._eraser.close()
        self._database.close()
        self._user_keys.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
