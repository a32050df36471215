"""What the parts of the store stand on, and the checks of what they are given."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from penname.errors import ArgumentError
from penname.serve.store.database import Database
from penname.serve.store.erasing import Eraser
from penname.serve.store.records import UnknownUser
from penname.serve.store.sealing import UserKey
from penname.serve.store.tables import audit, users
from penname.serve.store.user_keys import UserKeys

MOST_ROWS = 10_000
"""Longest page of users, documents or entries of the audit."""

# The three together fit into PostgreSQL's index entries, which have at most 2,704 bytes.
MOST_BYTES = {"tenant": 200, "user": 500, "id": 1000}
"""Longest names in UTF-8: of tenants, of users, and of what is a user's."""


class Part:
    """A part of the store.

    database: where everything is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database


class KnownUser(NamedTuple):
    """A user's row, as a transaction needs it.

    mark: stands for the user's id.
    slot: where the user's key is.
    version: the profile's.
    key: seals what is kept of the user.
    """

    mark: str
    slot: int
    version: int
    key: UserKey


class UserPart(Part):
    """A part of the store that is about users.

    eraser: overwrites what was deleted.
    user_keys: seal what is kept of users.
    """

    def __init__(self, database: Database, eraser: Eraser, user_keys: UserKeys) -> None:
        super().__init__(database)
        self._eraser = eraser
        self._user_keys = user_keys

    def _known(self, connection: Connection, tenant: str, user: str, *, hold: bool = False) -> KnownUser:
        """A user's row.

        hold: whether others are kept from changing or forgetting the user until the transaction ends.

        Raises UnknownUser, also where the key is gone already and the row is about to go.
        """
        mark = self._user_keys.mark(tenant, user)
        query = select(users.c.slot, users.c.profile_version).where(users.c.tenant == tenant, users.c.mark == mark)
        # SQLite, with one writer at a time, has no such clause, and SQLAlchemy leaves it out.
        row = connection.execute(query.with_for_update(key_share=True) if hold else query).one_or_none()
        key = row and self._user_keys.key(row.slot)
        if not row or not key:
            raise UnknownUser
        return KnownUser(mark, row.slot, row.profile_version, key)

    def _erase_soon(self) -> None:
        """Have rows that were deleted or changed overwritten, where the database can do that."""
        self._eraser.ask()


def now() -> str:
    """This moment in UTC, in ISO 8601 to the microsecond, so that times sort as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def note(connection: Connection, tenant: str, action: str, count: int = 1) -> None:
    """Enter into the audit what is done in this transaction. count: how many it is done to."""
    connection.execute(insert(audit).values(tenant=tenant, time=now(), action=action, count=count))


def checked_id(kind: str, value: str, argument: str | None = None) -> str:
    """A name as it is kept: composed (NFC), as programs send the same letters in two forms.

    kind: one of `MOST_BYTES`.
    argument: how error messages call it; by default `kind`.

    Raises ArgumentError for one that is empty, too long, or has control characters or halves of characters.
    """
    name = unicodedata.normalize("NFC", checked_text(argument or kind, value))
    length = len(name.encode())
    if not name.strip():
        raise ArgumentError(argument or kind, "found no letter, expected a name")
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        raise ArgumentError(argument or kind, "found a control character, expected a name without")
    if length > MOST_BYTES[kind]:
        raise ArgumentError(argument or kind, f"found {length} bytes, expected at most {MOST_BYTES[kind]}")
    return name


def checked_user(tenant: str, user: str) -> tuple[str, str]:
    """The names of a tenant and of a user as they are kept, see `checked_id`."""
    return checked_id("tenant", tenant), checked_id("user", user)


def checked_limit(limit: int) -> int:
    """The length of a page. Raises ArgumentError for one that is not from 1 to `MOST_ROWS`."""
    if not 1 <= limit <= MOST_ROWS:
        raise ArgumentError("limit", f"found {limit}, expected 1 to {MOST_ROWS:,}")
    return limit


def checked_text(argument: str, value: str) -> str:
    """A text that both databases can keep. Raises ArgumentError for one with NUL or with half of a character."""
    if "\0" in value:
        raise ArgumentError(argument, "found a NUL character, expected text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(argument, f"found half of a character at {error.start}, expected text in UTF-8") from None
    return value
