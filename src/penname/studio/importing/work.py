"""The import that goes on: one in a studio, whatever page it is looked at from; it ends with the studio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from enum import StrEnum
from functools import partial
from typing import BinaryIO

from anyio.to_thread import run_sync

from penname.data.readers.table_preview import TablePreview
from penname.errors import UserError
from penname.serve.access import LOCAL_TENANT
from penname.serve.errors import ApiError, of_user_error
from penname.serve.in_flight import InFlight, TenantUser
from penname.serve.store.store import Store
from penname.studio.events import EventLog
from penname.studio.importing.choice import Choice, Summary, first_choice, summary_of
from penname.studio.importing.folder import UploadFolder, remove_leftovers
from penname.studio.importing.found import Found, Read, Unread, read
from penname.studio.importing.progress import Progress, Stopped
from penname.text_caches import empty_text_caches

logger = logging.getLogger(__name__)

MOST_FILES, MOST_BYTES = 20_000, 2**31
"""Most files of an import, and their largest size together."""

CHANGED, PROGRESS = "changed", "progress"
"""Events of the page's stream: the import is at another step, or further in the same one."""

SECONDS_BETWEEN_NEWS = 0.3


class Step(StrEnum):
    """Where an import is."""

    EMPTY = "empty"
    RECEIVING = "receiving"
    READING = "reading"
    UNREAD = "unread"
    PREVIEW = "preview"
    SAVING = "saving"
    SAVED = "saved"


class Importing:
    """The import of a studio. All calls are made in the event loop.

    step: where it is.
    number: of the step, so that a page knows whether it shows the one that there is.
    log: what a page that shows this step is sent.
    progress: how far a step is that takes its time.
    expected: number of files that a page has said it will send.
    received: number of files that have come.
    problem: why nothing was read or saved, in a line.
    table: how the table is understood, where the files are one.
    found: what was read.
    choice: whose texts are saved.
    saved: number of documents of each user that was saved.
    """

    def __init__(self) -> None:
        remove_leftovers()
        self._in_flight: InFlight | None = None
        self.step = Step.EMPTY
        self.number = 0
        self.log = EventLog()
        self.progress = Progress("")
        self._folder: UploadFolder | None = None
        self._task: asyncio.Task[None] | None = None
        self._forgotten: set[str] = set()
        self._drop()

    @property
    def received(self) -> int:
        """Number of files that have come."""
        return self._folder.count if self._folder else 0

    def hear_of(self, in_flight: InFlight) -> None:
        """Hear which users are forgotten."""
        if self._in_flight is None:
            self._in_flight = in_flight
            in_flight.tell(self.forget)

    def begin(self, files: int, size: int) -> None:
        """Begin to receive files. files, size: how many will come, and their bytes.

        Raises ApiError where another import goes on, and where these are too many.
        """
        if self.step in (Step.RECEIVING, Step.READING, Step.PREVIEW, Step.SAVING):
            raise ApiError(409, "found an import that goes on: finish or cancel it first", "conflict")
        if not 1 <= files <= MOST_FILES:
            raise ApiError(400, f"found {files:,} files, expected 1 to {MOST_FILES:,}", "invalid_value", "files")
        if not 0 <= size <= MOST_BYTES:
            problem = f"found {size:,} bytes, expected at most {MOST_BYTES:,}: penname data convert reads more"
            raise ApiError(413, problem, "too_large", "size")
        self._clear()
        self._folder = UploadFolder()
        self.expected = files
        self._enter(Step.RECEIVING)

    async def receive(self, files: Sequence[tuple[str, BinaryIO]]) -> None:
        """Take some of the files: their names, and what is in them. Raises ApiError as `UploadFolder.add` does."""
        folder = self._of(Step.RECEIVING)
        if folder.count + len(files) > MOST_FILES:
            raise ApiError(400, f"found more than {MOST_FILES:,} files, expected fewer", "invalid_value", "file")
        await run_sync(_put, folder, files)
        if folder.size > MOST_BYTES:
            self.cancel()
            raise ApiError(413, f"expected at most {MOST_BYTES:,} bytes", "too_large", "file")

    def read(self) -> None:
        """Read what was received. Raises ApiError where there is nothing."""
        if not self._of(Step.RECEIVING).count:
            raise ApiError(400, "found no file, expected one or more", "invalid_value", "file")
        self._read(())

    def read_again(self, columns: Sequence[tuple[str, str]]) -> None:
        """Read the table again, of which other columns are to be read. columns: see `ReadingSettings`."""
        if self.table is None:
            raise ApiError(409, "found no table, expected one", "conflict")
        self._of(Step.PREVIEW, Step.UNREAD)
        self._read(columns)

    def save(self, store: Store) -> None:
        """Save the documents of those who are chosen. Raises ApiError where nobody is."""
        found, choice = self.preview()
        if not choice.chosen:
            raise ApiError(400, "found nobody who is ticked, expected one or more", "invalid_value", "chosen")
        self.problem = None
        self._forgotten.clear()
        self.progress = Progress("Preparing")
        self._enter(Step.SAVING)
        self._start(self._save(store, found, choice, self.progress), self.progress)

    async def stop_saving(self) -> None:
        """Leave off saving: nothing of it is kept, and what was read is there as before."""
        self.progress.stop()
        if self._task is not None:
            await asyncio.wait([self._task])

    def cancel(self) -> None:
        """Forget all of an import that is not being saved."""
        if self.step is Step.SAVING:
            raise ApiError(409, "found an import that is being saved: stop that first", "conflict")
        self.progress.stop()
        self._clear()
        self._enter(Step.EMPTY)

    def forget(self, key: TenantUser) -> None:
        """Drop the texts of an author who is to be forgotten as a user."""
        tenant, user = key
        if tenant != LOCAL_TENANT:
            return
        self.saved.pop(user, None)
        self._forgotten.add(user)
        if self.found is None or self.choice is None:
            return
        if self.choice.as_ == "one" and self.choice.name == user and self.choice.chosen:
            gone = set(self.choice.chosen)
        else:
            gone = {place for place, author in enumerate(self.found.authors) if author.name == user}
        if gone and self.step is not Step.SAVING:
            self._keep_others(self.found, gone)

    def preview(self) -> tuple[Found, Choice]:
        """What was read, and what is chosen of it. Raises ApiError where nothing is shown."""
        self._at(Step.PREVIEW)
        assert self.found is not None
        assert self.choice is not None
        return self.found, self.choice

    def summary(self) -> Summary:
        """What there is of those who are chosen."""
        return summary_of(*self.preview())

    def _read(self, columns: Sequence[tuple[str, str]]) -> None:
        folder = self._folder
        assert folder is not None
        self.found = self.choice = self.problem = None
        self._forgotten.clear()
        self.progress = Progress("Reading")
        self._enter(Step.READING)
        self._start(self._reading(folder, columns, self.progress), self.progress)

    async def _reading(self, folder: UploadFolder, columns: Sequence[tuple[str, str]], progress: Progress) -> None:
        try:
            done = await run_sync(_read_folder, folder, columns, progress, abandon_on_cancel=True)
        except Unread as error:
            if not progress.stopping:
                self.problem, self.table = folder.shortened(error.line), error.table
                self._let_go_unless_table()
                self._enter(Step.UNREAD)
            return
        if progress.stopping:
            return
        self.found, self.table = done.found, done.table
        self.found.lines = [folder.shortened(line) for line in self.found.lines]
        self.choice = first_choice(self.found)
        self._let_go_unless_table()
        if gone := {place for place, author in enumerate(self.found.authors) if author.name in self._forgotten}:
            self._keep_others(self.found, gone)
        else:
            self._enter(Step.PREVIEW)

    async def _save(self, store: Store, found: Found, choice: Choice, progress: Progress) -> None:
        try:
            self.saved = await run_sync(partial(_save_all, store, found, choice, progress, self._forgotten))
        except Stopped:
            self.problem = "Nothing was saved: it was stopped."
            self._enter(Step.PREVIEW)
            return
        except UserError as error:
            self.problem = f"Nothing was saved: {of_user_error(error).message}"
            self._enter(Step.PREVIEW)
            return
        for user in self._forgotten:
            self.saved.pop(user, None)
        saved = self.saved
        self._clear()
        self.saved = saved
        self._enter(Step.SAVED)

    def _start(self, work: Awaitable[None], progress: Progress) -> None:
        self._task = asyncio.create_task(self._told(work, progress))

    async def _told(self, work: Awaitable[None], progress: Progress) -> None:
        """Do something, and tell meanwhile how far it is."""
        log = self.log
        news = asyncio.create_task(_tell(log, progress))
        try:
            await work
        except Stopped:
            pass
        except Exception as error:  # its message may have a user's text
            if not progress.stopping:
                logger.error("import: %s", type(error).__name__)
                self._clear()
                self.problem = f"The studio failed at this ({type(error).__name__})."
                self._enter(Step.UNREAD)
        finally:
            progress.stop()  # where the studio ends
            news.cancel()
            empty_text_caches()

    def _keep_others(self, found: Found, gone: set[int]) -> None:
        """Keep what others wrote; without any, nothing."""
        assert self.choice is not None
        kept = [(place, author) for place, author in enumerate(found.authors) if place not in gone]
        self.choice.chosen = {new for new, (place, _) in enumerate(kept) if place in self.choice.chosen}
        found.authors = [author for _, author in kept]
        self._close_folder()  # its files have the texts too
        self.table = None
        if found.authors:
            self._enter(Step.PREVIEW)
        else:
            self.cancel()

    def _let_go_unless_table(self) -> None:
        """Delete the files, but for a table's, which is read again where other columns are chosen."""
        if self.table is None:
            self._close_folder()

    def _close_folder(self) -> None:
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _clear(self) -> None:
        self._close_folder()
        self._drop()

    def _drop(self) -> None:
        self.expected = 0
        self.problem: str | None = None
        self.table: TablePreview | None = None
        self.found: Found | None = None
        self.choice: Choice | None = None
        self.saved: dict[str, int] = {}

    def _of(self, *steps: Step) -> UploadFolder:
        self._at(*steps)
        if self._folder is None:
            raise ApiError(409, "found no file any more: choose the files anew", "conflict")
        return self._folder

    def _at(self, *steps: Step) -> None:
        """Raise ApiError where the import is at another step, as another page has taken it there."""
        if self.step not in steps:
            raise ApiError(409, "the import is at another step by now: load the page anew", "conflict")

    def _enter(self, step: Step) -> None:
        """Go to a step, which open pages are told."""
        before, self.log = self.log, EventLog()
        self.step = step
        self.number += 1
        before.add(CHANGED, "")
        before.end()


async def _tell(log: EventLog, progress: Progress) -> None:
    """Tell how far something is, as often as that changes."""
    said = ""
    while not log.ended:
        if progress.said != said:
            said = progress.said
            log.add(PROGRESS, shown(progress))
        await asyncio.sleep(SECONDS_BETWEEN_NEWS)


def shown(progress: Progress) -> str:
    """How far something is, for a page: numbers and words of ours."""
    share = f' value="{min(progress.done, progress.total)}" max="{progress.total}"' if progress.total else ""
    return f'<progress aria-label="{progress.doing}"{share}></progress> <span>{progress.said}</span>'


def _put(folder: UploadFolder, files: Sequence[tuple[str, BinaryIO]]) -> None:
    for name, content in files:
        folder.add(name, content)


def _read_folder(folder: UploadFolder, columns: Sequence[tuple[str, str]], progress: Progress) -> Read:
    place, name = folder.place()
    return read(place, name, columns, progress)


def _save_all(store: Store, found: Found, choice: Choice, progress: Progress, forgotten: set[str]) -> dict[str, int]:
    """Save the documents of those who are chosen, in one transaction; the number of each user's."""
    profiles = choice.profiles(found)
    progress.begin("Saving", sum(map(len, profiles.values())), "documents")
    store.add_profiles(LOCAL_TENANT, profiles, progress.advance, lambda user: user not in forgotten)
    return {user: len(documents) for user, documents in profiles.items()}
