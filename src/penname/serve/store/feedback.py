"""What users thought of responses, and what the next training takes of it."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import Connection, insert, select

from penname.data.records import Document
from penname.errors import ArgumentError
from penname.serve.store.part import KnownUser, UserPart, checked_id, checked_text, checked_user, note, now
from penname.serve.store.records import Feedback
from penname.serve.store.tables import feedback
from penname.serve.store.users import delete_rows

_TEXTS = ("prompt", "response", "chosen", "edited", "method")


class Feedbacks(UserPart):
    """A user's feedback."""

    def add_feedback(self, tenant: str, user: str, given: Feedback) -> str:
        """Add feedback; the id that it gets.

        given: its id and time are given here.

        Raises UnknownUser, and ArgumentError where there is neither a text nor thumbs, or a text cannot be kept.
        """
        tenant, user = checked_user(tenant, user)
        kept = replace(_checked(given), id=secrets.token_hex(8), created=now())
        with self._database.writing(tenant) as connection:
            known = self._known(connection, tenant, user, hold=True)
            sealed = known.key.seal("feedback", kept.id, vars(kept))
            row = {"tenant": tenant, "user_mark": known.mark, "id": kept.id, "created": kept.created, "sealed": sealed}
            connection.execute(insert(feedback).values(row))
            note(connection, tenant, "feedback added")
        return kept.id

    def feedback(self, tenant: str, user: str) -> list[Feedback]:
        """A user's feedback in the order in which it was given. Raises UnknownUser."""
        tenant, user = checked_user(tenant, user)
        with self._database.reading(tenant) as connection:
            return read_feedback(connection, tenant, self._known(connection, tenant, user))

    def delete_feedback(self, tenant: str, user: str, feedback_id: str) -> bool:
        """Delete feedback; whether the user had given it. Raises UnknownUser."""
        tenant, user = checked_user(tenant, user)
        this = feedback.c.id == checked_id("id", feedback_id)
        with self._database.writing(tenant) as connection:
            known = self._known(connection, tenant, user, hold=True)
            deleted = delete_rows(connection, feedback, tenant, known, "feedback deleted", this)
        if deleted:
            self._erase_soon()
        return deleted > 0


def read_feedback(connection: Connection, tenant: str, known: KnownUser) -> list[Feedback]:
    """A user's feedback in the order in which it was given."""
    own = (feedback.c.tenant == tenant, feedback.c.user_mark == known.mark)
    query = select(feedback.c.id, feedback.c.sealed).where(*own).order_by(feedback.c.created, feedback.c.id)
    return [Feedback(**known.key.unseal("feedback", row.id, row.sealed)) for row in connection.execute(query)]


def preference_pairs(given: Sequence[Feedback]) -> list[dict[str, str]]:
    """The `prompt`, `chosen` and `rejected` texts that feedback holds, each pair once.

    What a user chose or wrote instead is preferred to the response; of a prompt with several responses, those with
    thumbs up to those with thumbs down.
    """
    pairs = {pair: None for pair in (*_replaced(given), *_judged(given)) if pair[1] != pair[2]}
    return [{"prompt": prompt, "chosen": chosen, "rejected": rejected} for prompt, chosen, rejected in pairs]


def written_documents(given: Sequence[Feedback], user: str) -> list[Document]:
    """The texts that a user edited, or else chose, as documents: what is only liked is a model's alone."""
    kept = [(text, one) for one in given if (text := one.edited or one.chosen)]
    return [Document(user, text, id=f"feedback-{one.id}", date=one.created[:10]) for text, one in kept]


def _checked(given: Feedback) -> Feedback:
    if given.thumbs not in (None, "up", "down"):
        raise ArgumentError("thumbs", f"found {str(given.thumbs)[:40]!r}, expected 'up' or 'down'")
    if given.chosen is None and given.edited is None and given.thumbs is None:
        raise ArgumentError("feedback", "found none of them, expected a chosen text, an edited text, or thumbs")
    if given.seed is not None and not -(2**63) <= given.seed < 2**63:
        raise ArgumentError("seed", f"found {given.seed}, expected a number of 64 bits")
    for name in _TEXTS:
        checked_text(name, getattr(given, name) or "")
    return given


def _replaced(given: Sequence[Feedback]) -> Iterator[tuple[str, str, str]]:
    for one in given:
        for text in (one.edited, one.chosen):
            if text:
                yield one.prompt, text, one.response


def _judged(given: Sequence[Feedback]) -> Iterator[tuple[str, str, str]]:
    liked: dict[str, list[str]] = defaultdict(list)
    for one in given:
        if one.thumbs == "up":
            liked[one.prompt].append(one.response)
    for one in given:
        if one.thumbs == "down":
            yield from ((one.prompt, response, one.response) for response in liked[one.prompt])
