"""How a user writes, compared with others of the tenant: counted anew each time, so that nothing is left to forget."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from penname.serve.store.records import UnknownUser
from penname.serve.store.store import Store
from penname.session.style_card import population_statistics, style_card

MOST_OTHERS, MOST_DOCUMENTS = 50, 20
"""Most users that one is compared with, and most documents of each of them."""

MOST_OWN = 1000
"""Most documents of the user, the latest that were added."""

MOST_LETTERS = 5000
"""The beginning of a document that is counted."""

FEWEST_OTHERS = 5
"""With fewer, what is usual is not known."""

_CANDIDATES = 10 * MOST_OTHERS  # some users have no documents
_IDS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Style:
    """How a user writes.

    card: sentences about it; None where there is nothing to count or nobody to compare with.
    others, documents: numbers of the users it was compared with, and of their documents.
    notes: what a reader of the card should know.
    """

    card: str | None
    others: int
    documents: int
    notes: tuple[str, ...] = ()


def style_of(store: Store, tenant: str, user: str) -> Style:
    """How a user writes, compared with a sample of the tenant's other users. Raises UnknownUser."""
    known = store.user(tenant, user).id
    own = [document.text[:MOST_LETTERS] for document in store.profile(tenant, known).documents[-MOST_OWN:]]
    if not own:
        return Style(None, 0, 0, ("the user has no documents",))
    others = list(islice(_texts_of_others(store, tenant, known), MOST_OTHERS))
    documents = sum(map(len, others))
    if not others:
        return Style(None, 0, 0, ("there is no card: no other user of the tenant has documents to compare with",))
    card = style_card(own, population_statistics(others))
    few = f"compared with {len(others)} other users, which are few: what is said to be unusual may not be"
    return Style(card, len(others), documents, (few,) if len(others) < FEWEST_OTHERS else ())


def _texts_of_others(store: Store, tenant: str, user: str) -> Iterator[list[str]]:
    """The documents of each user of a sample, which changes by one where one user comes or goes."""
    others = (known for known in _ids(store, tenant) if known != user)
    for other in heapq.nsmallest(_CANDIDATES, others, key=_place):
        with suppress(UnknownUser):  # forgotten meanwhile
            found = store.documents(tenant, other, limit=MOST_DOCUMENTS)
            if found:
                yield [document.text[:MOST_LETTERS] for document in found]


def _place(user: str) -> bytes:
    return hashlib.blake2b(user.encode(), digest_size=16).digest()


def _ids(store: Store, tenant: str) -> Iterator[str]:
    after = ""
    while page := store.users(tenant, after, _IDS_AT_ONCE):
        yield from (user.id for user in page)
        after = page[-1].id
