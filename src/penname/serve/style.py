"""How a user writes, compared with others of the tenant: counted anew each time, so that nothing is left to forget."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from penname.data.records import Document
from penname.serve.store.records import UnknownUser
from penname.serve.store.store import Store
from penname.session.style_card import population_statistics, style_card

MOST_OTHERS, MOST_DOCUMENTS = 50, 20
"""Most users that one is compared with, and most documents of each of them."""

OWN_LETTERS, OTHERS_LETTERS = 1_000_000, 40_000
"""About so many letters of the user's documents, the latest that were added, and of each other user's: a second."""

LONGEST = 20_000
"""Letters of a document of which the rest is not counted."""

FEWEST_OTHERS = 5
"""With fewer, what is usual is not known."""

_CANDIDATES = 10 * MOST_OTHERS  # some users have no documents


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
    own = counted(store.latest_documents(tenant, known, OWN_LETTERS), OWN_LETTERS)
    if not own:
        return Style(None, 0, 0, ("the user has no documents",))
    others = [texts for _, texts in islice(texts_of_others(store, tenant, known), MOST_OTHERS)]
    documents = sum(map(len, others))
    if not others:
        return Style(None, 0, 0, ("there is nothing to compare with: no other user has documents",))
    notes = []
    if len(others) < FEWEST_OTHERS:
        notes.append(f"there are few other users to compare with ({len(others)}): what is called unusual may not be")
    all_documents = store.count_documents(tenant, [known]).get(known, 0)
    if len(own) < all_documents:
        notes.append(f"the latest {len(own):,} of {all_documents:,} documents were counted")
    if any(len(text) == LONGEST for text in own):
        notes.append(f"of long documents the first {LONGEST:,} letters were counted")
    return Style(style_card(own, population_statistics(others)), len(others), documents, tuple(notes))


def texts_of_others(
    store: Store, tenant: str, user: str, letters: int = OTHERS_LETTERS
) -> Iterator[tuple[str, list[str]]]:
    """The users of a sample, which changes by one where one user comes or goes, and the documents of each.

    letters: about so many of each user.
    """
    others = (known for known in store.user_ids(tenant) if known != user)
    for other in heapq.nsmallest(_CANDIDATES, others, key=_place):
        with suppress(UnknownUser):  # forgotten meanwhile
            found = store.documents(tenant, other, limit=MOST_DOCUMENTS)
            if found:
                yield other, counted(found, letters)


def counted(documents: Iterable[Document], letters: int) -> list[str]:
    """The first of the documents, until they have about so many letters."""
    found: list[str] = []
    for document in documents:
        if letters <= 0:
            break
        found.append(document.text[:LONGEST])
        letters -= len(found[-1])
    return found


def _place(user: str) -> bytes:
    return hashlib.blake2b(user.encode(), digest_size=16).digest()
