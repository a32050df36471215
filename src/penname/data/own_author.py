"""Tells the texts of the one author whose texts are converted, and refuses a name that several accounts have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from penname.data.listing import some_of
from penname.data.readers.base import SourceText
from penname.errors import ArgumentError

_ADDRESS_WITH_NAME = re.compile(r"([^<>]*)<([^<>\s]+@[^<>\s]+)>")


class OwnAuthor:
    """The author who is named by names, addresses and accounts.

    me: these, or a name and an address as in `Ann <ann@example.org>`, where the name counts for texts without address.

    names: each of them by itself, without blanks around it; an address comes before the name beside it.
    """

    def __init__(self, me: Iterable[str]) -> None:
        given = [_parts(one) for one in me]
        self.names = tuple(name for parts in given for name in parts)
        self._known = {name.casefold() for name in self.names}
        alone = {parts[0].casefold() for parts in given if parts}
        self._beside_address = self._known - alone
        self._accounts: dict[str, dict[str, bool]] = {}
        self._others: dict[str, int] = {}

    def wrote(self, found: SourceText) -> bool:
        """Whether a text is the author's."""
        user = found.document.user_id
        names = {name.casefold() for name in (user, *found.other_names)}
        matching = self._known & names
        if not matching:
            return False
        account = found.account or user
        is_named = account.casefold() in self._known or any("@" in name[1:] for name in matching)
        if not is_named and matching <= self._beside_address and any("@" in name[1:] for name in names):
            self._others[account] = self._others.get(account, 0) + 1
            return False
        for name in matching:
            if found.account or name != account.casefold():
                self._accounts.setdefault(name, {})[account] = is_named
        return True

    def check(self, say: Callable[[str], None]) -> None:
        """Say which accounts of the author's name were left out.

        Raises ArgumentError for a name of several accounts that are not all named: they may be several people.
        """
        for name, accounts in self._accounts.items():
            if len(accounts) > 1 and not all(accounts.values()):
                given = next(given for given in self.names if given.casefold() == name)
                found = f"{given!r} is {len(accounts)} accounts: {some_of(accounts)}"
                raise ArgumentError("me", f"{found}; expected those of them that are yours, in place of the name")
        if self._others:
            say(f"of the same name, but left out unless it is named too: {some_of(self._others)}")


def _parts(given: str) -> tuple[str, ...]:
    both = _ADDRESS_WITH_NAME.fullmatch(given.strip())
    parts = (both[2], both[1].strip(" \"'")) if both else (given,)
    return tuple(name for part in parts if (name := " ".join(part.split())))
