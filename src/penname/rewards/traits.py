"""The control corpus's reward: the share of the expected output's traits that a response obeys."""

from __future__ import annotations

from penname.data.control_rules import traits_of
from penname.errors import UserError


def traits(expected_output: str, response: str) -> float:
    """Of the traits that the expected output shows, the share that the response shows with the same value, 0..1.

    0 where the expected output shows none, as a candidate may that stands for it in a consensus.
    """
    right, found = traits_of(expected_output), traits_of(response)
    return sum(found.get(trait) == value for trait, value in right.items()) / len(right) if right else 0.0


def check_traits(expected_output: str) -> None:
    """Raise UserError where an example's expected output shows no trait: it is not of the control corpus."""
    if not traits_of(expected_output):
        raise UserError(
            f"reward traits: found the expected output {expected_output[:60]!r}, expected one of the control corpus "
            "(penname data control)"
        )
