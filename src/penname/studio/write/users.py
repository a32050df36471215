"""Whom a text can be written as."""

from __future__ import annotations

from itertools import islice

from penname.serve.store.store import Store

MOST_SHOWN = 50
_AT_ONCE = 10_000


def known_users(store: Store, tenant: str, typed: str) -> list[str]:
    """The first users, in the order of their ids, that have in them what was typed, in whatever case."""
    folded = typed.strip().casefold()
    found = (user.id for user in store.users(tenant, limit=_AT_ONCE) if folded in user.id.casefold())
    return list(islice(found, MOST_SHOWN))
