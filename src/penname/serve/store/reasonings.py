"""Reasonings: what models wrote about users, kept until a user's documents change."""

from __future__ import annotations

from sqlalchemy import or_, select

from penname.serve.store.database import selected
from penname.serve.store.part import Part, checked_id, checked_text, checked_user, note
from penname.serve.store.records import Reasoning
from penname.serve.store.tables import reasonings
from penname.serve.store.users import delete_rows, version_of

_KEY = [reasonings.c.tenant, reasonings.c.user_id, reasonings.c.model]


class Reasonings(Part):
    """A user's reasonings, one a model. model: names it as the server does; another training is another name."""

    def reasoning(self, tenant: str, user: str, model: str) -> Reasoning | None:
        """The reasoning that a model would write now: put by hand, or written from the documents as they are.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        model = checked_id("id", model, "model")
        table = reasonings.c
        query = select(table.model, table.text, table.profile_version, table.locked)
        with self._database.reading(tenant) as connection:
            version = version_of(connection, tenant, user)
            valid = or_(table.locked, table.profile_version == version)
            row = connection.execute(
                query.where(table.tenant == tenant, table.user_id == user, table.model == model, valid)
            ).one_or_none()
        return Reasoning(**selected(row)) if row else None

    def keep_reasoning(self, tenant: str, user: str, model: str, text: str, version: int) -> bool:
        """Keep what a model wrote, unless the documents have changed since or a reasoning was put by hand.

        version: that of the profile that it was written from.

        The result is whether it is kept. Raises UnknownUser, as for a user who was forgotten meanwhile.
        """
        tenant, user = checked_user(tenant, user)
        model = checked_id("id", model, "model")
        row = {"tenant": tenant, "user_id": user, "model": model, "text": checked_text("reasoning", text)}
        new = self._database.insert(reasonings).values(**row, profile_version=version, locked=False)
        put = new.on_conflict_do_update(
            index_elements=_KEY,
            set_={"text": new.excluded.text, "profile_version": new.excluded.profile_version},
            where=reasonings.c.locked.is_(False),
        )
        with self._database.writing(tenant) as connection:
            if version_of(connection, tenant, user, hold=True) != version:
                return False
            return connection.execute(put.returning(reasonings.c.model)).one_or_none() is not None

    def put_reasoning(self, tenant: str, user: str, model: str, text: str) -> None:
        """Put a reasoning in the place of what a model would write, whatever becomes of the documents.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        model = checked_id("id", model, "model")
        row = {"tenant": tenant, "user_id": user, "model": model, "text": checked_text("reasoning", text)}
        with self._database.writing(tenant) as connection:
            version = version_of(connection, tenant, user, hold=True)
            new = self._database.insert(reasonings).values(**row, profile_version=version, locked=True)
            put = new.on_conflict_do_update(
                index_elements=_KEY,
                set_={name: new.excluded[name] for name in ("text", "profile_version", "locked")},
            )
            connection.execute(put)
            note(connection, tenant, "reasoning put")
        self._erase_soon()

    def delete_reasoning(self, tenant: str, user: str, model: str | None = None) -> int:
        """Delete a user's reasoning, one that was put by hand too; how many there were. Raises UnknownUser.

        model: None for those of all models.
        """
        tenant, user = checked_user(tenant, user)
        which = [] if model is None else [reasonings.c.model == checked_id("id", model, "model")]
        with self._database.writing(tenant) as connection:
            deleted = delete_rows(connection, reasonings, tenant, user, "reasonings deleted", *which)
        if deleted:
            self._erase_soon()
        return deleted
