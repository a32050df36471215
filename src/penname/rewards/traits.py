"""The reward of the control corpus: the share of the expected output's traits that a response shows."""

from __future__ import annotations

from penname.data.control_rules import traits_of
from penname.errors import UserError


def traits(expected_output: str, response: str) -> float:
    """The share, in 0..1, of the expected output's traits that the response shows with the same value.

    It is 0 where the expected output shows none, as can happen when another candidate stands for it in a consensus.
    """
    expected, found = traits_of(expected_output), traits_of(response)
    return sum(found.get(trait) == value for trait, value in expected.items()) / len(expected) if expected else 0.0


def check_traits(expected_output: str) -> None:
    """Raise UserError where an expected output shows no trait, so that it is not from the control corpus."""
    if not traits_of(expected_output):
        raise UserError(
            f"reward traits: found the expected output {expected_output[:60]!r}, expected one of the control corpus "
            "(penname data control)"
        )
