"""One of the texts side by side: what it is written with, as whom, and how far it is."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from anyio import CancelScope
from anyio.to_thread import run_sync
from markupsafe import escape

from penname.data.records import Document
from penname.errors import UserError
from penname.serve.backend import EngineFailed
from penname.serve.errors import ApiError, engine_failed, forgotten, of_user_error
from penname.serve.methods import Methods
from penname.serve.new_writing import new_writing
from penname.serve.state import State
from penname.serve.store.store import Store
from penname.serve.writing import Order, Piece, Writing
from penname.studio.events import EventLog
from penname.studio.models import Choice, Models
from penname.studio.pages import part
from penname.studio.state import CALLER
from penname.studio.write.asked import Asked
from penname.studio.write.found import MOST_SAMPLED, Found, found_documents

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_PIECES = 0.08
"""Tokens that come faster are shown together."""

Stage = Literal["begun", "loading", "waiting", "writing", "written", "stopped", "failed", "forgotten"]
UNDER_WAY = ("begun", "loading", "waiting", "writing")
PARTS = ("column", "title", "state", "found", "reasoning", "text", "foot", "kept")
"""The parts of a column that the page shows; each is an event of its own, with the column's number."""


class Kept(NamedTuple):
    """Feedback that was given to the text.

    user: whose.
    id: by which it can be taken back.
    what: in words.
    is_learned: whether the next training learns from it.
    """

    user: str
    id: str
    what: str
    is_learned: bool


@dataclass(eq=False)
class Column:
    """A text, from when it is asked for.

    number: among those of the sheet, from 0.
    sheet: the id of the sheet, for addresses.
    user: who is written as; None for nobody, and once the user is forgotten.
    compared: whether another text of the sheet is written as the same user.
    slot: where the user's key is; None where nobody knows the user.
    is_unknown: whether nobody in the studio has the user's name, once that was looked up.
    problem: why there is no text, or no more of it.
    is_cut: whether the text came to no end within its tokens.
    """

    number: int
    sheet: str
    choice: Choice
    user: str | None
    asked: Asked
    log: EventLog = field(repr=False)
    compared: bool = False
    stage: Stage = "begun"
    slot: int | None = None
    is_unknown: bool = False
    reasoning: str = ""
    text: str = ""
    problem: str = ""
    is_cut: bool = False
    kept: list[Kept] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._scope = CancelScope()
        self._waiting_pieces = {"reasoning": "", "text": ""}
        self._shown = 0.0
        self._show("column")

    @property
    def under_way(self) -> bool:
        """Whether it is still being written."""
        return self.stage in UNDER_WAY

    async def write(self, state: State, models: Models) -> None:
        """Write it to its end, which it tells itself whatever that is."""
        with self._scope:
            try:
                await self._write(state, models)
            except ApiError as error:
                if error.code == forgotten().code:
                    self.forget()
                self._end_badly(state, error.message)
            except UserError as error:
                self._end_badly(state, of_user_error(error).message)
            except EngineFailed:
                self._end_badly(state, engine_failed().message)
            except Exception as error:  # whose message may have a text of the user's
                logger.error("a text of the studio: %s", type(error).__name__)
                self._end_badly(state, "the studio failed")
        if self._scope.cancelled_caught and self.under_way:
            self._end("stopped", "")

    def stop(self) -> None:
        """Write nothing more; what there is stays."""
        self._scope.cancel()

    def forget(self) -> None:
        """Keep nothing that was written for the user, nor who it was."""
        self.stage, self.user, self.slot = "forgotten", None, None
        self.reasoning = self.text = self.problem = ""
        self._waiting_pieces = {"reasoning": "", "text": ""}
        self.kept = []
        self._scope.cancel()
        self.log.drop([f"{name}-{self.number}" for name in PARTS])
        self._show("column")

    def is_forgotten(self, state: State) -> bool:
        """Whether the user is, by whatever process."""
        return self.slot is not None and state.store.is_forgotten(self.slot)

    def keep(self, kept: list[Kept]) -> None:
        """Note which feedback is kept of the text now; nothing of a user who was forgotten while it was kept."""
        if self.stage != "forgotten":
            self.kept = kept
            self._show("kept")

    async def _write(self, state: State, models: Models) -> None:
        async with models.using(self.choice, lambda: self._go_on("loading")) as methods:
            self._go_on("waiting")
            writing = await new_writing(_with(state, methods), self.choice.method, self._order())
            try:
                await writing.start()
                self.slot = writing.slot
                self.is_unknown = self.user is not None and self.slot is None
                self._show("title")
                async with writing.until_stopped():
                    await self._take(writing, state)
            finally:
                await writing.close()
        cut = ["it is cut off: it came to no end within the most tokens (see Settings)"] if self.is_cut else []
        self._end("written", "", [*cut, *writing.notes])

    async def _take(self, writing: Writing, state: State) -> None:
        self._show("found", documents=await run_sync(self._found, writing.shown, state.store))
        self._go_on("writing")
        async with aclosing(writing.given_out()) as pieces:
            async for piece in pieces:
                self._add(piece)

    def _found(self, shown: Sequence[Document], store: Store) -> list[Found]:
        known = self.user is not None and self.slot is not None
        sample = store.documents(CALLER.tenant, str(self.user), limit=MOST_SAMPLED) if known and shown else []
        return found_documents(shown, self.asked.prompt, sample)

    def _add(self, piece: Piece) -> None:
        if self.stage == "forgotten":  # what had come before the writing could be stopped
            return
        self.is_cut = self.is_cut or piece.finish_reason == "length"
        self.reasoning += piece.reasoning
        self.text += piece.text
        self._waiting_pieces["reasoning"] += piece.reasoning
        self._waiting_pieces["text"] += piece.text
        if time.monotonic() - self._shown >= SECONDS_BETWEEN_PIECES:
            self._show_pieces()

    def _show_pieces(self) -> None:
        self._shown = time.monotonic()
        for name, text in self._waiting_pieces.items():
            if text:
                self.log.add(f"{name}-{self.number}", f"<span>{escape(text)}</span>")
        self._waiting_pieces = {"reasoning": "", "text": ""}

    def _go_on(self, stage: Stage) -> None:
        self.stage = stage
        self._show("state")

    def _end_badly(self, state: State, problem: str) -> None:
        if self.is_forgotten(state):
            self.forget()
        self._end("failed", problem)

    def _end(self, stage: Stage, problem: str, notes: list[str] | None = None) -> None:
        if self.stage == "forgotten":
            return
        self._show_pieces()
        self.stage, self.problem = stage, problem
        self._show("state")
        self._show("foot", notes=notes or [])

    def _show(self, name: str, **values: object) -> None:
        """Show a part of it as it is now, in the place of how it was."""
        kind = f"{name}-{self.number}"
        self.log.drop([kind])
        self.log.add(kind, part(f"write_{name}.html", column=self, **values))

    def _order(self) -> Order:
        asked = self.asked
        sampling = {} if asked.temperature is None else {"temperature": asked.temperature}
        return Order(CALLER, self.user, asked.prompt, seed=asked.seed, sampling=sampling, most_tokens=asked.most_tokens)


def _with(state: State, methods: Methods) -> State:
    """What a text is written with, by other methods than the server's own."""
    return replace(state, methods=methods)
