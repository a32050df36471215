"""Fine-tuning after an expectation step: several kept samples of one prompt, the prompt computed once or for each.

The same samples give the same gradients, on both sides by penname: with the samples of a prompt packed behind it, and
with each sample carrying its own copy of it. Prompts and texts are real abstracts.
"""

from __future__ import annotations

import random
from itertools import islice

import torch
from common import examples, finish, median, parser, run, timed, with_prompts

from penname.engines.models import load_model, load_tokenizer
from penname.engines.packed_attention import PACKED
from penname.prompts.render import Renderer
from penname.training.loss import weighted_loss
from penname.training.packing import TrainingSample, pack


def kept_samples(inputs: int, most: int) -> list[list[TrainingSample]]:
    """For each of `inputs` prompts 1 to `most` samples: abstracts of other inputs, of at most 256 tokens."""
    renderer = Renderer(load_tokenizer("bundled"), "chat", 768)
    data = examples("abstract_generation_user")
    draw = random.Random(0)
    made = []
    for _, prompt in islice(with_prompts("abstract_generation_user", renderer, 2), inputs):
        texts = [other.output or "" for other in draw.sample(data, draw.randint(1, most))]
        targets = [renderer.target(text) for text in texts]
        made.append([TrainingSample(prompt, [*t[:255], t[-1]], draw.random()) for t in targets])
    return made


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--most", type=int, default=10, help="samples kept of an input, at most")
    given = arguments.parse_args()
    model = load_model("bundled", "float32")
    model.set_attn_implementation(PACKED)
    model.train()

    def step(rows: list[dict[str, object]], tokens: int) -> float:
        model.zero_grad()
        total = 0.0
        for row in rows:
            with torch.autocast("cpu", torch.bfloat16):
                loss = weighted_loss(model, row, tokens)
            loss.backward()
            total += loss.item()
        return total

    groups = kept_samples(2 if given.quick else 12, given.most)
    times: dict[str, list[float]] = {"shared": [], "repeated": []}
    losses: dict[str, list[float]] = {"shared": [], "repeated": []}
    for group in groups:
        tokens = sum(len(s.target) for s in group)
        rows = {"shared": [pack(group)], "repeated": [pack([sample]) for sample in group]}
        for name, packed in rows.items():
            taken, loss = timed(step, packed, tokens)
            times[name].append(taken)
            losses[name].append(loss)
    apart = max(abs(a - b) / b for a, b in zip(losses["shared"], losses["repeated"], strict=True))
    finish(
        sum(times["repeated"]) / sum(times["shared"]),
        1.5,
        shared_s=round(sum(times["shared"]), 2),
        repeated_s=round(sum(times["repeated"]), 2),
        median_ratio=round(median([b / a for a, b in zip(times["shared"], times["repeated"], strict=True)]), 3),
        samples_a_prompt=round(sum(map(len, groups)) / len(groups), 2),
        prompts=len(groups),
        largest_difference_of_a_loss=apart,
    )


if __name__ == "__main__":
    run(main)
