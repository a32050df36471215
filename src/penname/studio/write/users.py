"""Whom a text can be written as."""

from __future__ import annotations

from itertools import islice

from penname.serve.store.store import Store

MOST_SHOWN = 50


def known_users(store: Store, tenant: str, typed: str) -> list[str]:
    """The first users, in the order of their ids, that have in them what was typed, in whatever case."""
    folded = typed.strip().casefold()
    return list(islice((user for user in store.user_ids(tenant) if folded in user.casefold()), MOST_SHOWN))
