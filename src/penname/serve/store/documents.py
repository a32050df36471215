"""Users' documents, which are their profiles."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select, tuple_

from penname.data.records import Document
from penname.errors import ArgumentError
from penname.serve.store.part import KnownUser, checked_id, checked_limit, checked_text, checked_user, note
from penname.serve.store.records import Profile, UnknownUser
from penname.serve.store.tables import documents
from penname.serve.store.tables import users as user_rows
from penname.serve.store.users import Users, delete_rows, raise_version

_TEXTS = ("text", "title", "date", "item_id", "description")
_FIELDS = ("id", *_TEXTS, "rating")
_FIRST = (-1, -1)
"""The place before the first document."""

_ROWS_AT_ONCE = 500


class _Unwanted(Exception):
    """A user is not to be added any more."""


class Documents(Users):
    """A user's documents. Each change raises the version of the profile and drops the reasonings written from it."""

    def add_documents(
        self,
        tenant: str,
        user: str,
        added: Iterable[Document],
        *,
        put_user: bool = False,
        wanted: Callable[[], bool] = lambda: True,
    ) -> list[str]:
        """Add documents: all of them, or none where one is faulty. The result is their ids.

        added: those without an id get one; one whose id the user has, or that comes twice, replaces the one before.
        put_user: whether a user whom nobody knows is added with them.
        wanted: whether they are still to be added, asked at the end.

        Raises UnknownUser, also where they are not wanted any more, and ArgumentError for a text or an id that cannot
        be kept.
        """
        tenant, user = checked_user(tenant, user)
        ready = _all_ready(added)
        if not ready:
            with self._database.reading(tenant) as connection:
                self._known(connection, tenant, user)
            return []
        new = None
        try:
            with self._database.writing(tenant) as connection:
                new = self._put(connection, tenant, user) if put_user else None
                note(connection, tenant, "documents added", sum(self._extend(connection, tenant, user, ready)))
                if not wanted():
                    raise UnknownUser
        except BaseException:
            if new is not None:  # what the database's files may still have of the rows is closed
                self._user_keys.destroy(new)
            raise
        finally:
            self._erase_soon()
        return [str(document.id) for document in ready]

    def add_profiles(
        self,
        tenant: str,
        profiles: Mapping[str, Sequence[Document]],
        advance: Callable[[int], None] = lambda count: None,
        wanted: Callable[[str], bool] = lambda user: True,
    ) -> int:
        """Add documents of several users, and those users whom nobody knows: all of them, or nothing.

        profiles: each user's documents, see `add_documents`; users without documents are not added.
        advance: called with the number of documents that were added since it was last called; nothing is added where it
            raises.
        wanted: whether a user is still to be added, asked again at the end.

        The result is the number of documents. Raises ArgumentError for a text or a name that cannot be kept.
        """
        tenant = checked_id("tenant", tenant)
        ready = {checked_user(tenant, user)[1]: _all_ready(added) for user, added in profiles.items() if added}
        while True:
            new: list[int] = []
            try:
                with self._database.writing(tenant) as connection:
                    return self._put_profiles(connection, tenant, ready, advance, wanted, new)
            except BaseException as error:
                for slot in new:  # what the database's files may still have of the rows is closed
                    self._user_keys.destroy(slot)
                if not isinstance(error, _Unwanted):
                    raise
            finally:
                self._erase_soon()

    def _put_profiles(
        self,
        connection: Connection,
        tenant: str,
        profiles: Mapping[str, Sequence[Document]],
        advance: Callable[[int], None],
        wanted: Callable[[str], bool],
        new: list[int],
    ) -> int:
        """What `add_profiles` does in its transaction. new: is filled with where new users' keys are."""
        users = {user: added for user, added in profiles.items() if wanted(user)}
        total = 0
        for user, added in users.items():
            slot = self._put(connection, tenant, user)
            new += [] if slot is None else [slot]
            for count in self._extend(connection, tenant, user, added):
                advance(count)
                total += count
        if total:
            note(connection, tenant, "documents added", total)
        if not all(map(wanted, users)):
            raise _Unwanted
        return total

    def _extend(self, connection: Connection, tenant: str, user: str, ready: Sequence[Document]) -> Iterator[int]:
        """Add documents to a user's profile; yields how many more were added. Raises UnknownUser."""
        last = list({document.id: document for document in ready}.values())
        known = self._known(connection, tenant, user, hold=True)
        own = {"tenant": tenant, "user_mark": known.mark, "added": raise_version(connection, tenant, known)}
        new = self._database.insert(documents)
        put = new.on_conflict_do_update(
            index_elements=[documents.c.tenant, documents.c.user_mark, documents.c.mark],
            set_={"sealed": new.excluded.sealed},
        )
        for start in range(0, len(last), _ROWS_AT_ONCE):
            some = last[start : start + _ROWS_AT_ONCE]
            rows = [{**own, "place": start + place, **_sealed(known, one)} for place, one in enumerate(some)]
            connection.execute(put, rows)
            yield len(rows)

    def count_documents(self, tenant: str, users: Iterable[str]) -> dict[str, int]:
        """The number of documents of those of these users who are known. users: as they are kept, see `checked_id`."""
        tenant = checked_id("tenant", tenant)
        marks = {self._user_keys.mark(tenant, user): user for user in users}
        in_database = select(user_rows.c.mark, func.count(documents.c.mark)).select_from(user_rows.outerjoin(documents))
        query = in_database.where(user_rows.c.tenant == tenant, user_rows.c.mark.in_(marks))
        with self._database.reading(tenant) as connection:
            found = connection.execute(query.group_by(user_rows.c.mark)).all()
        return {marks[mark]: count for mark, count in found}

    def remove_document(self, tenant: str, user: str, document_id: str) -> bool:
        """Delete a document; whether the user had it. Raises UnknownUser."""
        tenant, user = checked_user(tenant, user)
        document_id = checked_id("id", document_id)
        with self._database.writing(tenant) as connection:
            known = self._known(connection, tenant, user, hold=True)
            this = documents.c.mark == _mark(known, document_id)
            removed = delete_rows(connection, documents, tenant, known, "documents removed", this)
            if removed:
                raise_version(connection, tenant, known)
        if removed:
            self._erase_soon()
        return removed > 0

    def documents(
        self, tenant: str, user: str, after: str = "", limit: int = 100, search: str | None = None
    ) -> list[Document]:
        """A page of a user's documents in the order in which they were added: at most `limit`.

        after: the id of the document that they are behind; empty for the first page.
        search: only those whose title or text has this in it, in whatever case.

        Raises UnknownUser, and ArgumentError where no document has the id `after`.
        """
        tenant, user = checked_user(tenant, user)
        after, limit = checked_text("after", after), checked_limit(limit)
        folded = (search or "").casefold()
        with self._database.reading(tenant) as connection:
            known = self._known(connection, tenant, user)
            place = _place(connection, tenant, known, after) if after else _FIRST
            at_once = min(limit, _ROWS_AT_ONCE) if search is None else _ROWS_AT_ONCE
            behind = _behind(connection, tenant, known, place, at_once)
            found = (Document(user, **known.key.unseal("documents", row.mark, row.sealed)) for row in behind)
            return list(islice((document for document in found if _has(document, folded)), limit))

    def latest_documents(self, tenant: str, user: str, letters: int) -> list[Document]:
        """A user's latest documents, the last one first: so many that they have this many letters, or all.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        found: list[Document] = []
        with self._database.reading(tenant) as connection:
            known = self._known(connection, tenant, user)
            query = _rows(tenant, known).order_by(documents.c.added.desc(), documents.c.place.desc())
            with connection.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)) as rows:
                for row in rows:
                    if letters <= 0:
                        break
                    found.append(Document(user, **known.key.unseal("documents", row.mark, row.sealed)))
                    letters -= len(found[-1].text)
        return found

    def has_documents(self, tenant: str, user: str) -> bool:
        """Whether a user has any. Raises UnknownUser."""
        tenant, user = checked_user(tenant, user)
        with self._database.reading(tenant) as connection:
            known = self._known(connection, tenant, user)
            return next(_behind(connection, tenant, known, _FIRST, 1), None) is not None

    def profile(self, tenant: str, user: str) -> Profile:
        """A user's documents in the order in which they were added, and the version of the profile that they are.

        Raises UnknownUser.
        """
        tenant, user = checked_user(tenant, user)
        with self._database.reading(tenant) as connection:
            known = self._known(connection, tenant, user)
            return Profile(known.slot, known.version, read_documents(connection, tenant, user, known))


def read_documents(connection: Connection, tenant: str, user: str, known: KnownUser) -> list[Document]:
    """A user's documents in the order in which they were added."""
    query = _rows(tenant, known).order_by(documents.c.added, documents.c.place)
    unsealed = (known.key.unseal("documents", row.mark, row.sealed) for row in connection.execute(query))
    return [Document(user, **fields) for fields in unsealed]


def _all_ready(added: Iterable[Document]) -> list[Document]:
    return [_ready(document, number) for number, document in enumerate(added)]


def _ready(document: Document, number: int) -> Document:
    """A document as it is kept, with an id."""
    for name in _TEXTS:
        value = getattr(document, name)
        if value is not None:
            checked_text(f"documents[{number}].{name}", value)
    known = secrets.token_hex(8) if document.id is None else checked_id("id", document.id, f"documents[{number}].id")
    return replace(document, id=known)


def _mark(known: KnownUser, document_id: str) -> str:
    return known.key.mark("documents", document_id)


def _sealed(known: KnownUser, document: Document) -> dict[str, str | bytes]:
    mark = _mark(known, str(document.id))
    fields = {name: value for name in _FIELDS if (value := getattr(document, name)) is not None}
    return {"mark": mark, "sealed": known.key.seal("documents", mark, fields)}


def _rows(tenant: str, known: KnownUser) -> Select[*tuple[Any, ...]]:
    columns = (documents.c.mark, documents.c.sealed, documents.c.added, documents.c.place)
    return select(*columns).where(documents.c.tenant == tenant, documents.c.user_mark == known.mark)


def _place(connection: Connection, tenant: str, known: KnownUser, document_id: str) -> tuple[int, int]:
    """Where a document is among those of its user. Raises ArgumentError where there is none."""
    mark = _mark(known, unicodedata.normalize("NFC", document_id))
    row = connection.execute(_rows(tenant, known).where(documents.c.mark == mark)).one_or_none()
    if row is None:
        raise ArgumentError("after", "found the id of no document of this user, expected that of one")
    return row.added, row.place


def _behind(
    connection: Connection, tenant: str, known: KnownUser, place: tuple[int, int], at_once: int
) -> Iterator[Row[*tuple[Any, ...]]]:
    """The rows behind a place. at_once: how many are read at a time."""
    order = tuple_(documents.c.added, documents.c.place)
    query = _rows(tenant, known).order_by(documents.c.added, documents.c.place).limit(at_once)
    while rows := connection.execute(query.where(order > tuple_(*place))).all():
        yield from rows
        place = rows[-1].added, rows[-1].place


def _has(document: Document, folded: str) -> bool:
    return any(folded in (text or "").casefold() for text in (document.title, document.text))
