"""Forgetting a user: the key is overwritten, and rows are deleted, again where a backup brings them back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from penname.serve.store.part import UserPart, checked_user, note
from penname.serve.store.tables import users


class Forgetting(UserPart):
    """Forgets users."""

    def forget(self, tenant: str, user: str) -> bool:
        """Delete all that is kept of a user, and overwrite the user's key; whether the tenant had the user.

        When this returns, nothing that was sealed for the user can be read any more: not the rows, nor the copies that
        a database keeps of deleted ones, nor those in logs, replicas and backups of it.
        """
        tenant, user = checked_user(tenant, user)
        own = (users.c.tenant == tenant, users.c.mark == self._user_keys.mark(tenant, user))
        with self._database.writing(tenant) as connection:
            # Whatever request is about to change the user ends first, and those behind find no user.
            slot = connection.scalar(select(users.c.slot).where(*own).with_for_update())
            if slot is None:
                return False
            connection.execute(delete(users).where(*own))
            note(connection, tenant, "users forgotten")
            # Before the transaction ends: should that fail, the row that is left goes when the store is next opened.
            self._user_keys.destroy(slot)
        self._erase_soon()
        return True

    def forget_again(self, tenants: Sequence[str]) -> int:
        """Delete the users of these tenants who have no key any more, as a backup brings back; how many these were."""
        forgotten, _ = self._user_keys.states()
        returned = sum(self._delete(tenant, forgotten) for tenant in tenants) if forgotten else 0
        self._erase_soon()
        return returned

    def _delete(self, tenant: str, forgotten: set[int]) -> int:
        with self._database.reading(tenant) as connection:
            slots = set(connection.scalars(select(users.c.slot).where(users.c.tenant == tenant))) & forgotten
        if slots:
            with self._database.writing(tenant) as connection:
                for slot in slots:
                    connection.execute(delete(users).where(users.c.tenant == tenant, users.c.slot == slot))
                note(connection, tenant, "users forgotten", len(slots))
        return len(slots)
