"""Whether a request may wait: one that would wait too long for its first token is refused at once."""

from __future__ import annotations

import math
import random
from collections import defaultdict, deque

from penname.serve.errors import ApiError, stopping
from penname.serve.metrics import Metrics

MOST_WAITS = 100
"""How many of the latest waits count for how much longer one may be than was foretold."""

FEWEST_WAITS = 20
"""With fewer, that is not known."""

TELLING_SECONDS = 1.0
"""Shorter waits tell nothing of longer ones."""

LATE = 0.98
"""The share of waits that are no longer than is allowed for."""


class Admission:
    """Refuses requests while the server stops, or where they would wait too long, and notes what the others take.

    What an engine foretells is sometimes too little: it is allowed for how much later its first tokens have come of
    late.

    longest_wait: seconds until the first token, above which a request is refused.
    metrics: where it is noted.
    """

    def __init__(self, longest_wait: float, metrics: Metrics) -> None:
        self._longest_wait = longest_wait
        self._metrics = metrics
        self._lateness: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_WAITS))
        self.stopping = False

    def check(self, engine: str, foretold: float, spent: float, before: int) -> None:
        """Raise ApiError for a request that may not wait: 503 while the server stops, 429 where it would take long.

        One that has nobody before it is never refused for its wait, which would be no shorter later.

        engine: names the engine that is to write, apart from all others.
        foretold: seconds from now to its first token, as its engine expects.
        spent: seconds that it has waited already.
        before: number of the texts that are written before it or with it.
        """
        if self.stopping:
            raise stopping()
        wait = spent + foretold * self._margin(engine)
        if before and wait > self._longest_wait:
            problem = f"the first token would take about {math.ceil(wait)} s, expected at most {self._longest_wait:g} s"
            # When those before will have been answered: sooner, all who were refused would only ask in vain again. And
            # not all at once.
            raise ApiError(429, problem, "server_busy", retry_after=math.ceil(random.uniform(wait, 2 * wait)))

    def note_first_token(self, engine: str, seconds: float, since_foretold: float, foretold: float) -> None:
        """Note how long a request waited for its first token.

        engine: see `check`.
        seconds: all of its wait.
        since_foretold: the part of it behind the last `check`.
        foretold: what was expected then.
        """
        self._metrics.first_token.observe(seconds)
        if foretold >= TELLING_SECONDS:
            self._lateness[engine].append(since_foretold / foretold)

    def _margin(self, engine: str) -> float:
        """By how much an engine's waits are longer than it foretells, of which few are longer still."""
        lateness = self._lateness[engine]
        if len(lateness) < FEWEST_WAITS:
            return 1.0
        return max(1.0, sorted(lateness)[int(LATE * len(lateness))])

    def note_tokens(self, prompt: int, completions: int) -> None:
        """Note how many tokens a request took, once it has ended."""
        self._metrics.count_tokens(prompt, completions)
