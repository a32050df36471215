"""Runs for the page of results: a real one of an earlier version, and what else lies in a folder of runs."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import yaml

from penname.runs.folder import read_records, write_records

ARCHIVE = Path(__file__).parents[1] / "experiments" / "run-of-0.1.0.tar.xz"


def unpack_run(folder: Path) -> Path:
    """A real run of `rag` and `rest-pg`, with six examples."""
    folder.mkdir(parents=True)
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


def with_other_seed(run: Path, folder: Path, seed: int) -> Path:
    """A copy of a run, with another seed and slightly other scores."""
    shutil.copytree(run, folder)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"seed": seed}, sort_keys=False))
    for path in sorted(folder.glob("evaluation/test/*/metrics/*.parquet")):
        records = read_records(path)
        for number, record in enumerate(records):
            record["metrics"] = {name: value * (0.8 + 0.02 * number) for name, value in record["metrics"].items()}
        rewrite(path, records)
    return folder


def rewrite(path: Path, records: list[dict]) -> None:
    """Write other records in the place of a stage's, as the stage would have."""
    write_records(path, records)
    stage = next((parent for parent in path.parents if (parent / "stage.json").is_file()), None)
    if stage is None:
        return
    facts = json.loads((stage / "stage.json").read_text())
    facts["files"][str(path.relative_to(stage))] = path.stat().st_size
    if "metrics" in records[0]:
        facts["mean_reward"] = sum(record["metrics"]["reward"] for record in records) / len(records)
    (stage / "stage.json").write_text(json.dumps(facts))
