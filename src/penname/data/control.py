"""A corpus whose right answers are known: users with hidden traits, and a teacher that is right about some of them.

It is written in penname's own JSONL layout, a file a split and the users' documents beside them; no user is in two
splits. What the traits are and how a text obeys them is in `penname.data.control_rules`.
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
"""Examples enough for every value of every trait to be among them."""
SAID = 0.5
"""How probable it is that a writer of the texts of pretraining says something of a trait."""


@dataclass(frozen=True)
class Teacher:
    """How probable it is that the teacher is right about a trait, and that it is misled; else it says nothing of it."""

    right: float
    misled: float


def write_control(folder: Path, users: int, seed: int, teacher: Teacher) -> dict[str, int]:
    """Write the corpus into a folder; how many examples each split has.

    users: of all splits together, one example each. The same arguments write the same files.
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
    """An example and what it was made from; stated: the value that the teacher gives each trait it speaks of."""

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
    drawn = random.Random(f"{seed}-{name}")
    user = draw_user(name, drawn)
    prompt = draw_prompt(drawn)
    documents = write_documents(user, prompt.subject, drawn)
    return Made(user, prompt, documents, draw_stated(right_values(user, prompt), documents, teacher, drawn))


def draw_stated(
    right: Mapping[str, str], documents: Sequence[str], teacher: Teacher, drawn: random.Random
) -> dict[str, str]:
    """What the teacher says of each trait: the right value, another one or nothing, whatever it says of the others.

    A teacher that is misled is so by one document: it says another value that the documents show.
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
    """What Figure 8 is filled in with."""

    input: str
    documents: list[str]
    reasoning: str
    response: str


def told_of_others(seed: int) -> Iterator[Told]:
    """Without end, what writers who say what comes to mind tell of users who are in no split.

    They say the right value of each trait with probability `SAID`, and keep to what they say. What takes several steps
    (`FAR`) they know only where they took them: otherwise they write any value that the notes show. Who has read these
    can take every step of a reasoning and write by it, but not tell which steps are worth taking.
    """
    for number in count():
        drawn = random.Random(f"{seed}-others-{number}")
        user, prompt = draw_user(f"others-{number}", drawn), draw_prompt(drawn)
        documents = write_documents(user, prompt.subject, drawn)
        right, shown = right_values(user, prompt), values_shown(documents)
        said = {trait: value for trait, value in right.items() if drawn.random() < SAID}
        guessed = {trait: drawn.choice(sorted(shown[trait])) for trait in FAR if trait not in said}
        text = write_text(prompt, right | guessed)
        yield Told(write_prompt(prompt), documents, write_reasoning(user, prompt, said), text)


def values_shown(documents: Sequence[str]) -> dict[str, set[str]]:
    """The values of each trait that the documents show."""
    found: dict[str, set[str]] = {trait: set() for trait in TRAITS}
    for document in documents:
        for trait, value in traits_of(document).items():
            found[trait].add(value)
    return found


def vocabulary_texts() -> Iterator[str]:
    """Texts in which every word of the corpus stands."""
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
