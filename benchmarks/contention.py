"""Sampling, scoring and training alone and beside one busy process for every two cores, by how threads wait.

Each way of waiting (GOMP_SPINCOUNT: libgomp's own 300,000 rounds, and what penname sets) has a process of its own,
which does a small piece of each kind of work alone and beside busy processes in turn. A fair share is what threads get
that are all treated alike: of two cores two thirds beside one busy process. The ratio is the worst of the three shares
that penname's setting keeps of it; `kept_alone` is its speed alone against that of libgomp's own setting.
"""

from __future__ import annotations

import penname  # noqa: F401

# Before torch, which reads some of its settings only once.
# isort: split

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from common import examples, finish, median, parser, run, timed, with_prompts

from penname.engines.base import Sampling
from penname.engines.local import LocalEngine
from penname.engines.models import load_model, load_tokenizer
from penname.engines.packed_attention import PACKED
from penname.engines.supported import replace_attention
from penname.errors import UserError
from penname.prompts.render import Renderer
from penname.training.fine_tuning import collate_step
from penname.training.loss import weighted_loss
from penname.training.packing import TrainingSample

LIBGOMP_SPINS = 300_000
KEPT_ALONE = 0.95
SAMPLES = 32
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
"""Ends with the process that started it, also where that is killed."""


def works() -> dict[str, Callable[[], Any]]:
    """A piece of each kind of work on real abstracts, of a second or a few."""
    renderer = Renderer(load_tokenizer("bundled"), "chat", 512)
    engine = LocalEngine("bundled")
    prompts = [prompt for _, prompt in islice(with_prompts("abstract_generation_user", renderer, 2), 4)]
    texts = [renderer.target(example.output or "")[:64] for example in examples("abstract_generation_user")[:4]]
    model = load_model("bundled", "float32")
    replace_attention(model, PACKED)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    rows = collate_step([TrainingSample(prompts[0][:200], text) for text in texts[:2]], 2048)["micro_batches"]

    def sampling() -> None:
        engine.generate(prompts[:1], [range(SAMPLES)], Sampling(8, 0.7, 0.95, ()))

    def scoring() -> None:
        engine.score([prompts[0] + text for text in texts], [[[5], [6, 7]]] * len(texts))

    def training() -> None:
        optimizer.zero_grad()
        for row in rows:
            weighted_loss(model, row, sum(map(len, texts[:2]))).backward()
        optimizer.step()

    return {"sampling": sampling, "scoring": scoring, "training": training}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that never rest."""
    started = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def side(times: int) -> None:
    """One way of waiting, in its own process: prints the seconds of each kind of work, alone and beside others."""
    found: dict[str, list[list[float]]] = {}
    for name, work in works().items():
        work()
        found[name] = [[], []]
        for _ in range(times):
            found[name][0].append(timed(work)[0])
            with busy((os.cpu_count() or 2) // 2):
                timed(work)  # until the scheduler has spread the threads
                found[name][1].append(timed(work)[0])
    print(json.dumps(found))


def measured(spins: int, times: int) -> dict[str, tuple[float, float]]:
    """Median seconds alone and beside others; libgomp reads the number when it is loaded, with torch."""
    environment = os.environ | {"GOMP_SPINCOUNT": str(spins)}
    command = [sys.executable, sys.argv[0], "--side", str(times)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {name: (median(alone), median(beside)) for name, (alone, beside) in found.items()}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--side", type=int, help="measure one way of waiting, so often")
    given = arguments.parse_args()
    if given.side:
        side(given.side)
        return
    times = 1 if given.quick else 3
    if "OMP_WAIT_POLICY" in os.environ:
        raise UserError("found OMP_WAIT_POLICY set, expected it not to be: with it penname leaves the spins alone")
    before, now = measured(LIBGOMP_SPINS, times), measured(int(os.environ["GOMP_SPINCOUNT"]), times)
    cores = os.cpu_count() or 2
    fair = cores / (cores + cores // 2)
    facts: dict[str, Any] = {}
    for name in now:
        facts[f"{name}_kept_alone"] = round(before[name][0] / now[name][0], 3)
        for label, (alone, beside) in (("libgomp", before[name]), ("penname", now[name])):
            facts[f"{name}_{label}_alone_s"] = round(alone, 2)
            facts[f"{name}_{label}_share_of_fair"] = round(alone / beside / fair, 3)
    finish(
        min(facts[f"{name}_penname_share_of_fair"] for name in now),
        0.6,
        kept_alone=min(facts[f"{name}_kept_alone"] for name in now),
        kept_alone_target=KEPT_ALONE,
        **facts,
    )


if __name__ == "__main__":
    run(main)
