"""Whom a text can be written as."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from penname.serve.access import LOCAL_TENANT
from penname.serve.store.store import Store
from penname.studio.train.learned import learned_users

MOST_SHOWN = 50


def known_users(store: Store, tenant: str, typed: str) -> list[str]:
    """The first users, in the order of their ids, that have in them what was typed, in whatever case."""
    folded = typed.strip().casefold()
    return list(islice((user for user in store.user_ids(tenant) if folded in user.casefold()), MOST_SHOWN))


def first_user_of(run: Path | None, store: Store) -> str:
    """The first user of whose documents a run has learned; empty where it is none of the studio's. run: its folder."""
    user = next(learned_users(run), "") if run is not None else ""
    return user if user and store.has_user(LOCAL_TENANT, user) else ""
