"""Checkpoints, from which a killed training resumes, and folders of models."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

COMPLETE = "complete"
"""File that marks a checkpoint as complete; it contains the sizes of the other files."""

DIVIDED = ".metadata"
"""File in checkpoints of several processes only (see `penname.training.sharded`)."""


def newest_checkpoint(checkpoints: Path) -> str | None:
    """The newest complete checkpoint in a folder, None where there is none; incomplete ones are removed."""
    complete = complete_checkpoints(checkpoints)
    for incomplete in set(checkpoints.glob("checkpoint-*")) - set(complete):
        shutil.rmtree(incomplete)
    return str(complete[-1]) if complete else None


def complete_checkpoints(checkpoints: Path) -> list[Path]:
    """The complete checkpoints, oldest first: marked as complete, with all files of the sizes recorded then."""
    found = (mark.parent for mark in checkpoints.glob(f"checkpoint-*/{COMPLETE}"))
    complete = (folder for folder in found if _sizes(folder) == (folder / COMPLETE).read_text(encoding="utf-8"))
    return sorted(complete, key=lambda p: int(p.name.rsplit("-", 1)[1]))


def mark_complete(checkpoint: Path) -> None:
    """Mark a checkpoint as complete, when all its files are written."""
    (checkpoint / COMPLETE).write_text(_sizes(checkpoint), encoding="utf-8")


def _sizes(checkpoint: Path) -> str:
    """The sizes of the files that the Trainer wrote, as JSON."""
    files = sorted(path for path in checkpoint.iterdir() if path.is_file())
    recorded = (path for path in files if path.name != COMPLETE and not path.name.startswith("score"))
    return json.dumps({path.name: path.stat().st_size for path in recorded})


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model and its tokenizer as `from_pretrained` loads them, under a temporary name until all is written."""
    scratch = folder.with_name(folder.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    model.save_pretrained(scratch)
    tokenizer.save_pretrained(scratch)
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)


def write_end_and_template(folder: Path, stop_ids: Sequence[int], end: str, template: str | None) -> None:
    """Have other programs ask a model, and end its texts, as it was trained; each reads another one of its files.

    folder: the folder of the model and its tokenizer.
    stop_ids: ids of the tokens that end its texts; the first one is trained on.
    end: the text of the first one.
    template: the chat template, see `ChatTemplate.exported`; None for a model that is asked without one.
    """
    ids = stop_ids[0] if len(stop_ids) == 1 else list(stop_ids)
    # llama.cpp's converter takes one number from config.json, and no list.
    _update(folder / "config.json", {"eos_token_id": stop_ids[0]})
    _update(folder / "generation_config.json", {"eos_token_id": ids})
    _update(folder / "tokenizer_config.json", {"eos_token": end})
    if template is not None:
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def _update(path: Path, values: dict[str, Any]) -> None:
    """Change values in a JSON file, which may not be there yet."""
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(settings | values, indent=2) + "\n", encoding="utf-8")


def weights_hash(model: torch.nn.Module) -> str:
    """A hash of a model's weights in float32, which does not depend on the device."""
    digest = hashlib.sha256()
    for _, tensor in sorted(model.state_dict().items()):
        digest.update(tensor.detach().float().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]
