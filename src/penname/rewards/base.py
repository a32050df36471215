"""What a reward is: a number from 0 to 1 for a response, which never sees the reasoning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RewardInput:
    """What a reward sees. It has no field for the reasoning: REST-PG rewards the response alone (section 3.2).

    input: the prompt x.
    expected_output: y, what the user really wrote.
    response: the text to be rewarded.
    documents: some of the user's own, for rewards that ask whose text it is; empty where no reward of the recipe does.
    """

    input: str
    expected_output: str
    response: str
    documents: tuple[str, ...] = ()


Reward = Callable[[Sequence[RewardInput]], list[float | None]]
"""One value an item; None where it cannot be told, as where the judge's prompt is over its limit."""
