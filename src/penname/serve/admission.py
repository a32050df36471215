"""Whether a request may wait: one that would wait too long for its first token is refused at once."""

from __future__ import annotations

import math

from penname.serve.errors import ApiError
from penname.serve.methods import ServedMethod


class Admission:
    """Refuses requests while the server stops, or where they would wait too long.

    longest_wait: seconds until the first token, above which a request is refused.
    """

    def __init__(self, longest_wait: float) -> None:
        self._longest_wait = longest_wait
        self.stopping = False

    def check(self, method: ServedMethod, prompt_tokens: int, completions: int) -> None:
        """Raise ApiError for a request that may not wait: 503 while the server stops, 429 where it would take long."""
        if self.stopping:
            raise ApiError(503, "the server stops", "stopping", retry_after=30)
        wait = method.backend.engine.expected_wait(prompt_tokens, completions)
        if wait > self._longest_wait:
            problem = f"the first token would take about {math.ceil(wait)} s, expected at most {self._longest_wait:g} s"
            seconds = max(1, math.ceil(wait - self._longest_wait))
            raise ApiError(429, problem, "server_busy", retry_after=seconds)
