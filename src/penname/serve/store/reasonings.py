"""Reasonings: what models wrote about users, kept until a user's documents change."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, or_, select

from penname.serve.store.part import KnownUser, UserPart, checked_id, checked_text, checked_user, note
from penname.serve.store.records import Reasoning
from penname.serve.store.tables import reasonings
from penname.serve.store.users import delete_rows

_SHOWN = (reasonings.c.model, reasonings.c.sealed, reasonings.c.profile_version, reasonings.c.locked)
_KEY = [reasonings.c.tenant, reasonings.c.user_mark, reasonings.c.model]


class Reasonings(UserPart):
    """A user's reasonings, one a model. model: names it as the server does; another training is another name."""

    def reasoning(self, tenant: str, user: str, model: str) -> Reasoning | None:
        """The reasoning that a model would write now: put by hand, or written from the documents as they are.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        model = checked_id("id", model, "model")
        with self._database.reading(tenant) as connection:
            known = self._known(connection, tenant, user)
            valid = or_(reasonings.c.locked, reasonings.c.profile_version == known.version)
            own = (reasonings.c.tenant == tenant, reasonings.c.user_mark == known.mark, reasonings.c.model == model)
            row = connection.execute(select(*_SHOWN).where(*own, valid)).one_or_none()
        return _reasoning(known, row) if row else None

    def reasonings(self, tenant: str, user: str) -> list[Reasoning]:
        """All of a user's reasonings, also those whose documents have changed since. Raises UnknownUser."""
        tenant, user = checked_user(tenant, user)
        with self._database.reading(tenant) as connection:
            return read_reasonings(connection, tenant, self._known(connection, tenant, user))

    def keep_reasoning(self, tenant: str, user: str, model: str, text: str, version: int) -> bool:
        """Keep what a model wrote, unless the documents have changed since or a reasoning was put by hand.

        version: that of the profile that it was written from.

        The result is whether it is kept. Raises UnknownUser, as for a user who was forgotten meanwhile.
        """
        tenant, user = checked_user(tenant, user)
        model = checked_id("id", model, "model")
        text = checked_text("reasoning", text)
        with self._database.writing(tenant) as connection:
            known = self._known(connection, tenant, user, hold=True)
            if known.version != version:
                return False
            row = _sealed(tenant, known, model, text)
            new = self._database.insert(reasonings).values(**row, profile_version=version, locked=False)
            put = new.on_conflict_do_update(
                index_elements=_KEY,
                set_={name: new.excluded[name] for name in ("sealed", "profile_version")},
                where=reasonings.c.locked.is_(False),
            )
            return connection.execute(put.returning(reasonings.c.model)).one_or_none() is not None

    def put_reasoning(self, tenant: str, user: str, model: str, text: str) -> None:
        """Put a reasoning in the place of what a model would write, whatever becomes of the documents.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        model = checked_id("id", model, "model")
        text = checked_text("reasoning", text)
        with self._database.writing(tenant) as connection:
            known = self._known(connection, tenant, user, hold=True)
            row = _sealed(tenant, known, model, text)
            new = self._database.insert(reasonings).values(**row, profile_version=known.version, locked=True)
            put = new.on_conflict_do_update(
                index_elements=_KEY,
                set_={name: new.excluded[name] for name in ("sealed", "profile_version", "locked")},
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
            known = self._known(connection, tenant, user, hold=True)
            deleted = delete_rows(connection, reasonings, tenant, known, "reasonings deleted", *which)
        if deleted:
            self._erase_soon()
        return deleted


def read_reasonings(connection: Connection, tenant: str, known: KnownUser) -> list[Reasoning]:
    """All of a user's reasonings in the order of their models' names."""
    own = (reasonings.c.tenant == tenant, reasonings.c.user_mark == known.mark)
    rows = connection.execute(select(*_SHOWN).where(*own).order_by(reasonings.c.model))
    return [_reasoning(known, row) for row in rows]


def _sealed(tenant: str, known: KnownUser, model: str, text: str) -> dict[str, str | bytes]:
    sealed = known.key.seal("reasonings", model, text)
    return {"tenant": tenant, "user_mark": known.mark, "model": model, "sealed": sealed}


def _reasoning(known: KnownUser, row: Row[*tuple[Any, ...]]) -> Reasoning:
    text = known.key.unseal("reasonings", row.model, row.sealed)
    return Reasoning(row.model, text, row.profile_version, row.locked)
