"""Profiles that take seconds to search: few are searched at once, and their words are kept for the next request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from threading import Lock
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from penname.data.records import Document
from penname.errors import UserError
from penname.retrieval.known_words import KnownWords
from penname.serve.errors import ApiError
from penname.serve.in_flight import TenantUser

Found = TypeVar("Found")
Read = Callable[[], Sequence[Document]]
Work = Callable[[Sequence[Document], KnownWords | None], Found]

LETTERS = 1_000_000
"""From so many in all of its documents on a profile is a large one."""

MOST_BYTES = 2**28
"""Largest size together of the words that are kept: those of some ten profiles of 20 MB."""

AT_ONCE, MOST_WAITING = 2, 8
"""Requests for large profiles that are prepared at once, and those that wait for it; others are refused."""

SECONDS_TO_WAIT = 20
"""When those are to ask again."""


class LargeProfiles:
    """Searches users' documents, and keeps the words of users who have very many, as hashes.

    Where they become too many, those of users go who were not asked for longest.

    most_bytes: see `MOST_BYTES`.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._turns = CapacityLimiter(AT_ONCE)
        self._lock = Lock()
        self._known: OrderedDict[TenantUser, KnownWords] = OrderedDict()

    async def search(
        self, key: TenantUser, read: Read, work: Work[Found], place: AbstractContextManager[None] | None = None
    ) -> Found:
        """What is made of a user's documents in a thread; where they are very many, in its turn.

        key: see `tenant_user`.
        read: reads the documents.
        work: is given them and the words that are known of them; its result is returned, which is not None.
        place: is left before a large profile is searched.

        Raises ApiError (429) where too many large profiles are to be searched.
        """
        if not self._has(key):
            with place or nullcontext():
                found = await run_sync(_if_small, read, work)
            if found is not None:
                return found
        # What was read is read anew: those who wait hold nothing.
        async with self._turn():
            return await run_sync(self._search_large, key, read, work)

    def forget(self, key: TenantUser) -> None:
        """Keep nothing of a user any more; what is searched at the moment has the last hold of its words."""
        with self._lock:
            self._known.pop(key, None)

    def _has(self, key: TenantUser) -> bool:
        with self._lock:
            return key in self._known

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._turns.statistics().tasks_waiting >= MOST_WAITING:
            problem = "too many requests at once for users with very many documents"
            raise ApiError(429, problem, "server_busy", retry_after=SECONDS_TO_WAIT)
        async with self._turns:
            yield

    def _search_large(self, key: TenantUser, read: Read, work: Work[Found]) -> Found:
        with self._lock:  # before anything is read: who forgets the user later will find it
            known = self._known.setdefault(key, KnownWords())
            self._known.move_to_end(key)
        try:
            documents = read()
            if not _are_many(documents):
                self.forget(key)
            return work(documents, known)
        except UserError:  # nobody knows the user any more, or what is known is of no use
            self.forget(key)
            raise
        finally:
            self._drop(key, known)

    def _drop(self, key: TenantUser, used: KnownWords) -> None:
        """Let go of what is too much, and of a user of whom nothing is known."""
        with self._lock:
            if not used.size and self._known.get(key) is used:
                del self._known[key]
            while sum(known.size for known in self._known.values()) > self._most_bytes:
                self._known.popitem(last=False)


def _if_small(read: Read, work: Work[Found]) -> Found | None:
    documents = read()
    return None if _are_many(documents) else work(documents, None)


def _are_many(documents: Sequence[Document]) -> bool:
    return sum(len(document.text) for document in documents) >= LETTERS
