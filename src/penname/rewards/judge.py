"""The LLM judge of REST-PG (Appendix A, Figure 6), which picks the most probable score.

The probability of a score is that of its whole string and the token that ends it: in most tokenizers "10" begins with
the token of "1", so by its first token alone 10 could never win.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from penname.engines.base import Engine
from penname.prompts.render import PromptTooLong, Renderer

SCORES = (1, 3, 5, 7, 10)


@dataclass(frozen=True)
class Judgement:
    """The judge's verdict on a response.

    probabilities: the probability of each of SCORES, normalised over the five.
    reward: in 0..1.
    """

    probabilities: tuple[float, ...]
    reward: float


@dataclass(frozen=True)
class Judge:
    """Scores responses against what the user really wrote.

    engine: runs the judge's model.
    renderer: renders the judge's prompts.
    expectation: whether the reward is the expected score divided by 10 (ours) instead of the most probable score
        divided by 10.
    """

    engine: Engine
    renderer: Renderer
    expectation: bool = False

    def __call__(
        self, inputs: Sequence[str], expected_outputs: Sequence[str], responses: Sequence[str]
    ) -> list[Judgement | None]:
        """A judgement of each response; None where the prompt exceeds the judge's token limit, or no score is possible.

        inputs, expected_outputs, responses: x, y and the response, an entry for each response.
        """
        prompts: list[list[int]] = []
        fits: list[bool] = []
        for x, expected, response in zip(inputs, expected_outputs, responses, strict=True):
            try:
                prompt = self.renderer.render("figure6_judge", [], input=x, expected_output=expected, response=response)
            except PromptTooLong:
                fits.append(False)
            else:
                fits.append(True)
                prompts.append(prompt.tokens)
        candidates = [self.renderer.target(str(score)) for score in SCORES]
        scored = iter(self.engine.score(prompts, [candidates] * len(prompts)))
        return [self._judgement([sum(log_probs) for log_probs in next(scored)]) if fit else None for fit in fits]

    def _judgement(self, log_probs: Sequence[float]) -> Judgement | None:
        top = max(log_probs)
        if top == -math.inf:  # a server withheld the reply
            return None
        weights = [math.exp(value - top) for value in log_probs]
        probabilities = tuple(weight / sum(weights) for weight in weights)
        if self.expectation:
            score = sum(p * score for p, score in zip(probabilities, SCORES, strict=True))
        else:
            score = SCORES[max(range(len(SCORES)), key=probabilities.__getitem__)]
        return Judgement(probabilities, score / 10)
