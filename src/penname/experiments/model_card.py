"""The model card of a trained model: what the model is, how it was trained, and how it scored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from penname.config import Recipe
from penname.engine_config import EngineConfig
from penname.engines.models import BUNDLED, BUNDLED_ON_HUB, generation_ends
from penname.engines.tokenizer import load_light_tokenizer
from penname.evaluation.table import Results, averages
from penname.runs.folder import Record, write_text


def write_card(
    folder: Path, start: EngineConfig, description: str, recipe: Recipe, records: Sequence[Record] = ()
) -> None:
    """Write a model card into a model's folder.

    folder: the folder of the model.
    start: the model that training started from.
    description: what the model is, in a sentence or two.
    recipe: the recipe of the run.
    records: the per-example records of the model's evaluation; empty if it was not evaluated.
    """
    name = BUNDLED_ON_HUB if start.model == BUNDLED else start.model
    write_text(
        folder / "README.md",
        f"---\nlibrary_name: transformers\nbase_model: {name}\n---\nTrained by penname from `{name}`. {description}\n\n"
        f"{_prompting(folder, start)}{_scores(records, recipe.evaluation.split)}Recipe:\n\n```yaml\n"
        f"{yaml.safe_dump(recipe.model_dump(mode='json'), sort_keys=False)}```\n",
    )


def _prompting(folder: Path, start: EngineConfig) -> str:
    """How the model is asked, and with what it ends its texts."""
    tokenizer = load_light_tokenizer(str(folder))
    ends = [f"`{tokenizer.decode([end], skip_special_tokens=False)}` ({end})" for end in generation_ends(str(folder))]
    others = f"; {', '.join(ends[1:])} end them too" if ends[1:] else ""
    ending = f"It was trained to end its texts with the token {ends[0]}{others}. " if ends else ""
    if start.format == "plain":
        return f"{ending}It was asked without a chat template.\n\n"
    template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    return f"{ending}It was asked with this chat template, that of its tokenizer:\n\n````jinja\n{template}\n````\n\n"


def _scores(records: Sequence[Record], split: str) -> str:
    if not records:
        return ""
    results: Results = {"model": {r["example_id"]: {"task": r["task"], "metrics": r["metrics"]} for r in records}}
    means = averages(results)["model"]
    names = sorted({name for r in records for name in r["metrics"]})
    lines = "".join(f"| {name} | {means[name]:.4f} |\n" for name in names if means[name] is not None)
    return f"Means over {len(records)} examples of the {split} split:\n\n| metric | mean |\n|---|---|\n{lines}\n"
