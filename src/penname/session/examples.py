"""Examples as methods see them: the input, the expected output, and what a prompt shows of retrieved documents."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from penname.config import PromptConfig
from penname.data.layouts import shown_text
from penname.data.records import Document, Example, LayoutName
from penname.errors import UserError
from penname.retrieval.retrieve import recency

RANKED_AT_ONCE = 2**10
"""Examples in a shard of prepared ones; their contexts are in memory together."""

RICH = 5
"""Documents of a user from which on it means something to hide some."""


@dataclass(frozen=True)
class Prepared:
    """An example with its context: what the prompt shows of the retrieved documents, best first.

    context: of the user's own, neighbours: of other users' on the same item. history: number of documents of the
    user's own to choose from. reasoning: what the data says that a teacher has written.
    """

    example_id: str
    user_id: str
    task: str
    input: str
    output: str
    context: tuple[str, ...]
    neighbours: tuple[str, ...] = ()
    layout: LayoutName = "plain"
    history: int = 0
    reasoning: str | None = None

    @property
    def shown(self) -> tuple[str, ...]:
        """What is shown where a prompt does not tell whose documents are whose."""
        return self.context + self.neighbours


def prepared(example: Example, documents: Sequence[Document], prompt: PromptConfig) -> Prepared:
    if example.output is None or not example.output.strip():
        raise UserError(f"example {example.id!r} ({example.task}): field 'output': found nothing, expected text")
    others = {id(document) for document in example.neighbours}
    own, neighbours = (
        tuple(
            shown_text(example, d) if prompt.style == "benchmark" else d.text
            for d in documents
            if (id(d) in others) == of_others
        )
        for of_others in (False, True)
    )
    return Prepared(
        example.id,
        example.user_id,
        example.task,
        example.input,
        example.output,
        own,
        neighbours,
        example.layout,
        len(example.profile),
        example.reasoning,
    )


def with_others_profiles(examples: Sequence[Example], share: float, seed: int) -> list[Example]:
    """The examples, of which a share has the profile of another user of the task in place of the user's own.

    REST-PG's Appendix A (Figure 5) replaces personalized contexts by those of others; that documents are retrieved anew
    from the other's profile is our reading. What is replaced for a share is replaced for every larger one too, and
    always by the same. Raises UserError where a task has one user only.
    """
    found = list(examples)  # read once, in their order: any other takes many times as long
    order = random.Random(f"{seed}-shuffled").sample(range(len(found)), len(found))
    replaced = order[: round(share * len(found))]
    by_task: dict[str, list[Example]] = {}
    for example in found if replaced else []:
        if example.profile:
            by_task.setdefault(example.task, []).append(example)
    users = {task: {e.user_id for e in of_task} for task, of_task in by_task.items()}
    for place in replaced:
        example = found[place]
        known = users.get(example.task, set())
        if len(known) == (example.user_id in known):
            raise UserError(f"task {example.task}: found no second user, expected some to shuffle profiles with")
        drawn = random.Random(f"{seed}-{example.id}")
        other = example
        while other.user_id == example.user_id:
            other = drawn.choice(by_task[example.task])
        found[place] = replace(example, profile=other.profile)
    return found


def latest(documents: Sequence[Document], count: int) -> list[Document]:
    """So many of the documents, the latest by `recency`, in their order."""
    return [documents[place] for place in sorted(recency(documents)[:count])]
