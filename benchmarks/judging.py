"""Judging 32 responses an input: penname's scoring against one full forward pass a response, with the same model.

The judge is Figure 6's prompt with the bundled model; the responses are real abstracts of 100 to 300 tokens. The plain
side computes a judge prompt in one pass that keeps its keys and values, and from there the five scores, as ended
strings, in one more small pass. Both sides compute in bfloat16 where the machine does, else in float32; the scores'
probabilities are compared for all responses to the last input, so and in float32, where they must agree to 1e-3.

The limit of the ratio is shown beside it: the plain side's time over what is left to do, with the start of the prompts
computed once, at the speed of a large matrix product; and the share of penname's time that moving the bytes of those
products would take at the speed of a large copy.
"""

from __future__ import annotations

import penname  # noqa: F401

# Before torch, which reads some of its settings only once.
# isort: split

from itertools import takewhile
from typing import Any

import torch
from common import (
    copied_bytes,
    examples,
    finish,
    forward_bytes,
    forward_flops,
    matrix_flops,
    median,
    parser,
    run,
    timed,
)

from penname.engines.local import LocalEngine
from penname.engines.models import load_model, load_tokenizer
from penname.prompts.render import Renderer
from penname.rewards.judge import SCORES, Judge

RESPONSES = 32


@torch.inference_mode()
def plain_probabilities(model: Any, renderer: Renderer, x: str, expected: str, response: str) -> list[float]:
    prompt = renderer.render("figure6_judge", [], input=x, expected_output=expected, response=response).tokens
    device = model.device
    out = model(torch.tensor([prompt], device=device), use_cache=True, logits_to_keep=1)
    first = out.logits[0, -1].float().log_softmax(-1)
    candidates = [renderer.target(str(score)) for score in SCORES]
    width = max(map(len, candidates)) - 1
    ids = torch.tensor([candidate[:-1] + [0] * (width - len(candidate) + 1) for candidate in candidates], device=device)
    cache = out.past_key_values
    cache.batch_repeat_interleave(len(candidates))
    rest = model(ids, past_key_values=cache).logits.float().log_softmax(-1)
    sums = [
        first[c[0]] + sum(rest[row, position - 1, c[position]] for position in range(1, len(c)))
        for row, c in enumerate(candidates)
    ]
    return torch.stack([torch.as_tensor(s) for s in sums]).softmax(0).tolist()


def needed(model: Any, renderer: Renderer, x: str, expected: str, responses: list[str]) -> tuple[float, float]:
    """Operations and bytes needed to judge `responses`, what their prompts have in common computed once."""
    prompts = [
        renderer.render("figure6_judge", [], input=x, expected_output=expected, response=response).tokens
        for response in responses
    ]
    start = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False)))
    rests = [len(prompt) - start for prompt in prompts]
    pairs = start**2 / 2 + sum(start * rest + rest**2 / 2 for rest in rests)
    tokens = start + sum(rests)
    return forward_flops(model, tokens, pairs), forward_bytes(model, tokens)


def difference(judge: Judge, model: Any, renderer: Renderer, asked: tuple[list[str], list[str], list[str]]) -> float:
    """The largest one of a score's probabilities between penname's judge and the plain side."""
    return max(
        abs(p - q)
        for judgement, one in zip(judge(*asked), zip(*asked, strict=True), strict=True)
        for p, q in zip(judgement.probabilities, plain_probabilities(model, renderer, *one), strict=True)
    )


def main() -> None:
    arguments = parser(__doc__).parse_args()
    count = 2 if arguments.quick else 8
    renderer = Renderer(load_tokenizer("bundled"), "chat", 2048)
    inputs = examples("abstract_generation_user")
    texts = [document.text for example in inputs[:100] for document in example.profile]
    responses = [text for text in dict.fromkeys(texts) if 100 <= len(renderer.target(text)) <= 300]
    engine = LocalEngine("bundled")
    model = load_model("bundled", "auto")
    times: dict[str, list[float]] = {"penname": [], "plain": [], "limit": [], "bytes": []}
    peak, copied = matrix_flops(model.device), copied_bytes(model.device)
    judge = Judge(engine, renderer)
    for number, example in enumerate(inputs[: count + 1]):
        own = responses[number * RESPONSES : (number + 1) * RESPONSES]
        asked = ([example.input] * RESPONSES, [example.output or ""] * RESPONSES, own)
        ours, _ = timed(judge, *asked)
        plain, _ = timed(
            lambda *lists: [plain_probabilities(model, renderer, *one) for one in zip(*lists, strict=True)], *asked
        )
        if number:  # the first warms up
            times["penname"].append(ours)
            times["plain"].append(plain)
            flops, moved = needed(model, renderer, example.input, example.output or "", own)
            times["limit"].append(flops / peak)
            times["bytes"].append(moved / copied)
    apart = difference(judge, model, renderer, asked)
    exact = Judge(LocalEngine("bundled", dtype="float32"), renderer)
    apart_exact = difference(exact, load_model("bundled", "float32"), renderer, asked)
    assert apart_exact < 1e-3, apart_exact
    finish(
        median([b / a for a, b in zip(times["penname"], times["plain"], strict=True)]),
        6,
        penname_responses_per_s=round(RESPONSES / median(times["penname"]), 2),
        plain_responses_per_s=round(RESPONSES / median(times["plain"]), 2),
        ratio_at_the_limit=round(median([b / a for a, b in zip(times["limit"], times["plain"], strict=True)]), 2),
        share_of_matrix_speed=round(median([a / b for a, b in zip(times["limit"], times["penname"], strict=True)]), 2),
        share_of_time_for_bytes=round(
            median([a / b for a, b in zip(times["bytes"], times["penname"], strict=True)]), 2
        ),
        matrix_tflops=round(peak / 1e12, 2),
        copy_gb_per_s=round(copied / 1e9, 1),
        largest_difference_of_a_probability=apart_exact,
        largest_difference_as_timed=apart,
        inputs=count,
        responses_an_input=RESPONSES,
    )


if __name__ == "__main__":
    run(main)
