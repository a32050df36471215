"""How much of one text is copied from another: what a teacher or an agent writes must not reveal the answer."""

from __future__ import annotations

from collections.abc import Sequence

from penname.prompts.render import Renderer


def longest_common_span(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest span of consecutive tokens that both sequences contain.

    a, b: token ids, as from `token_ids`.
    """
    longest = 0
    previous = [0] * (len(b) + 1)
    for x in a:
        current = [0] * (len(b) + 1)
        for j, y in enumerate(b, 1):
            if x == y:
                current[j] = previous[j - 1] + 1
                longest = max(longest, current[j])
        previous = current
    return longest


def token_ids(renderer: Renderer, text: str) -> list[int]:
    """Token ids of the lower-cased text: a copy in another case is still a copy."""
    return renderer.target(text.lower())[:-1]
