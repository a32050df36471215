"""Pairs of texts: drawn from what two methods of a run wrote, and shown without saying which is whose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from penname.errors import UserError
from penname.reporting.human_evaluation import TextPair, make_key, sample_pairs
from penname.reporting.run_data import read_examples, shown_records
from penname.runs.folder import Record
from penname.session import stage_names
from penname.studio.rate.ratings import Rating
from penname.studio.recipes import recipe_of

METRIC = "reward"
"""What the key's scores are of; the result tells the agreement with all metrics."""

Texts = Mapping[str, Mapping[str, Record]]


@dataclass(frozen=True)
class Pair:
    """A pair as it is shown.

    prompt: what was to be written.
    real: what the author wrote.
    texts: what the methods wrote.
    """

    prompt: str
    real: str
    texts: tuple[str, str]


def methods_of(run: Path) -> list[str]:
    """The methods of a run whose texts can be rated: those that were evaluated. Raises UserError."""
    recipe = recipe_of(run)
    split = recipe.evaluation.split
    return [name for name in recipe.method_rows if (run / stage_names.evaluation(split, name) / "stage.json").is_file()]


def draw_key(run: Path, methods: Sequence[str], count: int, seed: int) -> Record:
    """The key of pairs of texts of two methods, drawn at random; on half of them the better one stands first.

    Raises UserError where there is none.
    """
    split = recipe_of(run).evaluation.split
    drawn = sample_pairs(_written(run, split, methods), METRIC, 0, count, seed)
    if not drawn:
        problem = "found no two texts that differ in their reward, expected methods that write differently"
        raise UserError(f"{' and '.join(methods)}: {problem}")
    return {**make_key(drawn, METRIC), "methods": list(methods), "split": split}


def shown_pairs(rating: Rating) -> Mapping[str, Pair]:
    """The pairs of a rating by their numbers. Raises UserError where the run lacks a text, or is damaged."""
    return _shown(rating, rating.key_file.stat().st_mtime_ns)


def scores_of(rating: Rating) -> tuple[Texts, Mapping[str, Record]]:
    """What the two methods wrote, by method and example, with its scores; and the examples. Raises UserError."""
    key = rating.key
    return _written(rating.run, key["split"], key["methods"]), _examples(rating.run, key["split"])


@lru_cache(4)
def _shown(rating: Rating, changed: int) -> Mapping[str, Pair]:
    """`shown_pairs`, read once. changed: when the key was."""
    written, examples = scores_of(rating)
    try:
        return {number: _pair(pair, written, examples) for number, pair in rating.key["pairs"].items()}
    except (KeyError, TypeError):
        problem = "found a pair whose texts the run has no more, expected the run as it was when they were drawn"
        raise UserError(f"{rating.key_file}: {problem}") from None


def _pair(pair: Record, written: Texts, examples: Mapping[str, Record]) -> Pair:
    known = TextPair(pair["example_id"], tuple(pair["methods"]), tuple(pair["scores"]))
    example = examples[known.example_id]
    first, second = (written[method][known.example_id]["response"] for method in known.methods)
    return Pair(example["input"], example["output"], (first, second))


def _written(run: Path, split: str, methods: Sequence[str]) -> Texts:
    written = shown_records(run, recipe_of(run), split)
    for method in methods:
        if method not in written:
            problem = f"found no texts of the method {method}, expected one that was evaluated on {split}"
            raise UserError(f"{run.name}: {problem}")
    return {method: written[method] for method in methods}


def _examples(run: Path, split: str) -> dict[str, Record]:
    return {record["example_id"]: record for record in read_examples(run, split)}
