"""How fast a live engine has been lately, and so how long a request would wait for its first token."""

from __future__ import annotations

JOINING_TOKENS = 512
"""Prompts join in one step up to this many tokens, or one prompt that is longer: meanwhile nobody else gets a token."""

MEMORY = 0.9
"""Weight of what is known in the mean of it and of what is new: about the last ten steps or completions count."""


class Pace:
    """Moving means of what steps and completions take. rows: the largest number of completions at once."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._prompt_token = self._decoding = self._step = self._length = 0.0

    def note_step(self, seconds: float, prompt_tokens: int) -> None:
        """Take in a step.

        seconds: what it took.
        prompt_tokens: total length of the prompts that joined in it.
        """
        self._step = moving_mean(self._step, seconds)
        if prompt_tokens:
            self._prompt_token = moving_mean(self._prompt_token, max(0.0, seconds - self._decoding) / prompt_tokens)
        else:
            self._decoding = moving_mean(self._decoding, seconds)

    def note_completion(self, tokens: int) -> None:
        """Take in a completion that has ended. tokens: its length."""
        self._length = moving_mean(self._length, tokens)

    def wait(self, prompt_tokens: int, waiting: int, in_progress: int) -> float:
        """Seconds until the last of those who wait gets its first token; 0 while nothing is known.

        prompt_tokens: total length of the prompts that wait.
        waiting: the number of their completions.
        in_progress: the number of completions in progress.
        """
        joining = prompt_tokens * self._prompt_token + (1 + prompt_tokens // JOINING_TOKENS) * self._decoding
        surplus = max(0, waiting + in_progress - self._rows)
        return max(joining, surplus * self._length * self._step / self._rows)


def moving_mean(known: float, new: float) -> float:
    """The mean of what is known, 0 for nothing, and of what is new, which has the weight of one of ten."""
    return MEMORY * known + (1 - MEMORY) * new if known else new
