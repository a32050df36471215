"""How PaT's graph scales: a synthetic graph of the size of all of Amazon's (PGraphRAG, Table 2), and parts of it.

Each size is measured in a process of its own: style features of all texts, building the graph, one full-batch epoch of
GraphSAGE, and both trajectories for 1,000 users, each left out of what it sees. Texts are 30 words drawn from the
bundled corpus, by their frequency; sentence vectors are random, as an encoder's time is the encoder's own
(benchmarks/retrieval.py). The ratio is the peak memory in GiB, the target 6; the seconds' target is 180.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from common import finish, parser, run, timed

from penname.config import PaTConfig, StyleSettings
from penname.data.presidents import load_examples
from penname.data.records import Document, Example
from penname.pat.graph.style import fit_features, train_style
from penname.pat.graph.trajectories import Finder
from penname.pat.graph.user_topic import build_graph

USERS, ITEMS, EDGES = 184_771, 51_376, 198_668
SHARES = (0.1, 0.25, 0.5, 1.0)
ASKED = 1_000
WORDS, DIMENSION = 30, 384


def synthetic(share: float) -> list[Document]:
    """Every user and item has a document; what is left goes to users and items at random."""
    generator = np.random.default_rng(0)
    counts = Counter(word for example in load_examples("train") for d in example.profile for word in d.text.split())
    words, numbers = np.array(list(counts)), np.array(list(counts.values()))
    users, items, edges = (round(share * number) for number in (USERS, ITEMS, EDGES))
    user = np.concatenate([np.arange(users), generator.integers(0, users, edges - users)])
    item = generator.permutation(np.concatenate([np.arange(items), generator.integers(0, items, edges - items)]))
    drawn = words[generator.choice(len(words), (edges, WORDS), p=numbers / numbers.sum())]
    ratings = generator.integers(1, 6, edges)
    return [
        Document(f"user {u}", " ".join(text), item_id=f"item {i}", rating=float(rating))
        for u, i, text, rating in zip(user, item, drawn, ratings, strict=True)
    ]


def vectors_of(texts: Sequence[str]) -> Any:
    drawn = np.random.default_rng(len(texts)).standard_normal((len(texts), DIMENSION), np.float32)
    return drawn / np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-9)


def measure(share: float) -> dict[str, Any]:
    documents = synthetic(share)
    texts = [d.text for d in documents]
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    making, (features, made) = timed(fit_features, texts, vectors_of)
    building, graph = timed(build_graph, documents)
    epoch, model = timed(train_style, made, graph, StyleSettings(epochs=1), 0)
    indexing, finder = timed(Finder, documents, model, features, made, vectors_of, PaTConfig().nearest_topics)
    asked = np.random.default_rng(1).choice(len(documents), min(ASKED, len(documents)), replace=False)

    def find() -> None:
        of = [documents[index] for index in asked]
        examples = [
            Example(str(i), d.user_id, "long", "", query=d.text[:40], item_id=d.item_id) for i, d in enumerate(of)
        ]
        for _ in finder.find_all(examples, 4):
            pass

    finding, _ = timed(find)
    steps = {
        "features_s": making,
        "build_s": building,
        "epoch_s": epoch,
        "index_s": indexing,
        "find_s": finding,
    }
    return {
        "edges": len(documents),
        "users": len(graph.users),
        "items": len(graph.topics),
        **{name: round(seconds, 2) for name, seconds in steps.items()},
        "seconds": round(sum(steps.values()), 1),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "gib_before": round(start / 2**20, 2),
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--share", type=float, help="measure this share of the graph, in this process")
    given = arguments.parse_args()
    if given.share:
        print(json.dumps(measure(given.share)))
        return
    found = []
    for share in SHARES[:1] if given.quick else SHARES:
        done = subprocess.run(
            [sys.executable, sys.argv[0], "--share", str(share)], stdout=subprocess.PIPE, check=True, text=True
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    whole = found[-1]
    finish(whole["peak_gib"], 6, at_most=True, seconds_reached=whole["seconds"] <= 180, sizes=found)


if __name__ == "__main__":
    run(main)
