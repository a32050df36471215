"""Profiles that take seconds to search: few are searched at once, and their words are kept for the next request."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

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
        self._kept_of: OrderedDict[TenantUser, _Kept] = OrderedDict()

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
        with self._kept(key) as known:  # before anything is read: who forgets the user later will find it
            few = _Few[Found]()
            if not known.size:
                with place or nullcontext():
                    few = await run_sync(_search_few, read, work)
            if few.found is not None:
                return few.found
            # Those who wait hold nothing, and read again.
            documents = few.documents if self._turns.available_tokens else None
            async with self._turn():
                return await run_sync(self._search_many, key, documents, read, work, known)

    def forget(self, key: TenantUser) -> None:
        """Keep nothing of a user any more; what is searched at the moment has the last hold of its words."""
        with self._lock:
            self._kept_of.pop(key, None)

    @contextmanager
    def _kept(self, key: TenantUser) -> Iterator[KnownWords]:
        """The words of a user, which stay where there are any, and what is kept of others is not too much."""
        with self._lock:
            kept = self._kept_of.setdefault(key, _Kept())
            self._kept_of.move_to_end(key)
            kept.requests += 1
        try:
            yield kept.known
        finally:
            with self._lock:
                kept.requests -= 1
                if not kept.requests and not kept.known.size and self._kept_of.get(key) is kept:
                    del self._kept_of[key]
                while sum(kept.known.size for kept in self._kept_of.values()) > self._most_bytes:
                    self._kept_of.popitem(last=False)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._turns.statistics().tasks_waiting >= MOST_WAITING:
            problem = "too many requests at once for users with very many documents"
            raise ApiError(429, problem, "server_busy", retry_after=SECONDS_TO_WAIT)
        async with self._turns:
            yield

    def _search_many(
        self, key: TenantUser, documents: Sequence[Document] | None, read: Read, work: Work[Found], known: KnownWords
    ) -> Found:
        try:
            documents = documents or read()
            if not _are_many(documents):
                self.forget(key)
            return work(documents, known)
        except UserError:  # nobody knows the user any more, or what is known is of no use
            self.forget(key)
            raise


@dataclass
class _Kept:
    """The words of a user. requests: those that are searching with them."""

    known: KnownWords = field(default_factory=KnownWords)
    requests: int = 0


class _Few(NamedTuple, Generic[Found]):
    """What was found in a user's documents; where they are very many, these in its place."""

    found: Found | None = None
    documents: Sequence[Document] | None = None


def _search_few(read: Read, work: Work[Found]) -> _Few[Found]:
    documents = read()
    return _Few(documents=documents) if _are_many(documents) else _Few(work(documents, None))


def _are_many(documents: Sequence[Document]) -> bool:
    return sum(len(document.text) for document in documents) >= LETTERS
