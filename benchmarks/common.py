"""What the benchmarks share: their arguments, real data, repeated measurements, and the last line they print."""

from __future__ import annotations

import penname  # noqa: F401

# Before torch, which reads some of its settings only once.
# isort: split

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console

from penname.cli.control import control
from penname.config import Recipe, SourceConfig
from penname.data.records import Example
from penname.data.sources import load_split
from penname.engines.base import Sampling
from penname.engines.models import compute_dtype
from penname.errors import UserError
from penname.prompts.render import Renderer
from penname.retrieval.retrieve import make_retriever, retrieve_all
from penname.runs.folder import RunFolder
from penname.runs.progress import ConsoleProgress
from penname.session.session import Session

QUICK_CONTROL: dict[str, Any] = {"users": 100, "steps": 20}
"""Arguments of a control corpus that shows nothing and is made in seconds."""
LONGLAMP = "$PENNAME_DATA/longlamp-format"
Result = TypeVar("Result")
TASKS = ("abstract_generation_user", "email_completion_user", "product_review_user", "topic_writing_user")


def parser(doc: str | None) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    made.add_argument("--quick", action="store_true", help="less work, under a minute where it can")
    return made


def examples(task: str, split: str = "test") -> Sequence[Example]:
    """Examples of a LongLaMP task; the folder is taken from PENNAME_DATA."""
    return load_split([SourceConfig(format="longlamp", path=f"{LONGLAMP}/{task}")], split, None, 0)


def with_prompts(task: str, renderer: Renderer, k: int, split: str = "test") -> Iterator[tuple[Example, list[int]]]:
    """Examples of a task, each with the token ids of its prompt: the input and the k best documents by BM25."""
    found = examples(task, split)
    for example, documents in retrieve_all(found, make_retriever("bm25", None, 0), k):
        context = [document.text for document in documents]
        yield example, renderer.render("no_reasoning_input", context, input=example.input).tokens


def control_corpus(folder: Path, **arguments: Any) -> None:
    """Write the control corpus and its model into `folder`, unless they are there already."""
    if not folder.exists():
        control(folder, **arguments)


def on_control(corpus: Path, model: Path, seed: int) -> list[str]:
    """The recipe `control`'s settings for a corpus, a model and a seed."""
    return [f"data=[{{format: jsonl, path: {corpus}}}]", f"generator.model={model}", f"seed={seed}"]


def quiet_session(recipe: Recipe, scratch: Path) -> Session:
    """What writes and scores by `recipe`, with its files in `scratch` and nothing on the terminal."""
    return Session(recipe, RunFolder(scratch, ConsoleProgress(Console(quiet=True))))


def plain_generate(model: Any, prompt: list[int], samples: int, sampling: Sampling) -> list[list[int]]:
    """`samples` completions by transformers' own `generate`, the tokens that ended them included."""
    ids = torch.tensor([prompt], device=model.device)
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=sampling.max_new_tokens,
        do_sample=True,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=0,
        num_return_sequences=samples,
        eos_token_id=list(sampling.stop_ids),
        pad_token_id=sampling.stop_ids[0],
    )
    completions = []
    for row in out[:, len(prompt) :].tolist():
        ends = [index for index, token in enumerate(row) if token in sampling.stop_ids]
        completions.append(row[: ends[0] + 1] if ends else row)
    return completions


def timed(work: Callable[..., Result], *arguments: Any, **named: Any) -> tuple[float, Result]:
    """How many seconds `work` of these arguments took, and its result."""
    started = time.perf_counter()
    result = work(*arguments, **named)
    return time.perf_counter() - started, result


def matrix_flops(device: torch.device) -> float:
    """Floating-point operations a second that a device gives a large matrix product, in what models compute in here."""
    side = 2048 if device.type == "cpu" else 8192
    a, b = torch.randn(2, side, side, device=device).to(getattr(torch, compute_dtype()))

    def product() -> float:
        return float((a @ b)[0, 0])  # reading a number waits for a GPU

    product()
    return 2 * side**3 / median([timed(product)[0] for _ in range(9)])


def copied_bytes(device: torch.device) -> float:
    """Bytes a second that a device copies of a large tensor, reading and writing counted."""
    source = torch.randn(2**26, device=device)
    target = torch.empty_like(source)

    def copy() -> float:
        return float(target.copy_(source)[0])

    copy()
    return 2 * source.numel() * 4 / median([timed(copy)[0] for _ in range(9)])


def forward_flops(model: Any, tokens: int, pairs: float) -> float:
    """Operations a forward pass needs: two a token and weight, and for each pair of tokens that attend to each other.

    The embedding is left out: it is looked up, and what it takes as output layer is small where few logits are wanted.
    """
    config = model.config
    weights = sum(p.numel() for p in model.parameters()) - model.get_input_embeddings().weight.numel()
    width = config.num_attention_heads * (
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )
    return 2.0 * weights * tokens + 4.0 * config.num_hidden_layers * width * pairs


def forward_bytes(model: Any, tokens: int) -> float:
    """Bytes a forward pass moves at least: every product's weights once, its input and its output."""
    linear = [m for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and "lm_head" not in name]
    return float(model.dtype.itemsize) * sum(
        m.weight.numel() + tokens * (m.in_features + m.out_features) for m in linear
    )


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def finish(ratio: float, target: float, *, at_most: bool = False, **facts: Any) -> None:
    """Print the benchmark's result as its last line; the target is a lower bound, or with `at_most` an upper one."""
    reached = ratio <= target if at_most else ratio >= target
    machine = {"machine": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    print(json.dumps({"ratio": round(ratio, 4), "target": target, "reached": reached, **facts, **machine}))


def run(main: Callable[[], None]) -> None:
    """Run a benchmark; what the user can mend is one line and exit code 2."""
    try:
        main()
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)
