"""Users' documents, which are their profiles."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from sqlalchemy import Connection, select

from penname.data.records import Document
from penname.serve.store.database import selected
from penname.serve.store.part import Part, checked_id, checked_limit, checked_text, checked_user, note
from penname.serve.store.records import Profile
from penname.serve.store.tables import documents
from penname.serve.store.users import delete_rows, raise_version, version_of

_TEXTS = ("text", "title", "date", "item_id", "description")
_FIELDS = ("id", *_TEXTS, "rating")
_COLUMNS = [documents.c.user_id, *(documents.c[name] for name in _FIELDS)]
_ROWS_AT_ONCE = 500


class Documents(Part):
    """A user's documents. Each change raises the version of the profile and drops the reasonings written from it."""

    def add_documents(self, tenant: str, user: str, added: Iterable[Document]) -> list[str]:
        """Add documents: all of them, or none where one is faulty. The result is their ids.

        added: those without an id get one; one whose id the user has, or that comes twice, replaces the one before.

        Raises UnknownUser, and ArgumentError for a text or an id that cannot be kept.
        """
        tenant, user = checked_user(tenant, user)
        ready = [_ready(document, number) for number, document in enumerate(added)]
        if not ready:
            with self._database.reading(tenant) as connection:
                version_of(connection, tenant, user)
            return []
        last = {document.id: document for document in ready}
        with self._database.writing(tenant) as connection:
            version = raise_version(connection, tenant, user)
            rows = [
                {"tenant": tenant, "user_id": user, "added": version, "place": place, **_fields(document)}
                for place, document in enumerate(last.values())
            ]
            new = self._database.insert(documents)
            put = new.on_conflict_do_update(
                index_elements=[documents.c.tenant, documents.c.user_id, documents.c.id],
                set_={name: new.excluded[name] for name in _FIELDS if name != "id"},
            )
            connection.execute(put, rows)
            note(connection, tenant, "documents added", len(rows))
        self._erase_soon()
        return [str(document.id) for document in ready]

    def remove_document(self, tenant: str, user: str, document_id: str) -> bool:
        """Delete a document; whether the user had it. Raises UnknownUser."""
        tenant, user = checked_user(tenant, user)
        this = documents.c.id == checked_id("id", document_id)
        with self._database.writing(tenant) as connection:
            removed = delete_rows(connection, documents, tenant, user, "documents removed", this)
            if removed:
                raise_version(connection, tenant, user)
        if removed:
            self._erase_soon()
        return removed > 0

    def documents(
        self, tenant: str, user: str, after: str = "", limit: int = 100, search: str | None = None
    ) -> list[Document]:
        """A page of a user's documents in the order of their ids: at most `limit`, those behind the id `after`.

        search: only those whose title or text has this in it, in whatever case.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        after, limit = checked_text("after", after), checked_limit(limit)
        with self._database.reading(tenant) as connection:
            version_of(connection, tenant, user)
            if search is None:
                return list(islice(_behind(connection, tenant, user, after, min(limit, _ROWS_AT_ONCE)), limit))
            folded = search.casefold()
            behind = _behind(connection, tenant, user, after, _ROWS_AT_ONCE)
            return list(islice((document for document in behind if _has(document, folded)), limit))

    def profile(self, tenant: str, user: str) -> Profile:
        """A user's documents in the order in which they were added, and the version of the profile that they are.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        own = (documents.c.tenant == tenant, documents.c.user_id == user)
        query = select(*_COLUMNS).where(*own).order_by(documents.c.added, documents.c.place)
        with self._database.reading(tenant) as connection:
            version = version_of(connection, tenant, user)
            return Profile(version, [Document(**selected(row)) for row in connection.execute(query)])


def _ready(document: Document, number: int) -> Document:
    """A document as it is kept, with an id."""
    for name in _TEXTS:
        value = getattr(document, name)
        if value is not None:
            checked_text(f"documents[{number}].{name}", value)
    known = secrets.token_hex(8) if document.id is None else checked_id("id", document.id, f"documents[{number}].id")
    return replace(document, id=known)


def _fields(document: Document) -> dict[str, str | float | None]:
    return {name: getattr(document, name) for name in _FIELDS}


def _behind(connection: Connection, tenant: str, user: str, after: str, at_once: int) -> Iterator[Document]:
    """The documents behind the id `after`. at_once: how many are read at a time."""
    own = (documents.c.tenant == tenant, documents.c.user_id == user)
    query = select(*_COLUMNS).where(*own).order_by(documents.c.id).limit(at_once)
    while rows := connection.execute(query.where(documents.c.id > after)).all():
        yield from (Document(**selected(row)) for row in rows)
        after = rows[-1].id


def _has(document: Document, folded: str) -> bool:
    return any(folded in text.casefold() for text in (document.title, document.text) if text)
