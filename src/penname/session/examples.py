"""Examples prepared for prompts: the input, the expected output, and the text of retrieved documents."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from penname.config import PromptConfig
from penname.data.layouts import shown_text
from penname.data.records import Document, Example, LayoutName
from penname.errors import UserError
from penname.retrieval.retrieve import rank_by_date
from penname.runs.shards import Record

PREPARED_PER_SHARD = 2**10
"""Number of examples in a shard of prepared examples, whose contexts are in memory together."""

COLD_START_DOCUMENTS = 5
"""Fewest documents of a user in the simulation of a cold start, which hides some of them."""


@dataclass(frozen=True)
class PreparedExample:
    """An example with its context: the retrieved documents as the prompt shows them, most relevant first.

    example_id, user_id, task: see `penname.data.records.Example`.
    input: the input x.
    output: the expected output y, what the user wrote.
    context: the user's retrieved documents.
    neighbours: retrieved documents of other users on the same item.
    layout: how a benchmark's own prompt shows the example.
    profile_size: number of documents in the user's profile.
    reasoning: a teacher's reasoning, where the data contains one.
    user_documents: a sample of the user's documents, for rewards that judge authorship and for style cards; empty where
        the recipe needs neither.
    """

    example_id: str
    user_id: str
    task: str
    input: str
    output: str
    context: tuple[str, ...]
    neighbours: tuple[str, ...] = ()
    layout: LayoutName = "plain"
    profile_size: int = 0
    reasoning: str | None = None
    user_documents: tuple[str, ...] = ()

    @property
    def documents(self) -> tuple[str, ...]:
        """All retrieved documents, for prompts that do not distinguish who wrote them."""
        return self.context + self.neighbours


def prepare_example(example: Example, documents: Sequence[Document], prompt: PromptConfig) -> PreparedExample:
    """Prepare an example with its retrieved documents.

    documents: the retrieved documents of the user and of neighbours, most relevant first.
    prompt: the recipe's settings of prompts.

    Raises UserError where the example has no output.
    """
    if example.output is None or not example.output.strip():
        raise UserError(f"example {example.id!r} ({example.task}): field 'output': found nothing, expected text")
    of_others = {id(document) for document in example.neighbours}
    context, neighbours = (
        tuple(
            shown_text(example, d) if prompt.style == "benchmark" else d.text
            for d in documents
            if (id(d) in of_others) == by_others
        )
        for by_others in (False, True)
    )
    return PreparedExample(
        example.id,
        example.user_id,
        example.task,
        example.input,
        example.output,
        context,
        neighbours,
        example.layout,
        len(example.profile),
        example.reasoning,
    )


def example_record(example: PreparedExample) -> Record:
    """What a run keeps of an example; the user's documents are kept once for all examples of the user."""
    fields = asdict(example)
    del fields["user_documents"]
    fields["history"] = fields.pop("profile_size")  # its name in files, which earlier runs have too
    return fields


def example_of(record: Record, user_documents: Sequence[str] = ()) -> PreparedExample:
    """The example of a record, which may have other fields too.

    record: see `example_record`.
    user_documents: see `PreparedExample`.
    """
    own = {name: record[name] for name in PreparedExample.__dataclass_fields__ if name in record}
    context, neighbours = tuple(record["context"]), tuple(record["neighbours"])
    own |= {"context": context, "neighbours": neighbours, "profile_size": record.get("history", 0)}
    return PreparedExample(**own | {"user_documents": tuple(user_documents)})


def shuffle_profiles(examples: Sequence[Example], share: float, seed: int) -> list[Example]:
    """Give a share of the examples the profile of another user of the same task.

    share: 0 to 1. Profiles that are replaced at one share are replaced by the same ones at every larger share.
    seed: of the random choice.

    REST-PG's Appendix A (Figure 5) replaces personalized contexts by those of others; retrieving documents anew from
    the other user's profile is our reading. Raises UserError where a task has one user only.
    """
    shuffled = list(examples)  # read once and in order, which is much faster than random access
    order = random.Random(f"{seed}-shuffled").sample(range(len(shuffled)), len(shuffled))
    replaced = order[: round(share * len(shuffled))]
    by_task: dict[str, list[Example]] = {}
    for example in shuffled if replaced else []:
        if example.profile:
            by_task.setdefault(example.task, []).append(example)
    users = {task: {e.user_id for e in of_task} for task, of_task in by_task.items()}
    for i in replaced:
        example = shuffled[i]
        candidates = users.get(example.task, set())
        if len(candidates) == (example.user_id in candidates):
            raise UserError(f"task {example.task}: found no second user, expected some to shuffle profiles with")
        rng = random.Random(f"{seed}-{example.id}")
        other = example
        while other.user_id == example.user_id:
            other = rng.choice(by_task[example.task])
        shuffled[i] = replace(example, profile=other.profile)
    return shuffled


def latest_documents(documents: Sequence[Document], count: int) -> list[Document]:
    """The latest documents by `recency`, in their original order.

    count: how many.
    """
    return [documents[i] for i in sorted(rank_by_date(documents)[:count])]
