"""The control corpus's reward: the share of the expected output's traits that a response obeys."""

from __future__ import annotations

from penname.data.control_rules import traits_of
from penname.errors import UserError


def traits(expected_output: str, response: str) -> float:
    """Of the traits that the expected output shows, the share that the response shows with the same value, 0..1.

    Raises UserError where the expected output shows none: it is not of the control corpus.
    """
    right, found = traits_of(expected_output), traits_of(response)
    if not right:
        raise UserError(
            f"reward traits: found the expected output {expected_output[:60]!r}, expected one of the control corpus "
            "(penname data control)"
        )
    return sum(found.get(trait) == value for trait, value in right.items()) / len(right)
