"""What a reward is: a function that maps a response, without its reasoning, to a number from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RewardInput:
    """What a reward sees. It has no field for the reasoning: REST-PG rewards the response alone (section 3.2).

    input: the prompt x.
    expected_output: y, what the user really wrote.
    response: the text to be rewarded.
    documents: a sample of the user's own documents, for rewards that judge authorship; empty unless the recipe has one.
    """

    input: str
    expected_output: str
    response: str
    documents: tuple[str, ...] = ()


Reward = Callable[[Sequence[RewardInput]], list[float | None]]
"""Returns one value per item, None where there is none, as where the judge's prompt exceeds its token limit."""
