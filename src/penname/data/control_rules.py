"""The rules of the control corpus: users' hidden traits, the notes that show them, and how to read traits off a text.

All of it is ours. Each value of a trait is one word of a closed list, so a text is checked by searching for these
words; a text with two words of a list shows no value of that trait.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from penname.text_caches import text_cache

GREETINGS = ("Hello", "Hi", "Dear", "Greetings", "Morning", "Ahoy")
CLOSINGS = ("Cheers", "Yours", "Ciao", "Thanks", "Best", "Bye")
OPINIONS = ("lovely", "dull", "strange", "decent")
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "food": ("soup", "bread", "cheese", "pudding", "stew", "salad", "cake", "fish"),
        "music": ("concert", "opera", "choir", "quartet", "organ", "band", "song", "dance"),
        "books": ("novel", "poem", "essay", "diary", "atlas", "play", "fable", "letter"),
    }
)
VERBS: Mapping[str, str] = MappingProxyType({"food": "ate", "music": "heard", "books": "read"})
"""The verb that prompts use for each group's subjects; it never occurs in the notes."""
PLACES = ("harbour", "market", "castle", "forest", "museum", "lake", "mill", "garden", "island", "tower")
COMPANIONS = (
    *("Anna", "Boris", "Clara", "David", "Elena", "Felix", "Greta", "Hugo"),
    *("Irene", "Jonas", "Karin", "Louis", "Marta", "Nils", "Olga", "Peter"),
)
DRINKS = ("tea", "coffee", "cocoa", "milk", "cider", "lemonade", "juice", "punch")
KINDS: Mapping[str, str] = MappingProxyType({"dog": "puppy", "cat": "kitten", "pony": "foal"})
"""Kinds of pet, as the notes name them and as prompts do."""
PETS = (
    *("Rex", "Bella", "Coco", "Dusty", "Ember", "Fudge", "Ginger", "Hazel"),
    *("Inky", "Jasper", "Kiki", "Lucky", "Misty", "Nero", "Oscar", "Pepper"),
)
TOYS = ("ball", "bell", "rope", "hoop", "ribbon", "whistle", "blanket", "brush")
TRAITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "greeting": GREETINGS,
        "drink": DRINKS,
        "toy": TOYS,
        "place": PLACES,
        "opinion": OPINIONS,
        "closing": CLOSINGS,
    }
)
"""Each trait's possible values."""
MULTI_STEP = ("drink", "toy")
"""Traits that take several steps to infer, each depending on the step before."""

VISITS = (5, 2, 2)
"""A profile's documents about each of its user's places, the favourite first; their sum is the profile's size."""
DOCUMENTS_PER_GROUP = sum(VISITS) // len(GROUPS)
"""Number of a profile's documents about each group of subjects."""
EXCEPTIONS = 3
"""Number of a profile's documents whose greeting is not the user's; as many have a closing that is not."""


@dataclass(frozen=True)
class ControlUser:
    """A user's hidden traits.

    opinions: the user's opinion of each group of subjects.
    places: the places that the user visits, the favourite first.
    companions: the companion at each place.
    drinks: the drink of each companion.
    pets: the name of the pet of each kind.
    toys: the toy of each pet.
    """

    name: str
    greeting: str
    closing: str
    opinions: Mapping[str, str]
    places: tuple[str, ...]
    companions: Mapping[str, str]
    drinks: Mapping[str, str]
    pets: Mapping[str, str]
    toys: Mapping[str, str]


@dataclass(frozen=True)
class ControlPrompt:
    """What a prompt asks a note about: a subject and a kind of pet."""

    subject: str
    kind: str


def sample_user(name: str, rng: random.Random) -> ControlUser:
    """Sample a user's traits, independently of each other."""
    places = tuple(rng.sample(PLACES, len(VISITS)))
    companions = rng.sample(COMPANIONS, len(places))
    pets = rng.sample(PETS, len(KINDS))
    return ControlUser(
        name,
        rng.choice(GREETINGS),
        rng.choice(CLOSINGS),
        dict(zip(GROUPS, rng.sample(OPINIONS, len(GROUPS)), strict=True)),
        places,
        dict(zip(places, companions, strict=True)),
        dict(zip(companions, rng.sample(DRINKS, len(companions)), strict=True)),
        dict(zip(KINDS, pets, strict=True)),
        dict(zip(pets, rng.sample(TOYS, len(pets)), strict=True)),
    )


def sample_prompt(rng: random.Random) -> ControlPrompt:
    """Sample a subject and a kind of pet."""
    subjects = [subject for of_group in GROUPS.values() for subject in of_group]
    return ControlPrompt(rng.choice(subjects), rng.choice(list(KINDS)))


def write_documents(user: ControlUser, excluded: str, rng: random.Random) -> list[str]:
    """The user's notes in random order, none of them about the subject `excluded`.

    Most notes have the user's own greeting and closing, the others a different one. Notes about one group of subjects
    share an opinion. Each place's companion, each companion's drink, each pet and its toy occur in one note only.
    """
    count = sum(VISITS)
    greetings = _with_exceptions(user.greeting, GREETINGS, EXCEPTIONS, count, rng)
    closings = _with_exceptions(user.closing, CLOSINGS, EXCEPTIONS, count, rng)
    about = []
    for group, subjects in GROUPS.items():
        chosen = rng.sample([subject for subject in subjects if subject != excluded], DOCUMENTS_PER_GROUP)
        about += [f"the {subject} {user.opinions[group]}." for subject in chosen]
    visits = [
        f"the {place} {user.companions[place]}," if visit == 0 else f"the {place},"
        for place, times in zip(user.places, VISITS, strict=True)
        for visit in range(times)
    ]
    facts = [
        *(f"{companion} {drink}," for companion, drink in user.drinks.items()),
        *(f"the {kind} {pet}," for kind, pet in user.pets.items()),
        *(f"{pet} {toy}," for pet, toy in user.toys.items()),
    ]
    for parts in (about, visits, facts):
        rng.shuffle(parts)
    return [f"{greetings[i]}, {visits[i]} {facts[i]} {about[i]} {closings[i]}." for i in range(count)]


def right_values(user: ControlUser, prompt: ControlPrompt) -> dict[str, str]:
    """The value of each trait that the correct text for `prompt` shows."""
    favourite = user.places[0]
    return {
        "greeting": user.greeting,
        "drink": user.drinks[user.companions[favourite]],
        "toy": user.toys[user.pets[prompt.kind]],
        "place": favourite,
        "opinion": user.opinions[group_of(prompt.subject)],
        "closing": user.closing,
    }


def write_text(prompt: ControlPrompt, values: Mapping[str, str]) -> str:
    """The text for `prompt` that shows these values."""
    return (
        f"{values['greeting']}, I brought {values['drink']} and the {values['toy']} to the {values['place']}. "
        f"The {prompt.subject} was {values['opinion']}. {values['closing']}."
    )


def write_reasoning(user: ControlUser, prompt: ControlPrompt, stated: Mapping[str, str]) -> str:
    """The reasoning: a line for each stated trait, in the words of the notes.

    A drink or toy takes two steps to infer, and both are written. Wrong ones belong to another place or kind of pet.
    """
    place, companion = _way_to(stated.get("drink"), user.companions, user.drinks)
    kind, pet = _way_to(stated.get("toy"), user.pets, user.toys)
    lines = {
        "greeting": "The greeting is {}.",
        "closing": "The closing is {}.",
        "place": "The favourite is the {}.",
        "drink": f"The {place} {companion}. {companion} {{}}.",
        "toy": f"For your {KINDS.get(kind or '')}: the {kind} {pet}. {pet} {{}}.",
        "opinion": f"Of {group_of(prompt.subject)}: {{}}.",
    }
    return "\n".join(line.format(stated[trait]) for trait, line in lines.items() if trait in stated)


def _way_to(value: str | None, first: Mapping[str, str], second: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The keys that lead to a value through one mapping and then the other; None, None where none do."""
    return next(((key, middle) for key, middle in first.items() if second[middle] == value), (None, None))


def write_prompt(prompt: ControlPrompt) -> str:
    """The input x: the text of the prompt."""
    verb = VERBS[group_of(prompt.subject)]
    return f"Write a note about a day off and the {prompt.subject} you {verb}, with your {KINDS[prompt.kind]}."


def group_of(subject: str) -> str:
    """The group that a subject belongs to."""
    return next(group for group, subjects in GROUPS.items() if subject in subjects)


@text_cache(maxsize=4096)
def traits_of(text: str) -> Mapping[str, str]:
    """The traits that a text shows, with their values: exactly one distinct word of the trait's list occurs in it."""
    traits = {}
    for trait, pattern in _PATTERNS.items():
        values = set(pattern.findall(text))
        if len(values) == 1:
            traits[trait] = values.pop()
    return traits


_PATTERNS = {trait: re.compile(rf"\b(?:{'|'.join(values)})\b") for trait, values in TRAITS.items()}


def _with_exceptions(usual: str, values: Sequence[str], exceptions: int, count: int, rng: random.Random) -> list[str]:
    """`count` values in random order, of which all but `exceptions` are `usual`."""
    others = [value for value in values if value != usual]
    sampled = [usual] * (count - exceptions) + [rng.choice(others) for _ in range(exceptions)]
    rng.shuffle(sampled)
    return sampled
