"""Licences of all that penname installs, with everything that its packages need: permissive, or weak and named here."""

from __future__ import annotations

import importlib.metadata
import re

import pytest
from packaging.requirements import Requirement

EXTRAS = {"studio", "postgres", "openai", "ray", "documents", "privacy"}
"""vLLM, which is seldom installed beside the tests, is not looked at."""

PERMISSIVE = re.compile(r"apache|bsd|mit\b|isc|psf|python software foundation|zlib|unlicense|cc0|mozilla|mpl", re.I)
STRONG = re.compile(r"\bA?GPL|affero|GNU General|non-?commercial|proprietary", re.I)
WEAK = {
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
}
"""Packages whose own code has to stay open, which those that use them do not."""


def names_of_all():
    """The names of what penname with its extras installs."""
    to_do, seen = [("penname", frozenset(EXTRAS))], set()
    while to_do:
        name, extras = to_do.pop()
        key = name.lower().replace("_", "-"), extras
        if key in seen:
            continue
        seen.add(key)
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in {"", *extras}):
                to_do.append((requirement.name, frozenset(requirement.extras)))
    return sorted({name for name, _ in seen})


def licence_of(name):
    """What a package says of its licence: an expression, else classifiers, else a line of text."""
    found = importlib.metadata.metadata(name)
    classified = [text.rpartition(" :: ")[2] for text in found.get_all("Classifier", []) if text.startswith("License")]
    return found["License-Expression"] or ", ".join(classified) or (found["License"] or "").partition("\n")[0]


@pytest.mark.parametrize("name", names_of_all())
def test_whoever_installs_penname_may_use_it_for_anything(name):
    licence = licence_of(name)
    if name in WEAK:
        assert licence == WEAK[name]
    else:
        assert PERMISSIVE.search(licence)
        assert not STRONG.search(licence)


def test_a_strong_licence_is_told_from_others():
    assert STRONG.search("GPL-3.0-or-later")
    assert STRONG.search("GNU General Public License v3")
    assert not STRONG.search("LGPL-3.0-only")
