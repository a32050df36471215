"""What a run of the studio learns from: documents of people here, and what these chose or edited in Write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from penname.data.convert import ConversionSettings
from penname.data.from_documents import DataSet
from penname.serve.access import LOCAL_TENANT
from penname.serve.store.store import Store
from penname.studio.train.documents import DATA_FOLDER


def learned_users(run: Path) -> Iterator[str]:
    """The users whose documents here a run has learned from, each several times; none where it is of other data.

    run: its folder.
    """
    with suppress(OSError, ValueError, KeyError, TypeError), (run / DATA_FOLDER / "documents.jsonl").open("rb") as file:
        for line in file:
            yield str(json.loads(line)["user_id"])


def has_learned_from(run: Path, user: str) -> bool:
    """Whether a run has learned from a user's documents here. user: empty for anybody's."""
    return any(user in ("", known) for known in learned_users(run))


def add_feedback(data: DataSet, store: Store, users: Sequence[str]) -> int:
    """Add each user's edited and chosen texts, with their prompts, to the examples to train on; how many these are.

    They are neither tested with nor shown as what the user wrote: a model wrote most of them.

    data: of these users' documents; who has no example to train on there is passed over.

    Raises UnknownUser for one who was forgotten meanwhile.
    """
    last = {example["user_id"]: example for example in data.examples["train"]}
    added = [example for user in users if user in last for example in _examples_of(store, user, last[user])]
    data.examples["train"] += added
    return len(added)


def _examples_of(store: Store, user: str, last: dict[str, Any]) -> list[dict[str, Any]]:
    """A user's texts of feedback. last: the last example to train on, so that no text that is tested with is found."""
    given = [(one.prompt, one.edited or one.chosen, one.id) for one in store.feedback(LOCAL_TENANT, user)]
    texts = {(prompt, text): number for prompt, text, number in given if text}
    about = {"user_id": user, "task": ConversionSettings().task} | ({"date": last["date"]} if "date" in last else {})
    return [
        {"id": f"feedback-{number}", **about, "input": prompt, "output": text}
        for (prompt, text), number in texts.items()
    ]
