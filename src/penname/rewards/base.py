"""Defines a reward: a function that maps a response, without its reasoning, to a number from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RewardInput:
    """What a reward sees. It has no field for the reasoning: REST-PG rewards the response alone (section 3.2).

    input: the input x.
    expected_output: the output y that the user really wrote.
    response: the text to be rewarded.
    documents: a sample of the user's own documents, for rewards that judge authorship; empty where the recipe names no
        such reward.
    """

    input: str
    expected_output: str
    response: str
    documents: tuple[str, ...] = ()


Reward = Callable[[Sequence[RewardInput]], list[float | None]]
"""Returns a value for each item, None where there is none, for example where the judge's prompt exceeds its limit."""
