"""How the cost of sampling grows: with m, with the prompt's length, with the number of inputs, and with the vocabulary.

Draws growth.svg beside this file, unless --quick. Prompts are real abstracts one after another, cut to length. Inputs
are sampled as a run's stage does it, shard by shard onto the disk, each number of them in a process of its own. The
larger vocabulary is the bundled model's with as many random rows more in its embedding, which is its output layer too.
The ratio is the memory of ten times the inputs over that of one time; their time must grow in proportion.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import examples, finish, parser, run, timed
from rich.console import Console

from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.models import load_model, load_tokenizer
from penname.engines.sampling import sample_seed
from penname.runs.folder import RunFolder
from penname.runs.progress import ConsoleProgress

SAMPLES, PROMPTS, VOCABULARIES = (8, 32, 128), (512, 1024, 2048, 4096), (49152, 262144)


def prompts(count: int, length: int) -> list[list[int]]:
    tokenizer = load_tokenizer("bundled")
    texts = (document.text for example in examples("abstract_generation_user") for document in example.profile)
    made: list[list[int]] = []
    ids: list[int] = []
    for text in texts:
        ids += tokenizer(text + "\n", add_special_tokens=False).input_ids
        if len(ids) >= length:
            made.append(ids[:length])
            ids = []
        if len(made) == count:
            break
    return made


def speed(engine: LocalEngine, inputs: list[list[int]], samples: int, new_tokens: int) -> float:
    """New tokens a second, the prompts' prefill included."""
    seeds = [[sample_seed(0, "evaluation", str(i), j) for j in range(samples)] for i in range(len(inputs))]
    taken, _ = timed(engine.generate, inputs, seeds, Sampling(new_tokens, 0.7, 0.95, ()))
    return len(inputs) * samples * new_tokens / taken


def of_inputs(count: int, new_tokens: int) -> None:
    """Sample for `count` inputs as a run does, in this process: prints seconds and peak memory."""
    engine = LocalEngine("bundled")
    sampling = Sampling(new_tokens, 0.7, 0.95, ())
    engine.generate([[5] * 64], [[1, 2]], sampling)
    tokenizer = load_tokenizer("bundled")

    def sample(part: Sequence[list[int]]) -> list[dict[str, Any]]:
        written = engine.generate(part, [range(8)] * len(part), sampling)
        return [{"completion": tokenizer.decode(one.tokens)} for own in written for one in own]

    with tempfile.TemporaryDirectory() as folder:
        stage = RunFolder(Path(folder), ConsoleProgress(Console(quiet=True)))
        taken, _ = timed(stage.shards, "samples", prompts(count, 512), 8, sample)
    print(json.dumps({"seconds": taken, "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


def in_own_process(count: int) -> dict[str, float]:
    done = subprocess.run([sys.executable, *sys.argv, "--inputs", str(count)], stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def draw(panels: list[tuple[str, str, dict[str, float]]]) -> None:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(3.2 * len(panels), 2.8))
    for axis, (title, unit, values) in zip(axes, panels, strict=True):
        axis.bar(list(values), list(values.values()), color="#4878a8")
        axis.set_title(title, fontsize=9)
        axis.set_ylabel(unit, fontsize=8)
        axis.tick_params(labelsize=8)
    figure.tight_layout()
    figure.savefig(Path(__file__).with_name("growth.svg"))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--inputs", type=int, help="sample for so many inputs only")
    given = arguments.parse_args()
    new_tokens, base = (4, 8) if given.quick else (64, 16)
    if given.inputs:
        of_inputs(given.inputs, new_tokens)
        return
    one, ten = in_own_process(base), in_own_process(10 * base)
    engine = LocalEngine("bundled", batch_size=128)
    speed(engine, prompts(1, 512), 8, 4)
    by_samples = {str(m): speed(engine, prompts(1, 1024), m, new_tokens) for m in SAMPLES}
    by_prompt = {str(n): speed(engine, prompts(1, n), 32, new_tokens) for n in PROMPTS}
    by_vocabulary = {}
    for size in VOCABULARIES:
        model = load_model("bundled", "bfloat16")
        model.resize_token_embeddings(size, mean_resizing=False)
        by_vocabulary[f"{size:,}"] = speed(LocalEngine(model, batch_size=128), prompts(1, 512), 32, new_tokens)
    panels = [
        ("samples of a 1,024-token prompt", "new tokens/s", by_samples),
        ("tokens of the prompt, m = 32", "new tokens/s", by_prompt),
        ("inputs: time", "s", {str(base): one["seconds"], str(10 * base): ten["seconds"]}),
        ("inputs: peak memory", "GiB", {str(base): one["peak_gib"], str(10 * base): ten["peak_gib"]}),
        ("vocabulary, 512-token prompt, m = 32", "new tokens/s", by_vocabulary),
    ]
    if not given.quick:
        draw(panels)
    slower = ten["seconds"] / one["seconds"]
    finish(
        ten["peak_gib"] / one["peak_gib"],
        1.2,
        at_most=True,
        time_of_ten_times_the_inputs=round(slower, 2),
        time_target=12,
        time_reached=slower <= 12,
        tokens_per_s_by_samples={k: round(v, 1) for k, v in by_samples.items()},
        tokens_per_s_by_prompt_tokens={k: round(v, 1) for k, v in by_prompt.items()},
        tokens_per_s_by_vocabulary={k: round(v, 1) for k, v in by_vocabulary.items()},
    )


if __name__ == "__main__":
    run(main)
