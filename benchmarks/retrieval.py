"""Ranking every profile of a benchmark: against the loops of LongLaMP's scripts, its memory, and the way to training.

BM25: all users of two tasks and of all splits; the plain side puts each example's texts together, splits them at
whitespace, makes a BM25Okapi of them and asks for the best k, and penname ranks each task's profiles in one call. What
numba compiles at its first use, once a machine, is compiled before; and both sides read examples that share equal
documents, as penname's reading gives them, which helps penname's alone.

Dense: the first users of the training splits of two tasks; the plain sides embed each example's documents, one by one
or with one call of `SentenceTransformer.encode`; penname's side begins with an empty cache. Every side has its encoder
loaded. Of each pair of sides the order must be the same, with vectors but for rounding.

Memory: the peak of `penname data rank` on a file of examples, and on one of ten times as many, other users with other
words. Training: `first_example_s` is the time from asking for the data to the first sample that
training is given: all examples read and checked, all profiles ranked and written to the run's folder, the first prompt
rendered and its target cut into tokens; `with_imports_s` begins where the process does.
"""

from __future__ import annotations

import json
import logging
import os
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from common import examples, finish, median, parser, run, timed
from rank_bm25 import BM25Okapi
from rich.console import Console

from penname.data.layouts import query_of, searched_text
from penname.data.records import Example
from penname.recipe_files import load_recipe
from penname.retrieval.retrieve import blocks, make_retriever
from penname.runs.folder import RunFolder
from penname.runs.progress import ConsoleProgress
from penname.session.session import Session

SPLITS = ("train", "val", "test")
BM25_TASKS = ("abstract_generation_user", "topic_writing_user")
DENSE_TARGETS = {"one_by_one": 4, "encode_per_user": 1.3}
DENSE_USERS = {"abstract_generation_user": 12, "email_completion_user": 4}
K = 5


def texts_of(example: Example) -> list[str]:
    return [searched_text(example, document) for document in example.profile]


def plain_bm25(task: Sequence[Example]) -> None:
    """As LongLaMP's scripts do it."""
    for example in task:
        corpus = texts_of(example)
        ranker = BM25Okapi([text.split() for text in corpus])
        ranker.get_top_n(query_of(example).split(), corpus, n=K)


def our_bm25(task: Sequence[Example]) -> list[Any]:
    ranked = make_retriever("bm25", None, 0, "whitespace")
    return [
        order
        for block in blocks(task, "own")
        for order in ranked([search for _, searches in block for search in searches], lambda note: None)
    ]


def check_bm25(task: Sequence[Example], orders: Sequence[Any]) -> None:
    for example, order in zip(task, orders, strict=True):
        scores = BM25Okapi([text.split() for text in texts_of(example)]).get_scores(query_of(example).split())
        assert np.array_equal(order, np.argsort(-scores, kind="stable")), example.id


def measure_bm25(repeats: int) -> tuple[float, dict[str, Any]]:
    ours, plain = [], []
    our_bm25(examples(BM25_TASKS[1], "val"))
    for _ in range(repeats):
        # Read anew: Python keeps the hash of a text, which would be known from the second time on.
        tasks = [[e for split in SPLITS for e in examples(task, split) if e.profile] for task in BM25_TASKS]
        ours.append(sum(timed(our_bm25, task)[0] for task in tasks))
        plain.append(sum(timed(plain_bm25, task)[0] for task in tasks))
    for task in tasks:
        check_bm25(task, our_bm25(task))
    ratio = median([b / a for a, b in zip(ours, plain, strict=True)])
    profiles = sum(map(len, tasks))
    return ratio, {"penname_s": round(median(ours), 3), "plain_s": round(median(plain), 3), "profiles": profiles}


def measure_dense(task: str, users: int) -> dict[str, Any]:
    """Seconds of penname and of both loops over the examples of a task's first users."""
    from sentence_transformers import SentenceTransformer

    from penname.encoders import locate_encoder
    from penname.retrieval.dense import DenseRanking

    found = examples(task, "train")
    first = list(dict.fromkeys(example.user_id for example in found))[:users]
    chosen = [example for example in found if example.user_id in first and example.profile]
    queries, profiles = [query_of(e) for e in chosen], [texts_of(e) for e in chosen]
    plain = SentenceTransformer(locate_encoder(None))

    def in_calls() -> list[Any]:
        return [plain.encode(own) @ plain.encode([query])[0] for query, own in zip(queries, profiles, strict=True)]

    def one_by_one() -> list[Any]:
        return [
            np.stack([plain.encode(text) for text in own]) @ plain.encode(query)
            for query, own in zip(queries, profiles, strict=True)
        ]

    def ranking() -> DenseRanking:
        return DenseRanking(None, pooling="model default", normalize=True)

    def quiet(note: str) -> None:
        pass

    with tempfile.TemporaryDirectory() as cache, patch.dict(os.environ, {"PENNAME_CACHE": cache}):
        fresh = ranking()
        fresh.rank(["warm"], [["up"]], quiet)
        ours, orders = timed(fresh.rank, queries, profiles, quiet)
        again, kept = timed(ranking().rank, queries, profiles, quiet)
    plain.encode(["warm up"])
    calls, scores = timed(in_calls)
    single, _ = timed(one_by_one)
    for order, other, own in zip(orders, kept, scores, strict=True):
        assert np.array_equal(order, other)
        assert sorted(order) == list(range(len(own)))
        assert np.all(np.diff(own[order]) <= 1e-5)
    return {
        "documents": sum(map(len, profiles)),
        "distinct": len({text for own in profiles for text in own}),
        "penname_s": round(ours, 2),
        "again_from_cache_s": round(again, 2),
        "one_by_one_s": round(single, 2),
        "encode_per_user_s": round(calls, 2),
    }


def ratios(measured: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Of what some tasks take together: each plain side's time to penname's."""
    ours = sum(found["penname_s"] for found in measured)
    return {side: round(sum(found[f"{side}_s"] for found in measured) / ours, 2) for side in DENSE_TARGETS}


def write_copies(path: Path, copies: int) -> None:
    """The examples of three tasks so many times, each with other users and other words, in penname's own format."""
    tasks = [*BM25_TASKS, "email_completion_user"]
    originals = [asdict(example) for task in tasks for example in examples(task, "train")]
    letters = string.ascii_lowercase
    with path.open("w", encoding="utf-8") as file:
        for copy in range(copies):
            changed = str.maketrans(letters, letters[copy:] + letters[:copy])
            for original in originals:
                fields = ("input", "output", "query")
                texts = {name: original[name] and original[name].translate(changed) for name in fields}
                texts |= {"id": f"{original['id']}-{copy}", "user_id": f"{original['user_id']}-{copy}"}
                profile = [
                    _known(d | {"user_id": None, "text": f"{d['text'].translate(changed)} copy{copy}"})
                    for d in original["profile"]
                ]
                kept = {name: original[name] for name in ("task", "input", "output", "query")}
                file.write(json.dumps(_known(kept | texts) | {"profile": profile}) + "\n")


def _known(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value is not None}


def rank_in_own_process(path: Path) -> dict[str, Any]:
    """What `penname data rank` of a file takes, in seconds and at its peak of memory."""
    started = time.perf_counter()
    # The kernel counts what a process held before it became another program to its peak, but not to VmHWM.
    program = """
from pathlib import Path
from penname.cli.app import main
try:
    main()
finally:
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    command = [sys.executable, "-c", program, "data", "rank", str(path), "--out", str(path) + ".ranked"]
    environment = os.environ | {"PENNAME_CACHE": str(path.with_suffix(".cache"))}
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True, env=environment
    )
    taken = time.perf_counter() - started
    mib = path.stat().st_size / 2**20
    return {"mib_of_text": round(mib), "seconds": round(taken, 1), "peak_mib": round(int(done.stdout) / 1024)}


def start_training(started: float) -> None:
    """In this process: from a recipe to the first sample for training, print seconds."""
    recipe = load_recipe("laptop")
    source = recipe.data[0].model_copy(update={"path": "$PENNAME_DATA/longlamp-format/email_completion_user"})
    recipe = recipe.model_copy(update={"data": [source], "limit": type(recipe.limit)()})
    with tempfile.TemporaryDirectory() as folder:
        session = Session(recipe, RunFolder(Path(folder), ConsoleProgress(Console(quiet=True))))
        renderer = session.renderer
        loaded = time.time()
        first = session.prepare("train")[0]
        tokens = [*session.prompt(first, with_reasoning=False).tokens, *renderer.target(first.output)]
        ended = time.time()
    assert tokens
    print(json.dumps({"first_example_s": round(ended - loaded, 2), "with_imports_s": round(ended - started, 2)}))


def in_own_process(*arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, sys.argv[0], *arguments], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure_memory(copies: int) -> dict[str, Any]:
    peaks = {}
    for count in (copies, 10 * copies):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "train.jsonl"
            write_copies(path, count)
            peaks[count] = rank_in_own_process(path)
    return {"ratio": round(peaks[10 * copies]["peak_mib"] / peaks[copies]["peak_mib"], 3), "of": list(peaks.values())}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--start", type=float, help="go to the first training sample only; when the process began")
    given = arguments.parse_args()
    logging.getLogger("penname").setLevel(logging.ERROR)
    if given.start:
        start_training(given.start)
        return
    ratio, of_bm25 = measure_bm25(2 if given.quick else 7)
    dense = {task: measure_dense(task, 1 if given.quick else users) for task, users in DENSE_USERS.items()}
    dense_ratios = {task: ratios([found]) for task, found in dense.items()} | {"together": ratios(list(dense.values()))}
    memory = measure_memory(1) if not given.quick else None
    starts = [in_own_process("--start", str(time.time())) for _ in range(1 if given.quick else 3)]
    first = median([start["first_example_s"] for start in starts])
    finish(
        ratio,
        20,
        bm25=of_bm25,
        dense=dense,
        dense_ratios=dense_ratios,
        dense_targets=DENSE_TARGETS,
        dense_reached={
            name: {side: found[side] >= target for side, target in DENSE_TARGETS.items()}
            for name, found in dense_ratios.items()
        },
        memory_of_ten_times_the_data=memory,
        memory_target=1.2,
        memory_reached=memory and memory["ratio"] <= 1.2,
        email_completion_user=starts,
        first_example_target_s=3,
        first_example_reached=first < 3,
    )


if __name__ == "__main__":
    run(main)
