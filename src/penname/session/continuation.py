"""How a model goes on after the first words of a target: word for word, if it has the target by heart.

Extraction as Carlini et al. (2021) measure it: the model is given the prompt and the beginning, and writes greedily.
The numbers of words are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from penname.engines.base import Sampling
from penname.prompts.completion import compose, parse
from penname.session.examples import PreparedExample
from penname.session.session import Session
from penname.words import plain_words, split_words, word_ends

GIVEN_WORDS, CONTINUED_WORDS, FEWEST_WORDS = 10, 20, 8
"""Words of a target that are given, and that must follow; of a short target a third is given, and this many follow."""


@dataclass(frozen=True)
class Continuation:
    """How a model goes on after the first words of a target.

    by_heart: whether with the target's own words, as far as they are compared.
    words: number of the target's words that it wrote before the first other one.
    example: the target's example.
    text: the words of the target that were compared.
    """

    by_heart: bool
    words: int
    example: PreparedExample
    text: str


def continuations(
    session: Session, model: Path, with_reasoning: bool, examples: Sequence[PreparedExample]
) -> list[Continuation]:
    """How a model goes on after its prompt, its own reasoning if it reasons, and the first words of each target.

    session: the session of a run.
    model: the model's folder.
    with_reasoning: whether it writes a reasoning first.
    examples: whose targets have enough words, see `divided_target`.

    A target whose words the prompt shows is not known by heart.
    """
    if not examples:
        return []
    renderer, engine = session.renderer, session.engine(session.recipe.generator, str(model))
    prompts = [session.prompt(example, with_reasoning=with_reasoning) for example in examples]
    seeds = [[0] for _ in examples]
    divided = [divided_target(example.output) or ("", "") for example in examples]
    begun = [given for given, _ in divided]
    if with_reasoning:
        limit = session.recipe.prompt.completion_tokens(with_reasoning=True)
        written = engine.generate([p.tokens for p in prompts], seeds, Sampling(limit, 0.0, 1.0, renderer.stop_ids))
        reasoned = [parse(renderer.decode(texts[0].tokens), with_reasoning=True) for texts in written]
        begun = [compose(parts.reasoning or "", given) for parts, given in zip(reasoned, begun, strict=True)]
    longest_rest = max(len(renderer.target(rest)) for _, rest in divided)
    sampling = Sampling(longest_rest + FEWEST_WORDS, 0.0, 1.0, renderer.stop_ids)
    tokens = [p.tokens + renderer.prefix(start) for p, start in zip(prompts, begun, strict=True)]
    written = engine.generate(tokens, seeds, sampling)
    session.run.progress.advance(len(examples))
    return [
        _continuation(example, rest, renderer.decode(texts[0].tokens), prompt.text)
        for example, (_, rest), texts, prompt in zip(examples, divided, written, prompts, strict=True)
    ]


def _continuation(example: PreparedExample, rest: str, written: str, prompt: str) -> Continuation:
    expected, found = plain_words(rest), plain_words(written)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(expected, found, strict=False)))
    # Where words are not separated by spaces, those of a part may be others than those of the whole.
    begins = "".join(found).startswith("".join(expected))
    shown = " ".join(expected) in " ".join(plain_words(prompt))
    return Continuation(begins and not shown, len(expected) if begins else same, example, rest)


def divided_target(target: str) -> tuple[str, str] | None:
    """The words of a target that are given, and those that must follow; None where it has too few. target: the text."""
    words = split_words(target)
    given = min(GIVEN_WORDS, len(words) // 3)
    if len(words) - given < FEWEST_WORDS:
        return None
    ends = list(word_ends(target, words[: given + CONTINUED_WORDS]))
    return target[: ends[given - 1]], target[ends[given - 1] : ends[-1]]
