"""Fine-tuning on completions of mixed length: penname against trl's SFTTrainer at its default settings.

Both train the bundled model on the same examples of the four LongLaMP tasks, token for token, in the same order, with
the same optimizer, learning rate and batches of 8, weights in float32 under bfloat16 autocast. trl keeps its defaults
(padding, gradient checkpointing) but for the length limit, which would cut the texts. Each side runs in a process of
its own, whose peak memory is compared; the losses of the steps must lie on top of each other.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from common import TASKS, finish, median, parser, run, with_prompts
from torch.utils.data import SequentialSampler

from penname.config import TrainingConfig
from penname.engines.models import load_model, load_tokenizer, pick_device
from penname.engines.packed_attention import PACKED
from penname.prompts.render import Renderer
from penname.training.fine_tuning import WeightedTrainer, _arguments
from penname.training.packing import TrainingSample, pack

BATCH = 8


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


def train_penname(data: list[TrainingSample], folder: Path, micro_batch: int, checkpointing: bool) -> list[float]:
    class InOrder(WeightedTrainer):
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(self.train_dataset)

    settings = TrainingConfig(
        batch_size=BATCH, micro_batch_size=micro_batch, save_every=10**6, gradient_checkpointing=checkpointing
    )
    model = load_model("bundled", "float32")
    model.set_attn_implementation(PACKED)
    trainer = InOrder(
        model=model, args=_arguments(settings, len(data), folder, 0), train_dataset=data, data_collator=pack
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def train_trl(data: list[TrainingSample], folder: Path) -> list[float]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    class InOrder(SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(self.train_dataset)

    rows = [
        {"input_ids": s.prompt + s.target, "completion_mask": [0] * len(s.prompt) + [1] * len(s.target)} for s in data
    ]
    ours = TrainingConfig()
    trainer = InOrder(
        model=load_model("bundled", "float32"),
        processing_class=load_tokenizer("bundled"),
        train_dataset=Dataset.from_list(rows),
        args=SFTConfig(
            output_dir=str(folder),
            max_length=None,
            use_cpu=pick_device() == "cpu",
            completion_only_loss=True,
            per_device_train_batch_size=BATCH,
            learning_rate=ours.learning_rate,
            lr_scheduler_type="linear",
            optim=ours.optimizer,
            max_grad_norm=ours.max_grad_norm,
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
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        if name == "trl":
            losses = train_trl(data, Path(folder))
        else:
            losses = train_penname(data, Path(folder), given.micro_batch, given.checkpointing)
    taken = time.perf_counter() - started
    tokens = sum(len(s.target) for s in data)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"target_tokens_per_s": tokens / taken, "peak_gib": memory, "losses": losses}))


def measured(name: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, *sys.argv, "--side", name], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--examples", type=int, help="512 if left out, 16 with --quick")
    arguments.add_argument("--micro-batch", type=int, default=1, help="penname's samples a row")
    arguments.add_argument("--checkpointing", action="store_true", help="gradient checkpointing for penname")
    arguments.add_argument("--side", choices=["penname", "trl"], help="measure one side only")
    given = arguments.parse_args()
    given.examples = given.examples or (16 if given.quick else 512)
    if given.side:
        side(given.side, given)
        return
    ours, trl = measured("penname"), measured("trl")
    apart = [abs(a - b) / b for a, b in zip(ours["losses"], trl["losses"], strict=True)]
    finish(
        ours["target_tokens_per_s"] / trl["target_tokens_per_s"],
        1.8,
        penname_target_tokens_per_s=round(ours["target_tokens_per_s"], 1),
        trl_target_tokens_per_s=round(trl["target_tokens_per_s"], 1),
        memory_ratio=round(ours["peak_gib"] / trl["peak_gib"], 3),
        memory_target=0.7,
        penname_peak_gib=round(ours["peak_gib"], 2),
        trl_peak_gib=round(trl["peak_gib"], 2),
        median_difference_of_a_loss=round(median(apart), 5),
        largest_difference_of_a_loss=round(max(apart), 5),
        examples=given.examples,
    )


if __name__ == "__main__":
    run(main)
