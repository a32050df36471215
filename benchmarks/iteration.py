"""One EM iteration end to end, 64 inputs and m = 8: penname against the same steps written plainly.

Both sides sample from the bundled model for the same prompts, reward with the mean of ROUGE-1, ROUGE-L and METEOR, keep
the best quarter, and fine-tune the bundled model on it for one epoch in batches of 8. The plain side is what a script
would do: transformers' `generate` with num_return_sequences, rouge_score and nltk in a loop, trl's SFTTrainer. Both
draw from the same distribution, so their samples differ.
"""

from __future__ import annotations

import penname  # noqa: F401

# Before torch, which reads some of its settings only once.
# isort: split

import tempfile
from pathlib import Path
from typing import Any

import torch
from common import LONGLAMP, finish, parser, plain_generate, run, timed
from rich.console import Console

from penname.engines.base import Sampling
from penname.engines.models import bundled_model, load_model
from penname.recipe_files import load_recipe
from penname.rest_pg.algorithm import expectation, kept_samples
from penname.runs.folder import RunFolder
from penname.runs.progress import ConsoleProgress
from penname.session import stage_names
from penname.session.examples import PreparedExample
from penname.session.fine_tune import train_stage
from penname.session.session import Session
from penname.training.packing import TrainingSample
from rewards import plain as plain_rewards
from training import train_trl


def make_session(folder: Path, inputs: int, samples: int, new_tokens: int) -> Session:
    recipe = load_recipe(
        "laptop",
        [
            f"data=[{{format: longlamp, path: {LONGLAMP}/abstract_generation_user}}]",
            f"limit.train={inputs}",
            f"prompt={{max_input_tokens: 512, max_output_tokens: {new_tokens}}}",
            f"expectation.samples={samples}",
            "training={learning_rate: 1.0e-4, batch_size: 8}",
        ],
    )
    return Session(recipe, RunFolder(folder, ConsoleProgress(Console(stderr=True))))


def with_penname(session: Session, train: list[PreparedExample]) -> int:
    parent = stage_names.iteration("rest-em", 1)
    kept = expectation(session, parent, bundled_model(), train, 1, False)
    train_stage(session, parent, str(bundled_model()), lambda: kept_samples(session, train, kept, False), False)
    return len(kept)


def plainly(session: Session, train: list[PreparedExample], folder: Path) -> int:
    settings, end = session.recipe.expectation, session.renderer.end_id
    sampling = Sampling(session.recipe.prompt.max_output_tokens, settings.temperature, settings.top_p, (end,))
    torch.manual_seed(0)
    model = load_model("bundled", "bfloat16")
    drawn: list[tuple[list[int], list[int], float]] = []
    for example in train:
        prompt = session.prompt(example, with_reasoning=False).tokens
        targets = [row for row in plain_generate(model, prompt, settings.samples, sampling) if row[-1] == end]
        scores = plain_rewards(example.output, [session.renderer.decode(target) for target in targets])
        drawn += [(prompt, target, sum(s) / 3) for target, s in zip(targets, scores, strict=True)]
    del model
    drawn.sort(key=lambda sample: -sample[2])
    kept = [TrainingSample(prompt, target) for prompt, target, _ in drawn[: -(-len(drawn) // 4)]]
    train_trl(kept, folder, session.recipe.training)
    return len(kept)


def main() -> None:
    given = parser(__doc__).parse_args()
    inputs, samples, new_tokens = (6, 8, 96) if given.quick else (64, 8, 192)
    facts: dict[str, Any] = {"inputs": inputs, "samples_an_input": samples, "max_new_tokens": new_tokens}
    with tempfile.TemporaryDirectory() as scratch:
        session = make_session(Path(scratch) / "run", inputs, samples, new_tokens)
        train = session.prepare_fitting("train")
        ours, ours_kept = timed(with_penname, session, train)
        plain, plain_kept = timed(plainly, session, train, Path(scratch) / "trl")
    finish(
        plain / ours,
        3,
        penname_s=round(ours, 1),
        plain_s=round(plain, 1),
        penname_kept=ours_kept,
        plain_kept=plain_kept,
        **facts,
    )


if __name__ == "__main__":
    run(main)
