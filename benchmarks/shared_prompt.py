"""Fine-tuning after an expectation step: several kept samples of a prompt, the prompt computed once a row or for each.

The same optimizer steps at a recipe's defaults, in the rows that penname's training makes of a step's samples: as they
are, so that those of a prompt stand behind it, and with a first token of its own in each prompt, so that none is shared
(the path that training.py times). The loss of the first step is also computed with a row for each sample, and is the
same. Prompts and texts are real abstracts.
"""

from __future__ import annotations

import penname  # noqa: F401

# Before torch, which reads some of its settings only once.
# isort: split

import random
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from common import examples, finish, median, parser, run, timed, with_prompts

from penname.config import TrainingConfig
from penname.engines.models import load_model, load_tokenizer
from penname.engines.packed_attention import PACKED
from penname.engines.supported import replace_attention
from penname.prompts.render import Renderer
from penname.training.fine_tuning import collate_step
from penname.training.loss import weighted_loss
from penname.training.packing import PromptGroupedSampler, TrainingSample, pack


def kept_samples(inputs: int, most: int) -> list[TrainingSample]:
    """For each of `inputs` prompts 1 to `most` samples: abstracts of other inputs, of at most 256 tokens."""
    renderer = Renderer(load_tokenizer("bundled"), "chat", 768)
    data = examples("abstract_generation_user")
    draw = random.Random(0)
    made = []
    for _, prompt in islice(with_prompts("abstract_generation_user", renderer, 2), inputs):
        texts = [other.output or "" for other in draw.sample(data, draw.randint(1, most))]
        targets = [renderer.target(text) for text in texts]
        made += [TrainingSample(prompt, [*t[:255], t[-1]], draw.random()) for t in targets]
    return made


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--most", type=int, default=10, help="samples kept of an input, at most")
    given = arguments.parse_args()
    model = load_model("bundled", "float32")
    replace_attention(model, PACKED)
    model.train()

    def step(rows: list[dict[str, Any]], tokens: int) -> float:
        model.zero_grad()
        total = 0.0
        for row in rows:
            on_device = {name: part.to(model.device) if torch.is_tensor(part) else part for name, part in row.items()}
            with torch.autocast(model.device.type, torch.bfloat16):
                loss = weighted_loss(model, on_device, tokens)
            loss.backward()
            total += loss.item()
        return total

    settings = TrainingConfig()
    samples = kept_samples(2 if given.quick else 12, given.most)
    order = [samples[i] for i in PromptGroupedSampler(samples, 0)]
    times: dict[str, list[float]] = {"shared": [], "repeated": []}
    for start in range(0, len(order), settings.batch_size):
        batch = order[start : start + settings.batch_size]
        tokens = sum(len(s.target) for s in batch)
        shared, loss = timed(step, collate_step(batch, settings.micro_batch_tokens)["micro_batches"], tokens)
        unlike = [replace(sample, prompt=[number, *sample.prompt[1:]]) for number, sample in enumerate(batch)]
        repeated, _ = timed(step, collate_step(unlike, settings.micro_batch_tokens)["micro_batches"], tokens)
        if start:
            times["shared"].append(shared)
            times["repeated"].append(repeated)
        else:  # the first warms up
            expected = step([pack([sample]) for sample in batch], tokens)
            apart = abs(loss - expected) / expected
    finish(
        sum(times["repeated"]) / sum(times["shared"]),
        1.5,
        shared_s=round(sum(times["shared"]), 2),
        repeated_s=round(sum(times["repeated"]), 2),
        median_ratio=round(median([b / a for a, b in zip(times["shared"], times["repeated"], strict=True)]), 3),
        samples_a_prompt=round(len(samples) / len({tuple(s.prompt) for s in samples}), 2),
        samples=len(samples),
        difference_of_the_first_loss=apart,
    )


if __name__ == "__main__":
    run(main)
