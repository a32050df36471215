"""Whom a text can be written as."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from penname.serve.store.store import Store

MOST_SHOWN = 50
_AT_ONCE = 10_000


def known_users(store: Store, tenant: str, typed: str) -> list[str]:
    """The first users, in the order of their ids, that have in them what was typed, in whatever case."""
    folded = typed.strip().casefold()
    return list(islice((user for user in _every_user(store, tenant) if folded in user.casefold()), MOST_SHOWN))


def _every_user(store: Store, tenant: str) -> Iterator[str]:
    last = ""
    while found := store.users(tenant, last, _AT_ONCE):
        last = found[-1].id
        yield from (user.id for user in found)
