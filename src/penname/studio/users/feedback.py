"""What is kept of what a person thought of texts, as a user's page shows it."""

from __future__ import annotations

from typing import NamedTuple

from penname.serve.access import LOCAL_TENANT
from penname.serve.state import State
from penname.serve.store.records import Feedback

MOST_SHOWN = 100


class FeedbackShown(NamedTuple):
    """A line of feedback. learned: whether the next training learns from it."""

    id: str
    date: str
    prompt: str
    what: str
    text: str
    learned: bool


def feedback_of(state: State, user: str) -> list[FeedbackShown]:
    """A user's feedback, the newest first. Raises UnknownUser."""
    return [_shown(one) for one in reversed(state.store.feedback(LOCAL_TENANT, user)[-MOST_SHOWN:])]


def _shown(one: Feedback) -> FeedbackShown:
    what, text = _said(one)
    return FeedbackShown(one.id, one.created[:10], one.prompt, what, text, bool(one.edited or one.chosen))


def _said(one: Feedback) -> tuple[str, str]:
    """What a line says, and the text that it is about."""
    if one.edited:
        return "your edited text", one.edited
    if one.chosen:
        return "chosen before another text", one.chosen
    return ("you like it" if one.thumbs == "up" else "you do not like it"), one.response
