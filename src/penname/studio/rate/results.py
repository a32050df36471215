"""What ratings tell: which method's texts were chosen, how far each metric agrees, and pairs for training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penname.reporting.human_evaluation import agreement, wilson
from penname.runs.folder import Record
from penname.studio.rate.pairs import scores_of
from penname.studio.rate.ratings import Rating


@dataclass(frozen=True)
class Agreement:
    """How far a metric agrees with the choices, as `penname judge-humans import` computes it.

    pairs: the decided pairs on which its scores differ.
    share: the share of them whose chosen text has the higher score.
    interval: its 95 % Wilson interval.
    correlation: Pearson's between the difference of scores and the choice, of which neither is the middle.
    """

    metric: str
    pairs: int
    share: float | None
    interval: list[float] | None
    correlation: float | None


@dataclass(frozen=True)
class Result:
    """What a rating tells.

    run: the run's name.
    methods: the two methods, the one first whose texts were chosen more often.
    wins: how many of their texts were chosen.
    neither: the number of pairs on which neither was.
    left: the number of pairs that are not rated.
    share: the share of the decided pairs on which the first method's text was chosen; None where none is decided.
    interval: its 95 % Wilson interval.
    agreements: those of each metric.
    key_file, answers_file: where the ratings are.
    """

    run: str
    methods: tuple[str, str]
    wins: tuple[int, int]
    neither: int
    left: int
    share: float | None
    interval: list[float] | None
    agreements: list[Agreement]
    key_file: Path
    answers_file: Path


def result_of(rating: Rating) -> Result:
    """What a rating tells so far. Raises UserError where its files or the run are damaged."""
    key, answers = rating.key, rating.answered["answers"]
    chosen = [_methods_by_choice(key["pairs"][number], choice)[0] for number, choice in _decided(answers)]
    first, second = sorted(key["methods"], key=chosen.count, reverse=True)
    wins = chosen.count(first), chosen.count(second)
    return Result(
        rating.of.name,
        (first, second),
        wins,
        len(answers) - len(chosen),
        len(key["pairs"]) - len(answers),
        wins[0] / len(chosen) if chosen else None,
        wilson(wins[0], len(chosen)),
        _agreements(rating, key, answers),
        rating.key_file,
        rating.answers_file,
    )


def preference_pairs(rating: Rating) -> list[Record]:
    """The choices as DPO takes them: user, prompt, chosen and rejected text. Raises UserError as `result_of` does."""
    key, (written, examples) = rating.key, scores_of(rating)
    pairs = []
    for number, choice in _decided(rating.answered["answers"]):
        pair = key["pairs"][number]
        example = examples[pair["example_id"]]
        chosen, rejected = (
            written[method][pair["example_id"]]["response"] for method in _methods_by_choice(pair, choice)
        )
        about = {"user_id": example["user_id"], "prompt": example["input"]}
        pairs.append({**about, "chosen": chosen, "rejected": rejected})
    return pairs


def _decided(answers: Record) -> list[tuple[str, str]]:
    """Numbers of pairs with the choice of one of the two texts."""
    return [(number, choice) for number, choice in answers.items() if choice != "neither"]


def _methods_by_choice(pair: Record, choice: str) -> tuple[str, str]:
    """The method whose text was chosen, and the other one."""
    first, second = pair["methods"]
    return (first, second) if choice == "a" else (second, first)


def _agreements(rating: Rating, key: Record, answers: Record) -> list[Agreement]:
    written, _ = scores_of(rating)
    metrics = dict.fromkeys(name for own in written.values() for record in own.values() for name in record["metrics"])
    found = []
    for metric in metrics:
        scored: dict[str, Record] = {}
        for number in answers:
            pair = key["pairs"][number]
            scores = [written[method][pair["example_id"]]["metrics"].get(metric) for method in pair["methods"]]
            if None not in scores and scores[0] != scores[1]:  # equal scores neither agree nor disagree
                scored[number] = {"scores": scores}
        own = {number: answers[number] for number in scored}
        told = agreement({"metric": metric, "pairs": scored}, {"": own})["majority"]
        decided = told["pairs"] - told["undecided"]
        found.append(Agreement(metric, decided, told["agreement"], told["interval"], told["correlation"]))
    return found
