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
    FAR,
    TRAITS,
    Prompt,
    User,
    draw_prompt,
    draw_user,
    right_values,
    traits_of,
    write_documents,
    write_prompt,
    write_reasoning,
    write_text,
)
from penname.data.jsonl import DOCUMENTS_FILE

SHARES = {"train": 0.5, "val": 0.2, "test": 0.3}
TASK = "control"
FOR_VOCABULARY = 400
"""Examples that the vocabulary is taken from: enough for every value of every trait to occur."""
SAID = 0.5
"""Probability that the writer of a pretraining text states a given trait."""


@dataclass(frozen=True)
class Teacher:
    """What a teacher states of a trait; otherwise it leaves the trait out.

    right: probability of the right value.
    misled: probability of a wrong value that the documents show.
    """

    right: float
    misled: float


def write_control(folder: Path, users: int, seed: int, teacher: Teacher) -> dict[str, int]:
    """Write the corpus into a folder and return the number of examples of each split.

    users: number of users over all splits, with one example each.
    seed: the same arguments write the same files.
    teacher: how often the teacher's reasoning is right.
    """
    counts = {split: round(share * users) for split, share in SHARES.items()}
    with (folder / DOCUMENTS_FILE).open("w", encoding="utf-8") as documents:
        for split, examples_in in counts.items():
            with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as examples:
                for number in range(examples_in):
                    made = make_example(f"{split}-{number}", seed, teacher)
                    for text in made.documents:
                        documents.write(json.dumps({"user_id": made.user.name, "text": text}) + "\n")
                    examples.write(json.dumps(_record(made, with_reasoning=split == "train")) + "\n")
    return counts


@dataclass(frozen=True)
class Made:
    """An example with what it was generated from.

    stated: the value the teacher gives each trait that it mentions.
    """

    user: User
    prompt: Prompt
    documents: list[str]
    stated: dict[str, str]

    @property
    def right(self) -> dict[str, str]:
        return right_values(self.user, self.prompt)

    @property
    def reasoning(self) -> str:
        return write_reasoning(self.user, self.prompt, self.stated)


def make_example(name: str, seed: int, teacher: Teacher) -> Made:
    """The example of the user called `name`."""
    rng = random.Random(f"{seed}-{name}")
    user = draw_user(name, rng)
    prompt = draw_prompt(rng)
    documents = write_documents(user, prompt.subject, rng)
    return Made(user, prompt, documents, draw_stated(right_values(user, prompt), documents, teacher, rng))


def draw_stated(
    right: Mapping[str, str], documents: Sequence[str], teacher: Teacher, drawn: random.Random
) -> dict[str, str]:
    """What the teacher states of each trait, independently of the others: the right value, a wrong one or nothing.

    A wrong value is always one that some document shows, as if that document had misled the teacher.
    """
    shown = values_shown(documents)
    stated = {}
    for trait, value in right.items():
        luck = drawn.random()
        if luck < teacher.right:
            stated[trait] = value
        elif luck < teacher.right + teacher.misled:
            stated[trait] = drawn.choice(sorted(shown[trait] - {value}))
    return stated


@dataclass(frozen=True)
class Told:
    """The values for the template of REST-PG's Figure 8."""

    input: str
    documents: list[str]
    reasoning: str
    response: str


def told_of_others(seed: int) -> Iterator[Told]:
    """An endless stream of pretraining examples about users who are in no split.

    Each reasoning states the right value of each trait with probability `SAID`, and the text follows it. A trait that
    takes several steps (`FAR`) is right in the text only if the reasoning states it; otherwise it has any value that
    the documents show. A model pretrained on these can take every step of a reasoning and write by it, but has not
    learned which steps are worth taking.
    """
    for number in count():
        rng = random.Random(f"{seed}-others-{number}")
        user, prompt = draw_user(f"others-{number}", rng), draw_prompt(rng)
        documents = write_documents(user, prompt.subject, rng)
        right, shown = right_values(user, prompt), values_shown(documents)
        said = {trait: value for trait, value in right.items() if rng.random() < SAID}
        guessed = {trait: rng.choice(sorted(shown[trait])) for trait in FAR if trait not in said}
        text = write_text(prompt, right | guessed)
        yield Told(write_prompt(prompt), documents, write_reasoning(user, prompt, said), text)


def values_shown(documents: Sequence[str]) -> dict[str, set[str]]:
    """The values of each trait that the documents show."""
    values: dict[str, set[str]] = {trait: set() for trait in TRAITS}
    for document in documents:
        for trait, value in traits_of(document).items():
            values[trait].add(value)
    return values


def vocabulary_texts() -> Iterator[str]:
    """Texts that together contain every word of the corpus."""
    for number in range(FOR_VOCABULARY):
        made = make_example(f"vocabulary-{number}", 0, Teacher(right=1, misled=0))
        yield from (*made.documents, write_prompt(made.prompt), write_text(made.prompt, made.right), made.reasoning)


def _record(made: Made, *, with_reasoning: bool) -> dict[str, str]:
    record = {
        "id": made.user.name,
        "user_id": made.user.name,
        "task": TASK,
        "input": write_prompt(made.prompt),
        "output": write_text(made.prompt, made.right),
    }
    return record | ({"reasoning": made.reasoning} if with_reasoning else {})
