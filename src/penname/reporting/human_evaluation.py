"""Human evaluation of pairs of texts, as in REST-PG's Appendix A: a page for annotators, and agreement with a metric.

A key file, which annotators do not get, says which method wrote each text and how it scored. The page works without a
network and keeps the answers in the browser.
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

from penname.reporting.page import as_script, render
from penname.runs.folder import Record

CHOICES = ("a", "b", "neither")


@dataclass(frozen=True)
class TextPair:
    """Two texts for one example.

    example_id: the id of the example.
    methods: the methods that wrote the texts, in the order in which the page shows them.
    scores: the scores of the texts by the metric.
    """

    example_id: str
    methods: tuple[str, str]
    scores: tuple[float, float]


def sample_pairs(
    written: Mapping[str, Mapping[str, Record]], metric: str, difference: float, count: int, seed: int
) -> list[TextPair]:
    """A random sample of pairs of methods' texts for the same example; half of the pairs show the better text first.

    written: by method and example id, what the method wrote and how that scored.
    metric: the metric.
    difference: the minimum difference between the scores of a pair.
    count: the maximum number of pairs.
    seed: seed of the random choice.

    Empty texts, and texts that are equal, are not paired.
    """
    found = []
    for (first, of_first), (second, of_second) in combinations(written.items(), 2):
        for example_id in of_first:
            if example_id in of_second:
                first_record, second_record = of_first[example_id], of_second[example_id]
                scores = first_record["metrics"].get(metric), second_record["metrics"].get(metric)
                texts = first_record["response"].strip(), second_record["response"].strip()
                if None not in scores and all(texts) and texts[0] != texts[1]:
                    found.append(TextPair(example_id, (first, second), scores))
    gaps = [abs(pair.scores[0] - pair.scores[1]) for pair in found]
    eligible = [pair for pair, gap in zip(found, gaps, strict=True) if gap > 0 and gap >= difference - 1e-9]
    generator = random.Random(seed)
    chosen = generator.sample(eligible, min(count, len(eligible)))
    better_first = [index % 2 == 0 for index in range(len(chosen))]
    generator.shuffle(better_first)
    swapped = [(pair.scores[0] > pair.scores[1]) != first for pair, first in zip(chosen, better_first, strict=True)]
    return [
        TextPair(pair.example_id, pair.methods[::-1], pair.scores[::-1]) if swap else pair
        for pair, swap in zip(chosen, swapped, strict=True)
    ]


def make_key(pairs: Sequence[TextPair], metric: str) -> Record:
    """The key of the pairs: methods and scores by pair number, and a name by which answers refer to the key.

    pairs: the pairs.
    metric: the metric that scored them.
    """
    listed = {
        str(number): {"example_id": p.example_id, "methods": list(p.methods), "scores": list(p.scores)}
        for number, p in enumerate(pairs, start=1)
    }
    name = hashlib.sha256(json.dumps([metric, listed]).encode()).hexdigest()[:16]
    return {"export": name, "metric": metric, "pairs": listed}


def make_page(
    pairs: Sequence[TextPair], key: Record, written: Mapping[str, Mapping[str, Record]], examples: Mapping[str, Record]
) -> str:
    """The page of HTML, which contains neither scores nor methods.

    pairs: the pairs.
    key: their key.
    written: by method and example id, what the method wrote.
    examples: the examples by id.
    """
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
    """The agreement of annotators with the metric, and with each other.

    key: the key of the pairs.
    answers: by annotator and pair number, one of `CHOICES`.

    For each annotator and for the majority of all, the result has the number of `pairs` answered, the number
    `undecided` among them, the `agreement`, which is the fraction of the decided pairs whose chosen text has the higher
    score, with its 95 % Wilson `interval`, and the `correlation`, which is Pearson's between the difference of scores
    (a minus b) and the choice (1, 0 or -1). `kappa` is Cohen's (1960) for each two annotators, over the pairs that both
    answered. A value is None if there is too little data to compute it.
    """
    pairs = key["pairs"]
    by_annotator = {name: _with_metric(pairs, own) for name, own in answers.items()}
    majority = _with_metric(pairs, _majority(answers))
    kappa = [
        {"annotators": [first, second], "pairs": len(both), "kappa": _kappa([(a[n], b[n]) for n in both])}
        for (first, a), (second, b) in combinations(answers.items(), 2)
        if (both := [number for number in a if number in b])
    ]
    return {"metric": key["metric"], "annotators": by_annotator, "majority": majority, "kappa": kappa}


def _with_metric(pairs: Mapping[str, Record], answers: Mapping[str, str]) -> Record:
    signs = {"a": 1, "b": -1, "neither": 0}
    differences = [pairs[number]["scores"][0] - pairs[number]["scores"][1] for number in answers]
    choices = [signs[choice] for choice in answers.values()]
    decided = [(d > 0) == (c > 0) for d, c in zip(differences, choices, strict=True) if c]
    return {
        "pairs": len(answers),
        "undecided": len(answers) - len(decided),
        "agreement": sum(decided) / len(decided) if decided else None,
        "interval": wilson(sum(decided), len(decided)),
        "correlation": _correlation(differences, choices),
    }


def _majority(answers: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The most frequent choice for each pair; `neither` if several are equally frequent."""
    found = {}
    for number in dict.fromkeys(number for own in answers.values() for number in own):
        votes = [own[number] for own in answers.values() if number in own]
        (most, count), *rest = Counter(votes).most_common()
        found[number] = most if not rest or count > rest[0][1] else "neither"
    return found


def wilson(hits: int, n: int) -> list[float] | None:
    """The 95 % interval of a proportion (Wilson, 1927)."""
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
        return None  # with equal choices only, kappa is not defined
    found = float(cohen_kappa_score(*zip(*both, strict=True)))
    return None if math.isnan(found) else found
