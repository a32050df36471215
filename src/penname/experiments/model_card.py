"""The model card of a trained model: what the model is, how it was trained, and how it scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from penname.config import Recipe
from penname.engines.models import BUNDLED, BUNDLED_ON_HUB
from penname.evaluation.table import Results, averages
from penname.runs.folder import Record, write_text


def write_card(folder: Path, base: str, description: str, recipe: Recipe, records: Sequence[Record] = ()) -> None:
    """Write a model card into a model's folder.

    folder: the folder of the model.
    base: the name or folder of the model that training started from.
    description: what the model is, in a sentence or two.
    recipe: the recipe of the run.
    records: the per-example records of the model's evaluation; empty if it was not evaluated.
    """
    name = BUNDLED_ON_HUB if base == BUNDLED else base
    write_text(
        folder / "README.md",
        f"---\nlibrary_name: transformers\nbase_model: {name}\n---\nTrained by penname from `{name}`. {description}\n\n"
        f"{_scores(records, recipe.evaluation.split)}Recipe:\n\n```yaml\n"
        f"{yaml.safe_dump(recipe.model_dump(mode='json'), sort_keys=False)}```\n",
    )


def _scores(records: Sequence[Record], split: str) -> str:
    if not records:
        return ""
    results: Results = {"model": {r["example_id"]: {"task": r["task"], "metrics": r["metrics"]} for r in records}}
    means = averages(results)["model"]
    names = sorted({name for r in records for name in r["metrics"]})
    lines = "".join(f"| {name} | {means[name]:.4f} |\n" for name in names if means[name] is not None)
    return f"Means over {len(records)} examples of the {split} split:\n\n| metric | mean |\n|---|---|\n{lines}\n"
