"""The paper's run on 1, 8 and 64 GPUs, calculated: hours, network, disk, and what the driver has to do and to hold.

What an input and a record weigh and what the driver spends on them is measured here, with abstracts as inputs and
workers on Ray that wait, as for a GPU, instead of writing. A second stage, of twice the workers and four times the
inputs, has to take the time, the processor and the disk that are foretold; the ratio is the worst of the three.
What a GPU does is not measured but reckoned from its data sheet: at each step of writing it reads the weights and all
rows' keys and values, reading and training are matrix products, and each reaches a share of the sheet's figures.
"""

from __future__ import annotations

import penname  # noqa: F401

# Before torch, which reads some of its settings only once.
# isort: split

import json
import math
import pickle
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil
from common import LONGLAMP, finish, parser, run

from penname.engines.models import load_tokenizer
from penname.recipe_files import load_recipe
from penname.runs.folder import RunFolder
from penname.runs.shards import Record
from penname.scale.ray_executor import RayExecutor
from penname.session.session import GenerationInput, Session
from scale import Stamps

TARGET = 1.25
SECONDS = 0.25
"""What an input costs a worker in the measured stages."""
SHARD = 16


@dataclass(frozen=True)
class Gpu:
    """A GPU's data sheet (H100 SXM): operations a second in bfloat16, bytes a second and bytes of its memory.

    links: bytes a second between GPUs of one machine, and of several.
    share: what is reached of all of these.
    """

    operations: float = 989e12
    bandwidth: float = 3.35e12
    memory: float = 80e9
    links: tuple[float, float] = (450e9, 50e9)
    share: float = 0.4


@dataclass(frozen=True)
class Paper:
    """The paper's run; the lengths are tokens, the prompt's and the completion's are assumed."""

    inputs: float = 43_000
    samples: int = 32
    iterations: int = 3
    prompt: float = 3000
    completion: float = 700
    judged: float = 1700
    steps: int = 10_000
    batch: int = 64
    micro_batch: float = 16_384


@dataclass(frozen=True)
class Model:
    """A model's size: parameters, and bytes of keys and values of a token, all in bfloat16."""

    name: str
    parameters: float
    cached: float

    def writing(self, gpu: Gpu, paper: Paper) -> float:
        """Tokens a second that a GPU writes; at each step it reads the weights, and all rows' keys and values.

        It has as many rows as fit, at most 256; samples of one prompt share its keys and values.
        """
        row = (paper.prompt / paper.samples + paper.completion) * self.cached
        rows = min(256.0, (0.9 * gpu.memory - 2 * self.parameters) / row)
        read = 2 * self.parameters + rows * (paper.prompt + paper.completion / 2) * self.cached
        return rows * gpu.share * gpu.bandwidth / read

    def reading(self, gpu: Gpu) -> float:
        """Tokens a second that a GPU reads."""
        return gpu.share * gpu.operations / (2 * self.parameters)

    def training(self, gpu: Gpu, paper: Paper, gpus: int) -> float:
        """Seconds of an optimizer step: of passes forward, again forward, as activations are not kept, and backward.

        In a pass each GPU has a micro-batch, and receives the weights twice and its part of the gradients in float32.
        """
        tokens = paper.batch * (paper.prompt + paper.completion)
        micro_batch = max(paper.prompt + paper.completion, min(paper.micro_batch, tokens / gpus))
        passes = math.ceil(tokens / micro_batch / gpus)
        computing = 8 * self.parameters * micro_batch / (gpu.share * gpu.operations)
        receiving = 8 * self.parameters / (gpu.share * gpu.links[gpus > 8]) if gpus > 1 else 0.0
        return passes * max(computing, receiving)


GEMMA_2B = Model("2B", 2.5e9, 2 * 18 * 1 * 256 * 2)
GEMMA_7B = Model("7B", 8.5e9, 2 * 28 * 16 * 256 * 2)


@dataclass(frozen=True)
class Sizes:
    """What a run of penname costs beside its models.

    item: bytes, for a token of its prompt, of an input that travels to a worker.
    record: bytes, for a token of its completion, of a record that travels back.
    stored: the same on the disk.
    driver: seconds of the driver's processor for a record.
    held: bytes of the driver's memory for a token of an input's prompt.
    """

    item: float
    record: float
    stored: float
    driver: float
    held: float


def costs(paper: Paper, model: Model, gpus: int, gpu: Gpu, sizes: Sizes) -> dict[str, float]:
    """Hours of one iteration's parts and of all, gigabytes sent and stored, and the driver's memory."""
    records, machines = paper.inputs * paper.samples, math.ceil(gpus / 8)
    written = records * paper.completion / model.writing(gpu, paper) / gpus
    written += paper.inputs * paper.prompt / model.reading(gpu) / gpus  # a prompt is read once for all its samples
    judged = records * paper.judged / GEMMA_7B.reading(gpu) / gpus
    trained = paper.steps * model.training(gpu, paper, gpus)
    driver = 2 * records * sizes.driver  # samples, and their rewards
    texts = paper.inputs * paper.prompt * sizes.item + 3 * records * paper.completion * sizes.record
    return {
        "writing, h": written / 3600,
        "judging, h": judged / 3600,
        "training, h": trained / 3600,
        "driver busy, h": driver / 3600,
        "all iterations, h": paper.iterations * (max(written + judged, driver) + trained) / 3600,
        "network, GB": paper.iterations * (texts + machines * 2 * (model.parameters + GEMMA_7B.parameters)) / 1e9,
        "disk, GB": paper.iterations * (records * paper.completion * sizes.stored + 2 * model.parameters) / 1e9,
        "driver memory, GB": paper.inputs * paper.prompt * sizes.held / 1e9,
    }


def write_records(session: Session, inputs: Sequence[GenerationInput], samples: int, seconds: float) -> list[Record]:
    """Records like samples', whose texts are the output's words in another order, after the time of a GPU."""
    time.sleep(seconds * len(inputs))
    return [
        {"example_id": i.example.example_id, "sample": j, "completion": shuffled(i.example.output, j), "finished": True}
        for i in inputs
        for j in range(samples)
    ]


def shuffled(text: str | None, seed: int) -> str:
    words = (text or "").split()
    random.Random(seed).shuffle(words)
    return " ".join(words)


@dataclass(frozen=True)
class Stage:
    """A stage that was computed: its seconds, those of the driver's processor, its bytes on the disk, and its sizes.

    item, record, held: as in `Sizes`.
    tokens: those of a record's completion.
    """

    inputs: int
    seconds: float
    driver: float
    disk: float
    item: float
    record: float
    held: float
    tokens: float


def compute_stage(folder: Path, inputs: int, workers: int, samples: int) -> Stage:
    """Compute a stage of so many inputs, which are repeated; the workers are started before."""
    recipe = load_recipe(
        "paper-cluster",
        [
            f"scale={{kind: ray, address: local, workers: {workers}, threads: 1}}",
            f"data=[{{format: longlamp, path: {LONGLAMP}/abstract_generation_user}}]",
            "generator={kind: local, model: bundled}",
            "retrieval={retriever: bm25}",
            "prompt.max_input_tokens=4096",
            "limit.train=64",
        ],
    )
    run_folder = RunFolder(folder, Stamps())
    session = Session(recipe, run_folder, executor=RayExecutor(recipe, run_folder))
    examples = session.prepare_fitting("train")
    made = session.generation_inputs([examples[i % len(examples)] for i in range(inputs)], with_reasoning=True)
    session.compute("start", made[:workers], 1, partial(write_records, samples=1, seconds=2.0))
    process = psutil.Process()
    used, started = sum(process.cpu_times()[:2]), time.perf_counter()
    records = session.shards("records", made, SHARD, partial(write_records, samples=samples, seconds=SECONDS))
    taken, used = time.perf_counter() - started, sum(process.cpu_times()[:2]) - used
    session.close()
    some, tokenizer = [record for record, _ in zip(records, range(1000), strict=False)], load_tokenizer("bundled")
    prompt_tokens = sum(len(i.prompt.tokens) for i in made[:64])
    tokens = sum(len(tokenizer(record["completion"]).input_ids) for record in some)
    return Stage(
        inputs=inputs,
        seconds=taken,
        driver=used,
        disk=sum(path.stat().st_size for path in run_folder.path("records").rglob("*.parquet")),
        item=len(pickle.dumps(made[:64])) / prompt_tokens,
        record=len(pickle.dumps(some)) / tokens,
        held=len(pickle.dumps(examples)) / prompt_tokens * 64 / len(examples),
        tokens=tokens / len(some),
    )


def main() -> None:
    given = parser(__doc__).parse_args()
    paper, gpu = Paper(), Gpu()
    inputs = 4 * SHARD if given.quick else 16 * SHARD
    with tempfile.TemporaryDirectory() as scratch:
        small = compute_stage(Path(scratch) / "small", inputs, 2, paper.samples)
        large = compute_stage(Path(scratch) / "large", 4 * inputs, 4, paper.samples)
    records = small.inputs * paper.samples
    stored = small.disk / records / small.tokens
    sizes = Sizes(small.item, small.record, stored, small.driver / records, small.held)
    foretold = {"seconds": large.inputs * SECONDS / 4, "driver": 4 * small.driver, "disk": 4 * small.disk}
    for model in (GEMMA_2B, GEMMA_7B):
        for gpus in (1, 8, 64):
            shown = {name: round(value, 1) for name, value in costs(paper, model, gpus, gpu, sizes).items()}
            print(json.dumps({"model": model.name, "GPUs": gpus, **shown}))
    more = costs(replace(paper, inputs=100 * paper.inputs), GEMMA_2B, 64, gpu, sizes)
    print(json.dumps({"model": "2B", "GPUs": 64, "inputs": "100 times", **{k: round(v, 1) for k, v in more.items()}}))
    measured = {name: getattr(large, name) for name in foretold}
    ratios = {name: foretold[name] / measured[name] for name in foretold}
    finish(
        max(max(ratio, 1 / ratio) for ratio in ratios.values()),
        TARGET,
        at_most=True,
        foretold_over_measured={name: round(ratio, 3) for name, ratio in ratios.items()},
        item_bytes_a_token=round(sizes.item, 2),
        record_bytes_a_token=round(sizes.record, 2),
        stored_bytes_a_token=round(sizes.stored, 2),
        driver_microseconds_a_record=round(1e6 * sizes.driver, 1),
        held_bytes_a_token=round(sizes.held, 2),
    )


if __name__ == "__main__":
    run(main)
