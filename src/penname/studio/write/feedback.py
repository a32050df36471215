"""What the person at the page thinks of a text is kept as the user's feedback, and can be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from penname.serve.errors import ApiError, forgotten
from penname.serve.state import State
from penname.serve.store.records import Feedback
from penname.studio.state import CALLER
from penname.studio.write.column import Column, Kept

Thought = Literal["up", "down", "chosen", "edited"]
WORDS = {"up": "you like it", "down": "you do not like it", "chosen": "you chose it", "edited": "your edited text"}


def keep_feedback(
    state: State, column: Column, others: Sequence[Column], thought: Thought, edited: str | None
) -> list[Kept]:
    """Keep a thought of a text; the feedback that is kept of it then.

    others: the other texts of the sheet; where the text is chosen, it is preferred to those of the same user.
    edited: the text as the person changed it.

    Raises ApiError where there is no text of a known user, and UserError where it cannot be kept.
    """
    user = column.user
    if column.stage != "written" or column.slot is None or user is None:
        raise ApiError(400, "found no finished text of a known user, whose feedback it would be", "invalid_value")
    if column.is_forgotten(state):
        raise forgotten()
    given = [_about(column, edited=edited)] if thought == "edited" else []
    if thought in ("up", "down"):
        given = [_about(column, thumbs=thought)]
    if thought == "chosen":
        given = [_about(other, chosen=column.text) for other in rivals(column, others)]
        if not given:
            problem = "found no other text of this user to prefer it to, expected one in another column"
            raise ApiError(400, problem, "invalid_value")
    replaced = {WORDS["up"], WORDS["down"]} if thought in ("up", "down") else {WORDS[thought]}
    take_back(state, [kept for kept in column.kept if kept.what in replaced])
    learned = thought in ("chosen", "edited")
    new = [Kept(user, state.store.add_feedback(CALLER.tenant, user, one), WORDS[thought], learned) for one in given]
    return [kept for kept in column.kept if kept.what not in replaced] + new


def take_back(state: State, kept: Sequence[Kept]) -> None:
    """Delete feedback. Raises UserError."""
    for one in kept:
        state.store.delete_feedback(CALLER.tenant, one.user, one.id)


def rivals(column: Column, others: Sequence[Column]) -> list[Column]:
    """The texts that a text may be preferred to: finished ones of the same user that differ."""
    return [
        other
        for other in others
        if other is not column
        and other.stage == "written"
        and (other.user, other.slot) == (column.user, column.slot)
        and other.text.strip()
        and other.text != column.text
    ]


def _about(
    column: Column,
    *,
    chosen: str | None = None,
    edited: str | None = None,
    thumbs: Literal["up", "down"] | None = None,
) -> Feedback:
    return Feedback(column.asked.prompt, column.text, chosen, edited, thumbs, column.choice.name, column.asked.seed)
