"""The model card of a trained model: what it is, how it was trained, how it scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from penname.config import Recipe
from penname.engines.models import BUNDLED, BUNDLED_ON_HUB
from penname.evaluation.table import Results, averages
from penname.runs.folder import Record, write_text


def write_card(folder: Path, base: str, what: str, recipe: Recipe, records: Sequence[Record] = ()) -> None:
    """Write the card into a model's folder.

    base: the model that it was trained from.
    what: a description in a sentence or two.
    recipe: of its run.
    records: of its evaluation, if there is one.
    """
    name = BUNDLED_ON_HUB if base == BUNDLED else base
    write_text(
        folder / "README.md",
        f"---\nlibrary_name: transformers\nbase_model: {name}\n---\nTrained by penname from `{name}`. {what}\n\n"
        f"{_scores(records, recipe.evaluation.split)}Recipe:\n\n```yaml\n"
        f"{yaml.safe_dump(recipe.model_dump(mode='json'), sort_keys=False)}```\n",
    )


def _scores(records: Sequence[Record], split: str) -> str:
    if not records:
        return ""
    results: Results = {"it": {r["example_id"]: {"task": r["task"], "metrics": r["metrics"]} for r in records}}
    means = averages(results)["it"]
    names = sorted({name for r in records for name in r["metrics"]})
    rows = "".join(f"| {name} | {means[name]:.4f} |\n" for name in names if means[name] is not None)
    return f"Means over {len(records)} examples of the {split} split:\n\n| metric | mean |\n|---|---|\n{rows}\n"
