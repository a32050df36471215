"""The control corpus's reward: the share of the expected output's traits that a response obeys."""

from __future__ import annotations

from penname.data.control_rules import traits_of
from penname.errors import UserError


def traits(expected_output: str, response: str) -> float:
    """The share, in 0..1, of the expected output's traits that the response shows with the same value.

    0 where the expected output shows none, as can happen when another candidate takes its place in a consensus.
    """
    right, found = traits_of(expected_output), traits_of(response)
    return sum(found.get(trait) == value for trait, value in right.items()) / len(right) if right else 0.0


def check_traits(expected_output: str) -> None:
    """Raise UserError where an expected output shows no trait, so that it is not from the control corpus."""
    if not traits_of(expected_output):
        raise UserError(
            f"reward traits: found the expected output {expected_output[:60]!r}, expected one of the control corpus "
            "(penname data control)"
        )
