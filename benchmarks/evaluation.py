"""Evaluation, one text a prompt, against the expectation step, several samples of each: new tokens a second of both.

Prompts are the quickstart's (or of --prompt-tokens), and as many completions are written on both sides, in turn. What
differs is how many tokens of prompts are read for each: `at_equal_speed` is the ratio at which both sides would do as
many operations a second. Reading is faster than writing, so more can be reached.
"""

from __future__ import annotations

from common import finish, forward_flops, median, parser, run, timed

from penname.data.presidents import load_examples
from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.models import load_model, load_tokenizer
from penname.engines.sampling import sample_seed
from penname.prompts.render import Renderer
from penname.recipe_files import load_recipe

COMPLETIONS = 64
TARGET = 0.6


def prompts_of(renderer: Renderer, count: int) -> list[list[int]]:
    """Token ids of the bundled corpus's prompts, each filled up to the limit with documents."""
    examples = load_examples("test")[:count]
    shown = [[document.text for document in e.profile[:20]] for e in examples]
    rendered = (renderer.render("no_reasoning_input", d, input=e.input) for e, d in zip(examples, shown, strict=True))
    return [prompt.tokens for prompt in rendered]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--prompt-tokens", type=int, help="the quickstart's if left out")
    given = arguments.parse_args()
    recipe = load_recipe("quickstart")
    samples, new = recipe.expectation.samples, recipe.prompt.max_output_tokens
    completions, rounds = (8, 1) if given.quick else (COMPLETIONS, 3)
    tokenizer = load_tokenizer("bundled")
    renderer = Renderer(tokenizer, "chat", given.prompt_tokens or recipe.prompt.max_input_tokens)
    prompts = prompts_of(renderer, completions)
    engine = LocalEngine("bundled", batch_size=recipe.generator.batch_size)
    sampling = Sampling(new, 0.7, 0.95, (), no_repeat_ngram=6)
    speeds: dict[int, list[float]] = {1: [], samples: []}
    for number in [samples, 1] * rounds:
        asked = prompts[: completions // number]
        seeds = [[sample_seed(0, "evaluation", str(i), j) for j in range(number)] for i in range(len(asked))]
        taken, _ = timed(engine.generate, asked, seeds, sampling)
        speeds[number].append(completions * new / taken)
    length = sum(map(len, prompts)) / len(prompts)
    model = load_model("bundled", "auto")
    vocabulary = 2.0 * model.get_input_embeddings().weight.numel() * new
    read, written = forward_flops(model, length, length**2 / 2), forward_flops(model, new, new * length) + vocabulary
    ratio = median([a / b for a, b in zip(speeds[1], speeds[samples], strict=True)])
    finish(
        ratio,
        TARGET,
        at_equal_speed=round((read / samples + written) / (read + written), 3),
        evaluation_tokens_per_s=round(median(speeds[1]), 1),
        expectation_tokens_per_s=round(median(speeds[samples]), 1),
        samples=samples,
        prompt_tokens=round(length),
        new_tokens=new,
    )


if __name__ == "__main__":
    run(main)
