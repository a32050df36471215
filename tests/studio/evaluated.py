"""The folder of a run whose methods are evaluated, as pages find it, without training anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from penname.config import Recipe
from penname.runs.folder import RunFolder, write_records
from penname.session import stage_names
from penname.session.examples import PreparedExample


def evaluated_run(folder: Path, rewards: Mapping[str, float], examples: int, words: str = "") -> Path:
    """A run whose methods wrote a text for each example.

    rewards: the reward of each method's texts, less on later examples.
    words: are in all prompts and texts.
    """
    settings = {"data": [{"format": "presidents"}], "methods": list(rewards), "reward": {"mixture": {"rouge1": 1}}}
    recipe = Recipe.model_validate(settings)
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    run, split, ids = RunFolder(folder, None), recipe.evaluation.split, [f"e{number}" for number in range(examples)]  # type: ignore[arg-type]
    prepared = [
        asdict(PreparedExample(i, f"user {i}", "notes", f"Write {i}. {words}", f"Real {i}. {words}", ())) for i in ids
    ]
    _stage(run, stage_names.data(split), "", prepared)
    for method, reward in rewards.items():
        stage = stage_names.evaluation(split, method)
        written = [_written(i, f"Text {len(method)} of {i}. {words}", reward - n / 1000) for n, i in enumerate(ids)]
        _stage(run, stage, stage_names.metrics(stage).removeprefix(stage), written)
    return folder


def _stage(run: RunFolder, name: str, below: str, records: list[dict[str, Any]]) -> None:
    def work(folder: Path) -> dict[str, Any]:
        shards = folder / below.strip("/")
        shards.mkdir(parents=True, exist_ok=True)
        write_records(shards / "00000.parquet", records)
        return {"examples": len(records)}

    run.stage(name, work)


def _written(example: str, text: str, reward: float) -> dict[str, Any]:
    metrics = {"reward": reward, "rouge1": reward, "meteor": 1 - reward, "same": 0.5, "judge": None}
    about = {"malformed": False, "finish_reason": "stop", "new_tokens": 20, "task": "notes", "history": 3}
    return {"example_id": example, "response": text, "reasoning": None, "metrics": metrics, **about}
