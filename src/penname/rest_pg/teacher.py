"""The teacher that writes the reasoning (REST-PG section 3.1, Figure 7), and the check for copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penname.config import DecodingConfig, ReasoningConfig
from penname.engines.base import Engine, GeneratedTokens
from penname.engines.sampling import sample_seed
from penname.prompts.completion import tidy
from penname.prompts.copying import longest_common_span, token_ids
from penname.prompts.render import PromptTooLong, Renderer
from penname.prompts.templates import template

TOP_P = 0.95
"""Top-p of the teacher's sampling; the paper does not state it, so the value is ours."""


@dataclass(frozen=True)
class TeacherInput:
    """What the teacher sees of an example.

    context: the retrieved documents, most relevant first.
    """

    example_id: str
    input: str
    expected_output: str
    context: tuple[str, ...]


@dataclass(frozen=True)
class Reasoning:
    """What the teacher wrote for an example.

    text: None where every attempt was empty, or copied from the expected output or the instructions.
    copied_tokens: longest run of tokens shared with either, in the attempt that was kept, else in the last one.
    tokens: number of new tokens in all attempts.
    """

    example_id: str
    text: str | None
    copied_tokens: int
    tokens: int


def write_reasoning(
    engine: Engine,
    renderer: Renderer,
    inputs: Sequence[TeacherInput],
    settings: ReasoningConfig,
    decoding: DecodingConfig,
    seed: int,
) -> list[Reasoning]:
    """One reasoning per input: the first attempt that copies no more than `max_copied_tokens` tokens in a row.

    engine, renderer: those of the teacher.
    inputs: examples.
    settings: the recipe's settings of reasonings.
    decoding: the recipe's settings of decoding.
    seed: the recipe's seed.

    The teacher sees the expected output, and a reasoning that repeats it would give the answer away in training. A
    small teacher also repeats its instructions, which say nothing about the user. The check is ours; the paper only
    asks the teacher not to copy. An input over the teacher's token limit gets no reasoning.
    """
    prompts: list[list[int]] = []
    seeds: list[list[int]] = []
    for i in inputs:
        try:
            prompt = renderer.render("figure7_reasoning", i.context, input=i.input, expected_output=i.expected_output)
            prompts.append(prompt.tokens)
            seeds.append([sample_seed(seed, "teacher", i.example_id, a) for a in range(settings.attempts)])
        except PromptTooLong:
            prompts.append([])
            seeds.append([])
    sampling = decoding.sampling(settings.max_new_tokens, settings.temperature, TOP_P, renderer.stop_ids)
    written = engine.generate(prompts, seeds, sampling)
    return [
        _first_accepted(i, attempts, renderer, settings.max_copied_tokens)
        for i, attempts in zip(inputs, written, strict=True)
    ]


def _first_accepted(
    teacher_input: TeacherInput, attempts: Sequence[GeneratedTokens], renderer: Renderer, max_copied_tokens: int
) -> Reasoning:
    sources = [token_ids(renderer, text) for text in (teacher_input.expected_output, template("figure7_reasoning"))]
    tokens = sum(len(attempt.tokens) for attempt in attempts)
    copied = 0
    for attempt in attempts:
        text = tidy(renderer.completion(attempt.tokens), attempt.finish_reason)
        copied = max(longest_common_span(token_ids(renderer, text), source) for source in sources)
        if text and copied <= max_copied_tokens:
            return Reasoning(teacher_input.example_id, text, copied, tokens)
    return Reasoning(teacher_input.example_id, None, copied, tokens)
