"""What was asked for of late: prompts, each with its texts side by side. They are in memory alone."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence

from penname.serve.state import State
from penname.serve.writing import SECONDS_BETWEEN_LOOKS
from penname.studio.events import EventLog
from penname.studio.models import Choice, Models
from penname.studio.write.asked import Asked
from penname.studio.write.column import Column

MOST_SHEETS = 8
"""How many are kept."""


class Sheet:
    """A prompt with its texts.

    asked: what was asked for.
    columns: the texts.
    log: what pages show of them.
    """

    def __init__(self, asked: Asked, columns: Sequence[tuple[Choice, str | None]]) -> None:
        self.id = secrets.token_hex(6)
        self.asked = asked
        self.log = EventLog()
        users = [user for _, user in columns]
        self.columns = [
            Column(number, self.id, choice, user, asked, self.log, users.count(user) > 1)
            for number, (choice, user) in enumerate(columns)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._count = len(columns)

    def begin(self, state: State, models: Models) -> None:
        """Have all of its texts written at once."""
        self._tasks = [asyncio.create_task(self._write(column, state, models)) for column in self.columns]
        self._tell()

    def stop(self) -> None:
        """Have nothing more written, and keep no page waiting."""
        for column in self.columns:
            column.stop()
        self.log.end()

    async def _write(self, column: Column, state: State, models: Models) -> None:
        await column.write(state, models)
        self._tell()

    def _tell(self) -> None:
        """Tell how many texts are done, which a screen reader says."""
        left = sum(column.under_way for column in self.columns)
        self.log.drop(["told"])
        self.log.add("told", f"{self._count - left} of {self._count} done" if left else "All done")


class Sheets:
    """The latest ones; all calls are made in the event loop.

    state: gives what the server works with.
    """

    def __init__(self, state: Callable[[], State], models: Models) -> None:
        self._state = state
        self._models = models
        self._sheets: OrderedDict[str, Sheet] = OrderedDict()
        self._watch: asyncio.Task[None] | None = None

    @property
    def newest(self) -> Sheet | None:
        """The one that was begun last."""
        return next(reversed(self._sheets.values()), None)

    def get(self, sheet_id: str) -> Sheet | None:
        """A sheet; None where it is kept no more, or was begun before the studio was."""
        return self._sheets.get(sheet_id)

    def begin(self, asked: Asked, columns: Sequence[tuple[Choice, str | None]]) -> Sheet:
        """Have a prompt's texts written."""
        sheet = Sheet(asked, columns)
        self._sheets[sheet.id] = sheet
        while len(self._sheets) > MOST_SHEETS:
            self._sheets.popitem(last=False)[1].stop()
        sheet.begin(self._state(), self._models)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._forget())
        return sheet

    async def _forget(self) -> None:
        """Look again and again whether somebody is forgotten of whom a text is kept."""
        state = self._state()
        while kept := [
            c for sheet in self._sheets.values() for c in sheet.columns if c.under_way or c.slot is not None
        ]:
            for column in kept:
                if column.is_forgotten(state):
                    column.forget()
            del kept
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
