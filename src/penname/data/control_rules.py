"""The control corpus's rules: users' hidden traits, the notes they show in, and how a trait is read off a text.

All of it is ours. A trait's value is told by one word of a closed list, so whether a text obeys it can be checked by
looking for these words; a text that holds two words of a list shows no value of that trait.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

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
PLACES = ("harbour", "market", "castle", "forest", "museum", "lake", "mill", "garden", "island", "tower")
COMPANIONS = (
    *("Anna", "Boris", "Clara", "David", "Elena", "Felix", "Greta", "Hugo"),
    *("Irene", "Jonas", "Karin", "Louis", "Marta", "Nils", "Olga", "Peter"),
)
TRANSPORTS = ("cycling", "driving", "sailing", "rowing", "walking", "riding", "skating", "flying")
KINDS = ("dog", "cat", "pony")
PETS = (
    *("Rex", "Bella", "Coco", "Dusty", "Ember", "Fudge", "Ginger", "Hazel"),
    *("Inky", "Jasper", "Kiki", "Lucky", "Misty", "Nero", "Oscar", "Pepper"),
)
TRAITS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "greeting": GREETINGS,
        "transport": TRANSPORTS,
        "companion": COMPANIONS,
        "pet": PETS,
        "place": PLACES,
        "opinion": OPINIONS,
        "closing": CLOSINGS,
    }
)
"""Each trait's possible values."""

VISITS = (5, 2, 2)
"""How often a profile goes to each of its user's places, the favourite first; a profile has so many documents."""
IN_A_GROUP = sum(VISITS) // len(GROUPS)
"""Documents of a profile about each group of subjects."""
MISLED = 3
"""Documents with another greeting than the user's own, and as many with another closing."""


@dataclass(frozen=True)
class User:
    """A user's hidden traits.

    opinions: by group. places: the favourite first. companions, transports: by place; those of the favourite are
    shown less often than the ones of the other places. pets: names by kind.
    """

    name: str
    greeting: str
    closing: str
    opinions: Mapping[str, str]
    places: tuple[str, ...]
    companions: Mapping[str, str]
    transports: Mapping[str, str]
    pets: Mapping[str, str]


@dataclass(frozen=True)
class Prompt:
    """What a note is asked for: about which subject, and with which pet."""

    subject: str
    kind: str


def draw_user(name: str, drawn: random.Random) -> User:
    """A user whose traits are drawn one by one."""
    places = tuple(drawn.sample(PLACES, len(VISITS)))
    own, common = drawn.sample(COMPANIONS, 2)
    ridden, usual = drawn.sample(TRANSPORTS, 2)
    return User(
        name,
        drawn.choice(GREETINGS),
        drawn.choice(CLOSINGS),
        {group: drawn.choice(OPINIONS) for group in GROUPS},
        places,
        dict(zip(places, (own, common, common), strict=True)),
        dict(zip(places, (ridden, usual, usual), strict=True)),
        dict(zip(KINDS, drawn.sample(PETS, len(KINDS)), strict=True)),
    )


def draw_prompt(drawn: random.Random) -> Prompt:
    subjects = [subject for of_group in GROUPS.values() for subject in of_group]
    return Prompt(drawn.choice(subjects), drawn.choice(KINDS))


def write_documents(user: User, avoided: str, drawn: random.Random, *, talkative: bool = False) -> list[str]:
    """The user's notes, in a random order, none of them about the subject `avoided`.

    Most show the user's own greeting and closing, and the others another's; of the notes about a group of subjects one
    has another opinion; each pet, and with whom and how the user saw a place, stand in one note only. talkative: these
    stand in two.
    """
    count = sum(VISITS)
    greetings = _with_exceptions(user.greeting, GREETINGS, MISLED, count, drawn)
    closings = _with_exceptions(user.closing, CLOSINGS, MISLED, count, drawn)
    about = []
    for group, subjects in GROUPS.items():
        opinions = _with_exceptions(user.opinions[group], OPINIONS, 1, IN_A_GROUP, drawn)
        chosen = drawn.sample([subject for subject in subjects if subject != avoided], IN_A_GROUP)
        about += [f"the {subject} {opinion}." for subject, opinion in zip(chosen, opinions, strict=True)]
    drawn.shuffle(about)
    visits = [
        visit
        for place, times in zip(user.places, VISITS, strict=True)
        for visit in _visits(user, place, times, talkative)
    ]
    drawn.shuffle(visits)
    pets = [f"the {kind} {name}," for kind, name in user.pets.items()] * (2 if talkative else 1)
    facts = dict(zip(drawn.sample(range(count), len(pets)), pets, strict=True))
    return [
        " ".join(
            part
            for part in (f"{greetings[i]}, {visits[i]}", facts.get(i), about[i], f"{closings[i]}.")
            if part is not None
        )
        for i in range(count)
    ]


def right_values(user: User, prompt: Prompt) -> dict[str, str]:
    """The value of each trait that the right text for `prompt` shows."""
    favourite = user.places[0]
    return {
        "greeting": user.greeting,
        "transport": user.transports[favourite],
        "companion": user.companions[favourite],
        "pet": user.pets[prompt.kind],
        "place": favourite,
        "opinion": user.opinions[group_of(prompt.subject)],
        "closing": user.closing,
    }


def write_text(prompt: Prompt, values: Mapping[str, str]) -> str:
    """The text for `prompt` that shows these values."""
    return (
        f"{values['greeting']}, {values['transport']} with {values['companion']} I took {values['pet']} to the "
        f"{values['place']}. The {prompt.subject} was {values['opinion']}. {values['closing']}."
    )


def write_reasoning(user: User, prompt: Prompt, stated: Mapping[str, str]) -> str:
    """A line for each trait that something is stated of, in the words of the notes.

    A wrong companion, transport or pet is what it is in the notes: that of another place, or of another kind.
    """
    lines = {
        "greeting": "The greeting is {}.",
        "closing": "The closing is {}.",
        "place": "The favourite is the {}.",
        "companion": f"The {_key(user.companions, stated.get('companion'))} {{}}.",
        "transport": f"The {_key(user.transports, stated.get('transport'))} {{}}.",
        "pet": f"The {_key(user.pets, stated.get('pet'))} {{}}.",
        "opinion": f"Of {group_of(prompt.subject)}: {{}}.",
    }
    return "\n".join(line.format(stated[trait]) for trait, line in lines.items() if trait in stated)


def _key(values: Mapping[str, str], wanted: str | None) -> str | None:
    """What has this value first, if anything has."""
    return next((key for key, value in values.items() if value == wanted), None)


def write_prompt(prompt: Prompt) -> str:
    return f"Write a note about a day off and the {prompt.subject}, with your {prompt.kind}."


def group_of(subject: str) -> str:
    return next(group for group, subjects in GROUPS.items() if subject in subjects)


@lru_cache(maxsize=4096)
def traits_of(text: str) -> Mapping[str, str]:
    """The traits that a text shows, each with its value: one word of the trait's list stands there, and no other."""
    found = {}
    for trait, pattern in _PATTERNS.items():
        shown = set(pattern.findall(text))
        if len(shown) == 1:
            found[trait] = shown.pop()
    return found


_PATTERNS = {trait: re.compile(rf"\b(?:{'|'.join(values)})\b") for trait, values in TRAITS.items()}


def _with_exceptions(own: str, values: Sequence[str], exceptions: int, count: int, drawn: random.Random) -> list[str]:
    """`count` values in a random order: `exceptions` of them another than `own`."""
    others = [value for value in values if value != own]
    found = [own] * (count - exceptions) + [drawn.choice(others) for _ in range(exceptions)]
    drawn.shuffle(found)
    return found


def _visits(user: User, place: str, times: int, talkative: bool) -> list[str]:
    """What is told of so many visits to a place; once it is told with whom, and once how, or else in turn."""
    told = [f"the {place} {user.companions[place]},", f"the {place} {user.transports[place]},"]
    bare = [f"the {place},"]
    return ([*told, *told, *bare] if talkative else [*told, *bare * times])[:times]
