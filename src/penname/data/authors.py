"""Which of an export's texts are by the author whose they are to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from penname.data.readers.base import SourceText

_ADDRESS_WITH_NAME = re.compile(r"([^<>]*)<([^<>\s]+@[^<>\s]+)>")


def names_in(me: Iterable[str]) -> Iterator[str]:
    """Names and addresses by themselves, without blanks around them; an address comes before the name beside it."""
    for given in me:
        both = _ADDRESS_WITH_NAME.fullmatch(given.strip())
        parts = (both[2], both[1].strip(" \"'")) if both else (given,)
        yield from (name for part in parts if (name := " ".join(part.split())))


def names_of(found: SourceText) -> tuple[str, ...]:
    """All names of a text's author."""
    return (found.document.user_id, *found.other_names)


def is_by(found: SourceText, own_names: Iterable[str]) -> bool:
    """Whether a text is by an author with one of these names, in whatever case."""
    names = {name.casefold() for name in names_of(found)}
    return any(name.casefold() in names for name in own_names)
