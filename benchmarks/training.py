"""Fine-tuning on completions of mixed length: penname against trl's SFTTrainer at its default settings.

Both train the bundled model on the same examples of the four LongLaMP tasks, token for token, in the same order, with
the same optimizer, learning rate and batches of 8, weights in float32 under bfloat16 autocast: penname by `fine_tune`
at a recipe's defaults, which also loads and writes the model, trl at its defaults (padding, gradient checkpointing) but
for the length limit, which would cut the texts. Each side runs in a process of its own, whose peak memory is compared;
the losses of the steps must lie on top of each other.
"""

from __future__ import annotations

import penname  # noqa: F401

# Before torch, which reads some of its settings only once.
# isort: split

import json
import resource
import subprocess
import sys
import tempfile
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

import torch
from common import TASKS, finish, median, parser, run, timed, with_prompts
from datasets import Dataset
from torch.utils.data import SequentialSampler
from trl import SFTConfig, SFTTrainer

from penname.config import TrainingConfig
from penname.engines.models import bundled_model, load_model, load_tokenizer, pick_device
from penname.prompts.render import Renderer
from penname.training.fine_tuning import fine_tune
from penname.training.packing import PromptGroupedSampler, TrainingSample

SEED = 0
MEMORY = 0.7


def samples(count: int) -> list[TrainingSample]:
    """`count` examples, the tasks in turn while they last: 2 documents, at most 384 target tokens."""
    renderer = Renderer(load_tokenizer("bundled"), "chat", 1024)
    tasks = [with_prompts(task, renderer, 2, "train") for task in TASKS]
    in_turn = (found for found in chain.from_iterable(zip_longest(*tasks)) if found)
    made = []
    for example, prompt in islice(in_turn, count):
        target = renderer.target(example.output or "")
        made.append(TrainingSample(prompt, [*target[:-1][:383], target[-1]]))
    return made


def train_penname(data: list[TrainingSample], folder: Path, settings: TrainingConfig) -> list[float]:
    losses: list[float] = []
    fine_tune(str(bundled_model()), data, settings, folder, SEED, lambda step, loss: losses.append(loss))
    return losses


def train_trl(data: list[TrainingSample], folder: Path, settings: TrainingConfig) -> list[float]:
    class InOrder(SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(self.train_dataset)

    rows = [
        {"input_ids": s.prompt + s.target, "completion_mask": [0] * len(s.prompt) + [1] * len(s.target)}
        for s in (data[i] for i in PromptGroupedSampler(data, SEED))
    ]
    trainer = InOrder(
        model=load_model("bundled", "float32"),
        processing_class=load_tokenizer("bundled"),
        train_dataset=Dataset.from_list(rows),
        args=SFTConfig(
            output_dir=str(folder),
            max_length=None,
            use_cpu=pick_device() == "cpu",
            completion_only_loss=True,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="linear",
            optim=settings.optimizer,
            max_grad_norm=settings.max_grad_norm,
            num_train_epochs=1,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def side(name: str, given: Any) -> None:
    """One side, in its own process: prints its figures as JSON."""
    data = samples(given.examples)
    settings = TrainingConfig(save_every=10**6)
    with tempfile.TemporaryDirectory() as folder:
        taken, losses = timed(train_trl if name == "trl" else train_penname, data, Path(folder), settings)
    tokens = sum(len(s.target) for s in data)
    if torch.cuda.is_available():
        memory = torch.cuda.max_memory_allocated() / 2**30
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"target_tokens_per_s": tokens / taken, "peak_gib": memory, "losses": losses}))


def measured(name: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, *sys.argv, "--side", name], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--examples", type=int, help="512 if left out, 16 with --quick")
    arguments.add_argument("--side", choices=["penname", "trl"], help="measure one side only")
    given = arguments.parse_args()
    given.examples = given.examples or (16 if given.quick else 512)
    if given.side:
        side(given.side, given)
        return
    ours, trl = measured("penname"), measured("trl")
    apart = [abs(a - b) / b for a, b in zip(ours["losses"], trl["losses"], strict=True)]
    memory_ratio = ours["peak_gib"] / trl["peak_gib"]
    finish(
        ours["target_tokens_per_s"] / trl["target_tokens_per_s"],
        1.8,
        penname_target_tokens_per_s=round(ours["target_tokens_per_s"], 1),
        trl_target_tokens_per_s=round(trl["target_tokens_per_s"], 1),
        memory_ratio=round(memory_ratio, 3),
        memory_target=MEMORY,
        memory_reached=memory_ratio <= MEMORY,
        penname_peak_gib=round(ours["peak_gib"], 2),
        trl_peak_gib=round(trl["peak_gib"], 2),
        median_difference_of_a_loss=round(median(apart), 5),
        largest_difference_of_a_loss=round(max(apart), 5),
        losses_on_top_of_each_other=max(apart) < 0.01,
        examples=given.examples,
    )


if __name__ == "__main__":
    run(main)
