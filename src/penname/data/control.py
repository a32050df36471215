"""A synthetic corpus with known answers: users have hidden traits, and a teacher states some of them correctly.

It is written in penname's own JSONL format: one file for each split, the users' documents in another. No user is in two
splits. The traits, and how a text shows them, are defined in `penname.data.control_rules`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from penname.data.control_rules import (
    MULTI_STEP,
    TRAITS,
    ControlPrompt,
    ControlUser,
    right_values,
    sample_prompt,
    sample_user,
    traits_of,
    write_documents,
    write_prompt,
    write_reasoning,
    write_text,
)
from penname.data.jsonl import DOCUMENTS_FILE

SHARES = {"train": 0.5, "val": 0.2, "test": 0.3}
TASK = "control"
VOCABULARY_EXAMPLES = 400
"""Number of examples that the vocabulary is taken from: enough for every value of every trait to occur."""
STATED = 0.5
"""Probability that the reasoning of a pretraining example states a given trait."""


@dataclass(frozen=True)
class Teacher:
    """What the simulated teacher states about each trait; it says nothing about the others.

    right: probability that it states the right value.
    misled: probability that it states a wrong value that the documents show.
    """

    right: float
    misled: float


def write_control(folder: Path, users: int, seed: int, teacher: Teacher) -> dict[str, int]:
    """Write the corpus into a folder and return the number of examples of each split.

    users: number of users in all splits together, with one example each.
    seed: of all random choices; the same arguments write the same files.
    teacher: how often the teacher's reasoning is right.
    """
    counts = {split: round(share * users) for split, share in SHARES.items()}
    with (folder / DOCUMENTS_FILE).open("w", encoding="utf-8") as documents:
        for split, size in counts.items():
            with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as examples:
                for number in range(size):
                    example = make_example(f"{split}-{number}", seed, teacher)
                    for text in example.documents:
                        documents.write(json.dumps({"user_id": example.user.name, "text": text}) + "\n")
                    examples.write(json.dumps(_record(example, with_reasoning=split == "train")) + "\n")
    return counts


@dataclass(frozen=True)
class ControlExample:
    """An example with what it was generated from.

    documents: the user's notes.
    stated: for each trait that the teacher states, the value that it gives.
    """

    user: ControlUser
    prompt: ControlPrompt
    documents: list[str]
    stated: dict[str, str]

    @property
    def right(self) -> dict[str, str]:
        """The right value of each trait."""
        return right_values(self.user, self.prompt)

    @property
    def reasoning(self) -> str:
        """The teacher's reasoning."""
        return write_reasoning(self.user, self.prompt, self.stated)


def make_example(name: str, seed: int, teacher: Teacher) -> ControlExample:
    """Generate the example of one user.

    name: the user's; with the seed it fixes everything.
    seed: of all random choices.
    teacher: how often the teacher's reasoning is right.
    """
    rng = random.Random(f"{seed}-{name}")
    user = sample_user(name, rng)
    prompt = sample_prompt(rng)
    documents = write_documents(user, prompt.subject, rng)
    return ControlExample(user, prompt, documents, sample_stated(right_values(user, prompt), documents, teacher, rng))


def sample_stated(
    right: Mapping[str, str], documents: Sequence[str], teacher: Teacher, rng: random.Random
) -> dict[str, str]:
    """Sample what the teacher states of each trait, independently of the others: the right value, a wrong one or none.

    right: the right value of each trait.
    documents: the user's notes. A wrong value is one that some of them shows, as if it had misled the teacher.
    """
    shown = values_shown(documents)
    stated = {}
    for trait, value in right.items():
        chance = rng.random()
        if chance < teacher.right:
            stated[trait] = value
        elif chance < teacher.right + teacher.misled:
            stated[trait] = rng.choice(sorted(shown[trait] - {value}))
    return stated


@dataclass(frozen=True)
class PretrainingExample:
    """The values of the fields of REST-PG's Figure 8, input and output."""

    input: str
    documents: list[str]
    reasoning: str
    response: str


def pretraining_examples(seed: int) -> Iterator[PretrainingExample]:
    """An endless stream of pretraining examples about users who are in no split.

    Each reasoning states the right value of each trait with probability `STATED`, and the text follows it. A trait that
    takes several steps (`MULTI_STEP`) is right in the text only if the reasoning states it; otherwise it has any value
    that the documents show. A model pretrained on these examples can carry out every step of a reasoning and write
    accordingly, but has not learned which steps are worthwhile.
    """
    for number in count():
        rng = random.Random(f"{seed}-others-{number}")
        user, prompt = sample_user(f"others-{number}", rng), sample_prompt(rng)
        documents = write_documents(user, prompt.subject, rng)
        right, shown = right_values(user, prompt), values_shown(documents)
        stated = {trait: value for trait, value in right.items() if rng.random() < STATED}
        guessed = {trait: rng.choice(sorted(shown[trait])) for trait in MULTI_STEP if trait not in stated}
        text = write_text(prompt, right | guessed)
        yield PretrainingExample(write_prompt(prompt), documents, write_reasoning(user, prompt, stated), text)


def values_shown(documents: Sequence[str]) -> dict[str, set[str]]:
    """The values of each trait that the documents show."""
    values: dict[str, set[str]] = {trait: set() for trait in TRAITS}
    for document in documents:
        for trait, value in traits_of(document).items():
            values[trait].add(value)
    return values


def vocabulary_texts() -> Iterator[str]:
    """Texts that together contain every word of the corpus."""
    for number in range(VOCABULARY_EXAMPLES):
        example = make_example(f"vocabulary-{number}", 0, Teacher(right=1, misled=0))
        yield from (
            *example.documents,
            write_prompt(example.prompt),
            write_text(example.prompt, example.right),
            example.reasoning,
        )


def _record(example: ControlExample, *, with_reasoning: bool) -> dict[str, str]:
    record = {
        "id": example.user.name,
        "user_id": example.user.name,
        "task": TASK,
        "input": write_prompt(example.prompt),
        "output": write_text(example.prompt, example.right),
    }
    return record | ({"reasoning": example.reasoning} if with_reasoning else {})
