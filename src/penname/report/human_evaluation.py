"""People judge pairs of texts, as in REST-PG's Appendix A: a page to do it with, and how far they agree with a metric.

Which text of a pair has the higher score, and who wrote it, is in a key that stays with who made the page. The page
works without a network and keeps what was answered in the browser.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from penname.report.page import as_script, render

CHOICES = ("a", "b", "neither")

Record = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two texts for one example, in the order in which they are shown; scores: the metric's of each."""

    example_id: str
    methods: tuple[str, str]
    scores: tuple[float, float]


def draw_pairs(
    written: Mapping[str, Mapping[str, Record]], metric: str, difference: float, count: int, seed: int
) -> list[Pair]:
    """At most `count` pairs of methods' texts for the same example, drawn at random, half of them the better first.

    written: by method and example id, what it wrote and how it scored. Texts that are empty or alike are not paired.
    """
    found = []
    for (first, of_first), (second, of_second) in combinations(written.items(), 2):
        for example_id in of_first:
            if example_id in of_second:
                one, other = of_first[example_id], of_second[example_id]
                scores = one["metrics"].get(metric), other["metrics"].get(metric)
                texts = one["response"].strip(), other["response"].strip()
                if None not in scores and all(texts) and texts[0] != texts[1]:
                    found.append(Pair(example_id, (first, second), scores))
    gaps = [abs(pair.scores[0] - pair.scores[1]) for pair in found]
    apart = [pair for pair, gap in zip(found, gaps, strict=True) if gap > 0 and gap >= difference - 1e-9]
    generator = random.Random(seed)
    chosen = generator.sample(apart, min(count, len(apart)))
    better_first = [place % 2 == 0 for place in range(len(chosen))]
    generator.shuffle(better_first)
    turned = [(pair.scores[0] > pair.scores[1]) != first for pair, first in zip(chosen, better_first, strict=True)]
    return [
        Pair(pair.example_id, pair.methods[::-1], pair.scores[::-1]) if turn else pair
        for pair, turn in zip(chosen, turned, strict=True)
    ]


def make_key(pairs: Sequence[Pair], metric: str) -> Record:
    """What belongs to the pairs' numbers, and a name for the whole, by which answers find it."""
    listed = {
        str(number): {"example_id": p.example_id, "methods": list(p.methods), "scores": list(p.scores)}
        for number, p in enumerate(pairs, start=1)
    }
    name = hashlib.sha256(json.dumps([metric, listed]).encode()).hexdigest()[:16]
    return {"export": name, "metric": metric, "pairs": listed}


def make_page(
    pairs: Sequence[Pair], key: Record, written: Mapping[str, Mapping[str, Record]], examples: Mapping[str, Record]
) -> str:
    """The page, which holds neither scores nor methods."""
    data = {
        "export": key["export"],
        "pairs": [
            {
                "number": number,
                "input": examples[pair.example_id]["input"],
                "output": examples[pair.example_id]["output"],
                "texts": [written[method][pair.example_id]["response"] for method in pair.methods],
            }
            for number, pair in enumerate(pairs, start=1)
        ],
    }
    return render("humans", title="Which text is nearer?", data=as_script(data))


def agreement(key: Record, answers: Mapping[str, Mapping[str, str]]) -> Record:
    """How far annotators agree with the metric, and with each other.

    answers: by annotator and pair number, one of `CHOICES`. For each annotator and for the majority of all: `pairs`
    answered, `undecided` of them, `agreement`, the share of the decided ones whose choice has the higher score, with
    its 95 % Wilson interval, and `correlation`, Pearson's of the difference of scores (a less b) with the choice (1, 0
    or -1). `kappa`: Cohen's (1960) for each two annotators, over the pairs that both answered. None where there is
    nothing to compute it of.
    """
    pairs = key["pairs"]
    named = {name: _with_metric(pairs, own) for name, own in answers.items()}
    majority = _with_metric(pairs, _majority(answers))
    kappa = [
        {"annotators": [one, other], "pairs": len(both), "kappa": _kappa([(a[n], b[n]) for n in both])}
        for (one, a), (other, b) in combinations(answers.items(), 2)
        if (both := [number for number in a if number in b])
    ]
    return {"metric": key["metric"], "annotators": named, "majority": majority, "kappa": kappa}


def _with_metric(pairs: Mapping[str, Record], answers: Mapping[str, str]) -> Record:
    signs = {"a": 1, "b": -1, "neither": 0}
    differences = [pairs[number]["scores"][0] - pairs[number]["scores"][1] for number in answers]
    choices = [signs[choice] for choice in answers.values()]
    decided = [(d > 0) == (c > 0) for d, c in zip(differences, choices, strict=True) if c]
    return {
        "pairs": len(answers),
        "undecided": len(answers) - len(decided),
        "agreement": sum(decided) / len(decided) if decided else None,
        "interval": _wilson(sum(decided), len(decided)),
        "correlation": _correlation(differences, choices),
    }


def _majority(answers: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """For each pair what more annotators chose than anything else; `neither` where there is no such choice."""
    found = {}
    for number in dict.fromkeys(number for own in answers.values() for number in own):
        votes = [own[number] for own in answers.values() if number in own]
        (most, count), *rest = Counter(votes).most_common()
        found[number] = most if not rest or count > rest[0][1] else "neither"
    return found


def _wilson(hits: int, n: int) -> list[float] | None:
    """95 % interval of a share (Wilson, 1927)."""
    if n == 0:
        return None
    from scipy import stats

    found = stats.binomtest(hits, n).proportion_ci(method="wilson")
    return [float(found.low), float(found.high)]


def _correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    if len(set(a)) < 2 or len(set(b)) < 2:
        return None
    from scipy import stats

    return float(stats.pearsonr(a, b).statistic)


def _kappa(both: Sequence[tuple[str, str]]) -> float | None:
    from sklearn.metrics import cohen_kappa_score

    if len({choice for pair in both for choice in pair}) < 2:
        return None  # all alike: chance explains it as well
    found = float(cohen_kappa_score(*zip(*both, strict=True)))
    return None if math.isnan(found) else found
