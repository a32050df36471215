"""Profiles that take seconds to search: one at a time, and their words are kept for the next request."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from threading import Lock
from typing import TypeVar
from weakref import WeakValueDictionary

import anyio
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

MOST_USERS = 10_000
"""Most users of whom it is known whether they have large profiles."""

MOST_ASKED, MOST_OF_A_TENANT = 10, 5
"""Requests for large profiles that are in their turn or wait for it, and those of one tenant; others are refused."""

SECONDS_TO_WAIT = 20
"""When those are to ask again."""


class LargeProfiles:
    """Searches users' documents, and keeps the words of users who have very many, as hashes.

    Where they become too many, those of users go who were not asked for longest.

    most_bytes: see `MOST_BYTES`.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._turn = anyio.Lock()
        self._turns_of_tenants: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()
        self._asked: Counter[str] = Counter()
        self._readings: WeakValueDictionary[TenantUser, anyio.Lock] = WeakValueDictionary()
        self._lock = Lock()
        self._large: OrderedDict[TenantUser, bool | None] = OrderedDict()
        self._known: OrderedDict[TenantUser, KnownWords] = OrderedDict()

    async def search(
        self, key: TenantUser | None, read: Read, work: Work[Found], place: AbstractContextManager[None] | None = None
    ) -> Found:
        """What is made of a user's documents in a thread; where they are very many, in its turn.

        key: see `tenant_user`; None for nobody, who has no documents.
        read: reads the documents.
        work: is given them and the words that are known of them.
        place: is left before a large profile is searched.

        Raises ApiError (429) where too many large profiles are to be searched.
        """
        with place or nullcontext():
            documents = await run_sync(read) if key is None else await self._read_small(key, read)
            if documents is not None:
                return await run_sync(work, documents, None)
        assert key is not None
        # What was read is read anew: those who wait hold nothing.
        async with self._turn_of(key[0]):
            return await run_sync(self._search_large, key, read, work)

    def forget(self, key: TenantUser) -> None:
        """Keep nothing of a user any more; what is searched at the moment has the last hold of its words."""
        with self._lock:
            self._known.pop(key, None)
            self._large.pop(key, None)

    async def _read_small(self, key: TenantUser, read: Read) -> Sequence[Document] | None:
        """A user's documents; None where they are very many, for which they are read only the first time."""
        with self._lock:  # before anything is read: who forgets the user later will find it
            size_is_known = self._large.setdefault(key, None) is not None
            self._large.move_to_end(key)
            if len(self._large) > MOST_USERS:
                self._large.popitem(last=False)
        if size_is_known:
            return await self._read_unless_large(key, read)
        # One at a time: were they very many, the others need not find it out.
        async with self._readings.setdefault(key, anyio.Lock()):
            return await self._read_unless_large(key, read)

    async def _read_unless_large(self, key: TenantUser, read: Read) -> Sequence[Document] | None:
        with self._lock:
            if self._large.get(key):
                return None
        try:
            documents = await run_sync(read)
        except UserError:  # nobody knows the user
            self.forget(key)
            raise
        if not documents:
            self.forget(key)
        are_many = _are_many(documents)
        with self._lock:
            if key in self._large:
                self._large[key] = are_many
        return None if are_many else documents

    @asynccontextmanager
    async def _turn_of(self, tenant: str) -> AsyncIterator[None]:
        """A tenant's turn to search; tenants take turns, however many requests one of them has.

        Raises ApiError where too many wait.
        """
        if self._asked[tenant] >= MOST_OF_A_TENANT or self._asked.total() >= MOST_ASKED:
            problem = "too many requests at once for users with very many documents"
            raise ApiError(429, problem, "server_busy", retry_after=SECONDS_TO_WAIT)
        self._asked[tenant] += 1
        try:
            async with self._turns_of_tenants.setdefault(tenant, anyio.Lock()), self._turn:
                yield
        finally:
            self._asked -= Counter([tenant])

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


def _are_many(documents: Sequence[Document]) -> bool:
    return sum(len(document.text) for document in documents) >= LETTERS
