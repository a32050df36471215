"""An engine: it answers every prompt with its last words, so that a whole run takes seconds.

    penname train quickstart --run runs/echo --set 'methods=[zero-shot, rag]' --set three_authors=null \\
        --set generator.kind=examples.echo:Echo
"""

from collections.abc import Callable, Sequence

from penname.engine_config import EngineConfig
from penname.engines.base import GeneratedTokens, Sampling, TokenIds


class Echo:
    """The two calls of an engine, `generate` and `score`, over token ids."""

    def __init__(self, config: EngineConfig, on_written: Callable[[int, int], object]) -> None:
        self.on_written = on_written

    def generate(
        self, prompts: Sequence[TokenIds], seeds: Sequence[Sequence[int]], sampling: Sampling
    ) -> list[list[GeneratedTokens]]:
        """One completion for each seed of each prompt: the prompt's last tokens."""
        written = []
        for prompt, own in zip(prompts, seeds, strict=True):
            tokens = [token for token in prompt if token not in sampling.stop_ids][-sampling.max_new_tokens :]
            written.append([GeneratedTokens(tokens, "stop") for _ in own])
            self.on_written(len(tokens) * len(own), len(own))
        return written

    def score(self, prompts: Sequence[TokenIds], candidates: Sequence[Sequence[TokenIds]]) -> list[list[list[float]]]:
        """Log-probabilities of each candidate's tokens: all alike."""
        return [[[-1.0] * len(candidate) for candidate in own] for own in candidates]
