"""The import that goes on: one in a studio, whatever page it is looked at from; it ends with the studio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from enum import StrEnum
from functools import partial
from typing import BinaryIO

from anyio.to_thread import run_sync

from penname.errors import UserError
from penname.serve.access import LOCAL_TENANT
from penname.serve.errors import ApiError, of_user_error
from penname.serve.in_flight import InFlight, TenantUser
from penname.serve.store.store import Store
from penname.studio.events import EventLog
from penname.studio.importing.choice import Change, Choice, first_choice
from penname.studio.importing.folder import UploadFolder
from penname.studio.importing.found import Found, Read, Unread, read
from penname.studio.importing.held import Held
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
    held: what it holds.
    """

    def __init__(self) -> None:
        self.step = Step.EMPTY
        self.number = 0
        self.log = EventLog()
        self.progress = Progress("")
        self.held = Held()
        self._in_flight: InFlight | None = None
        self._task: asyncio.Task[None] | None = None
        self._forgotten: set[str] = set()

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
        self._forgotten.clear()
        self._hold(Held(files, UploadFolder()))
        self._enter(Step.RECEIVING)

    async def receive(self, files: Sequence[tuple[str, BinaryIO]]) -> None:
        """Take some of the files: their names, and what is in them. Raises ApiError as `UploadFolder.add` does."""
        folder = self._files(Step.RECEIVING)
        if folder.count + len(files) > MOST_FILES:
            raise ApiError(400, f"found more than {MOST_FILES:,} files, expected fewer", "invalid_value", "file")
        await run_sync(_put, folder, files)
        if folder.size > MOST_BYTES:
            self.cancel()
            raise ApiError(413, f"expected at most {MOST_BYTES:,} bytes", "too_large", "file")

    def read(self, columns: Sequence[tuple[str, str]] | None = None) -> None:
        """Read what was received, or again a table. columns: those of a table, see `ReadingSettings`.

        Raises ApiError where there is nothing.
        """
        folder = self._files(*([Step.RECEIVING] if columns is None else [Step.PREVIEW, Step.UNREAD]))
        if not folder.count:
            raise ApiError(400, "found no file, expected one or more", "invalid_value", "file")
        self.held = Held(self.held.expected, folder)
        self.progress = Progress("Reading")
        self._enter(Step.READING)
        self._start(self._read(folder, columns or (), self.progress))

    def choose(self, number: int, change: Change) -> None:
        """Change whose texts are saved.

        number: of the step in which that was shown.

        Raises ApiError where that is another one by now, and ArgumentError as `Choice.change` does.
        """
        found, choice = self._shown(number)
        choice.change(found, change)

    def is_outdated(self, number: int, change: Change) -> bool:
        """Whether another page has changed the choice, see `Choice.is_outdated`. Raises ApiError as `choose` does."""
        return self._shown(number)[1].is_outdated(change)

    def save(self, store: Store) -> None:
        """Save the documents of those who are chosen; where nobody is, say so."""
        found, choice = self.preview()
        if not choice.chosen:
            self.held.problem = "Nothing was saved: nobody is ticked yet. Tick one or more, then save."
            self._enter(Step.PREVIEW)
            return
        self.held.problem = None
        self._forgotten.clear()
        self.progress = Progress("Preparing")
        self._enter(Step.SAVING)
        self._start(self._save(store, found, choice, self.progress))

    async def stop_saving(self) -> None:
        """Leave off saving: nothing of it is kept, and what was read is there as before."""
        if self.step is Step.SAVING and self._task is not None:
            self.progress.stop()
            await asyncio.wait([self._task])

    def cancel(self) -> None:
        """Forget all of an import that is not being saved."""
        if self.step is Step.SAVING:
            raise ApiError(409, "found an import that is being saved: stop that first", "conflict")
        self.progress.stop()
        self._hold(Held())
        self._enter(Step.EMPTY)

    def forget(self, key: TenantUser) -> None:
        """Drop the texts of an author who is to be forgotten as a user."""
        tenant, user = key
        if tenant != LOCAL_TENANT:
            return
        self._forgotten.add(user)  # for what is being read or saved
        self.held.saved.pop(user, None)
        if self.step is Step.PREVIEW:
            self._drop(self.held.by(user))

    async def close(self) -> None:
        """Leave off, as the studio ends: what is not saved by now is not saved, and no file is left."""
        await self.stop_saving()
        self.cancel()

    def preview(self) -> tuple[Found, Choice]:
        """What was read, and what is chosen of it. Raises ApiError where nothing is shown."""
        self._at(Step.PREVIEW)
        assert self.held.found is not None
        assert self.held.choice is not None
        return self.held.found, self.held.choice

    def _shown(self, number: int) -> tuple[Found, Choice]:
        """What `preview` gives. Raises ApiError where it is not what was shown in the step of this number."""
        shown = self.preview()
        if number != self.number:
            raise _at_another_step()
        return shown

    async def _read(self, folder: UploadFolder, columns: Sequence[tuple[str, str]], progress: Progress) -> None:
        try:
            done = await run_sync(_read_folder, folder, columns, progress, abandon_on_cancel=True)
        except Unread as error:
            progress.check()
            self.held.problem, self.held.table = folder.shortened(error.line), error.table
            self.held.delete_files_unless_table()
            self._enter(Step.UNREAD)
            return
        progress.check()
        found = done.found
        found.lines = [folder.shortened(line) for line in found.lines]
        self.held.found, self.held.table, self.held.choice = found, done.table, first_choice(found)
        self.held.delete_files_unless_table()
        self._enter(Step.PREVIEW)
        self._drop({place for place, author in enumerate(found.authors) if author.name in self._forgotten})

    async def _save(self, store: Store, found: Found, choice: Choice, progress: Progress) -> None:
        try:
            saved = await run_sync(partial(_save_all, store, found, choice, progress, self._forgotten))
        except (Stopped, UserError) as error:
            why = "it was stopped" if isinstance(error, Stopped) else of_user_error(error).message
            self.held.problem = f"Nothing was saved: {why}."
            self._enter(Step.PREVIEW)
            for user in self._forgotten:
                self._drop(self.held.by(user))
            return
        self._hold(Held(saved={user: count for user, count in saved.items() if user not in self._forgotten}))
        self._enter(Step.SAVED)

    def _start(self, work: Awaitable[None]) -> None:
        self._task = asyncio.create_task(self._told(work, self.progress))

    async def _told(self, work: Awaitable[None], progress: Progress) -> None:
        """Do something, and tell meanwhile how far it is."""
        news = asyncio.create_task(_tell(self.log, progress))
        try:
            await work
        except Stopped:
            pass
        except Exception as error:  # its message may have a user's text
            if not progress.stopping:
                logger.error("import: %s", type(error).__name__)
                self._hold(Held(problem=f"The studio failed at this ({type(error).__name__})."))
                self._enter(Step.UNREAD)
        finally:
            progress.stop()  # where the studio ends
            news.cancel()
            empty_text_caches()

    def _drop(self, authors: set[int]) -> None:
        """Drop the texts of authors, and the import where there are no others."""
        if authors:
            self.held.drop(authors)
            self._enter(Step.PREVIEW)
        if self.held.found is not None and not self.held.found.authors:
            self.cancel()

    def _hold(self, held: Held) -> None:
        self.held.delete_files()
        self.held = held

    def _files(self, *steps: Step) -> UploadFolder:
        self._at(*steps)
        if self.held.folder is None:
            raise ApiError(409, "found no file any more: choose the files anew", "conflict")
        return self.held.folder

    def _at(self, *steps: Step) -> None:
        """Raise ApiError where the import is at another step, as another page has taken it there."""
        if self.step not in steps:
            raise _at_another_step()

    def _enter(self, step: Step) -> None:
        """Go to a step, which open pages are told."""
        before, self.log = self.log, EventLog()
        self.step = step
        self.number += 1
        before.add(CHANGED, "")
        before.end()


def _at_another_step() -> ApiError:
    return ApiError(409, "the import is at another step by now: load the page anew", "conflict")


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
