"""How fast a live engine has been lately, and so how long a request would wait for its first token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

JOINING_TOKENS = 512
"""Prompts join in one step up to this many tokens, or one prompt that is longer: meanwhile nobody else gets a token."""

MEMORY = 0.9
"""Weight of what is known in the mean of it and of what is new: about the last ten steps or completions count."""


@dataclass(frozen=True)
class Waiting:
    """Requests that wait: the number of prompts, their total length in tokens, and the number of their completions."""

    prompts: int
    prompt_tokens: float
    completions: int


class Pace:
    """Moving means of what prompts, steps and completions take a machine whose threads share it.

    rows: the largest number of completions at once.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._prompt_token = self._decoding = self._step = self._length = 0.0
        self.prompt = float(JOINING_TOKENS)
        """The length of a prompt, in tokens; a guess before the first one."""

    def note_step(self, seconds: float, prompts: Sequence[int], threads: int) -> None:
        """Take in a step.

        seconds: what it took.
        prompts: the lengths of the prompts that joined in it.
        threads: how many threads computed steps at the time, and shared the machine.
        """
        self._step = moving_mean(self._step, seconds)
        seconds /= threads
        if prompts:
            self._prompt_token = moving_mean(self._prompt_token, max(0.0, seconds - self._decoding) / sum(prompts))
        else:
            self._decoding = moving_mean(self._decoding, seconds)
        for tokens in prompts:
            self.prompt = moving_mean(self.prompt, tokens)

    def note_completion(self, tokens: int) -> None:
        """Take in a completion that has ended. tokens: its length."""
        self._length = moving_mean(self._length, tokens)

    def wait(self, ahead: Waiting, prompt_tokens: float, completions: int, in_progress: int, threads: int) -> float:
        """Seconds until a request that comes now would get its first token; 0 while nothing is known.

        ahead: those who wait already.
        prompt_tokens: length of its prompt.
        completions: number of its completions.
        in_progress: the number of completions in progress.
        threads: how many threads compute steps.
        """
        # Two prompts of more than half of what may join in a step join in a step each.
        steps = min(ahead.prompts, 2 * ahead.prompt_tokens // JOINING_TOKENS)
        joining = ahead.prompt_tokens * self._prompt_token + steps * self._decoding
        joining += self._joining_step(prompt_tokens, threads)
        if in_progress:  # none joins before a step has ended, which for those behind others is one that prompts join
            joining += max(self._step, self._joining_step(self.prompt, threads) / 2 if ahead.prompts else 0.0)
        surplus = max(0, ahead.completions + completions + in_progress - self._rows)
        return max(joining, surplus * self._length * self._step / self._rows)

    def _joining_step(self, prompt_tokens: float, threads: int) -> float:
        """Seconds of a step that a prompt joins, while so many threads share the machine."""
        return threads * (prompt_tokens * self._prompt_token + self._decoding)


def moving_mean(known: float, new: float) -> float:
    """The mean of what is known, 0 for nothing, and of what is new, which has the weight of one of ten."""
    return MEMORY * known + (1 - MEMORY) * new if known else new
