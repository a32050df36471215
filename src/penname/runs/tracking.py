"""Where a run's numbers go beside its folder: TensorBoard, Weights & Biases, trackio, or nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from penname.errors import UserError

TrackerName = Literal["tensorboard", "wandb", "trackio", "none"]


class Tracker(Protocol):
    def log(self, values: Mapping[str, float], step: int) -> None:
        """Keep numbers, each under its name, as those of a step."""
        ...


class Nowhere:
    def log(self, values: Mapping[str, float], step: int) -> None:
        pass


@contextmanager
def open_tracker(name: TrackerName, folder: Path) -> Iterator[Tracker]:
    """The tracker of the run in `folder`; a run that goes on is the same run there.

    Raises UserError where its package is not installed, or refuses. `wandb` asks for an account unless WANDB_MODE is
    offline.
    """
    if name != "none" and find_spec(name) is None:
        raise UserError(f"tracking: {name} is not installed; pip install {name}, or set tracking: none")
    if name == "none":
        yield Nowhere()
    elif name == "tensorboard":
        with _tensorboard(folder) as tracker:
            yield tracker
    else:
        with _project(name, folder) as tracker:
            yield tracker


class _TensorBoard:
    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard"), flush_secs=10)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)


@contextmanager
def _tensorboard(folder: Path) -> Iterator[Tracker]:
    tracker = _TensorBoard(folder)
    try:
        yield tracker
    finally:
        tracker.writer.close()


class _Project:
    def __init__(self, log: Any) -> None:
        self._log = log

    def log(self, values: Mapping[str, float], step: int) -> None:
        # These two count steps for all names together; ours are those of a stage.
        self._log(dict(values) | {"stage_step": step})


@contextmanager
def _project(name: str, folder: Path) -> Iterator[Tracker]:
    known = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    if name == "wandb":
        import wandb

        try:
            opened = wandb.init(project="penname", name=folder.name, dir=str(folder), id=known, resume="allow")
        except wandb.errors.Error as error:
            said = " ".join(str(error).split())
            raise UserError(f"tracking: wandb: {said} (WANDB_MODE=offline needs no account)") from None
        try:
            yield _Project(opened.log)
        finally:
            opened.finish()
        return
    import trackio

    opened = trackio.init(project="penname", name=f"{folder.name}-{known}", resume="allow")
    try:
        yield _Project(opened.log)
    finally:
        trackio.finish()
