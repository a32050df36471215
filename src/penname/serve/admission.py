"""Whether a request may wait: one that would wait too long for its first token is refused at once."""

from __future__ import annotations

import math
import random

from penname.serve.errors import ApiError
from penname.serve.metrics import Metrics


class Admission:
    """Refuses requests while the server stops, or where they would wait too long, and notes what the others take.

    longest_wait: seconds until the first token, above which a request is refused.
    metrics: where it is noted.
    """

    def __init__(self, longest_wait: float, metrics: Metrics) -> None:
        self._longest_wait = longest_wait
        self._metrics = metrics
        self.stopping = False

    def check(self, wait: float) -> None:
        """Raise ApiError for a request that may not wait: 503 while the server stops, 429 where it would take long.

        wait: seconds that its first token would take.
        """
        if self.stopping:
            raise ApiError(503, "the server stops", "stopping", retry_after=30)
        if wait > self._longest_wait:
            problem = f"the first token would take about {math.ceil(wait)} s, expected at most {self._longest_wait:g} s"
            # When those before will have been answered: sooner, all who were refused would only ask in vain again. And
            # not all at once.
            raise ApiError(429, problem, "server_busy", retry_after=math.ceil(random.uniform(wait, 2 * wait)))

    def note_first_token(self, seconds: float) -> None:
        """Note how long a request waited for its first token."""
        self._metrics.first_token.observe(seconds)

    def note_tokens(self, prompt: int, completions: int) -> None:
        """Note how many tokens a request took, once it has ended."""
        self._metrics.count_tokens(prompt, completions)
