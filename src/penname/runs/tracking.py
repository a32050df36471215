"""Where a run's metrics are logged beside its folder: TensorBoard, Weights & Biases, trackio, or nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from penname.errors import UserError
from penname.extras import require

TrackerName = Literal["tensorboard", "wandb", "trackio", "none"]


class Tracker(Protocol):
    """Logs metrics."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Log the values of metrics, by name, in a step."""
        ...


class NoTracker:
    """A `Tracker` that logs nothing."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker.log`."""


@contextmanager
def open_tracker(name: TrackerName, folder: Path) -> Iterator[Tracker]:
    """Open the tracker of a run; a run that is resumed continues as the same run in the tracker.

    name: which tracker.
    folder: the run folder.

    Raises UserError where its package is not installed or cannot start a run. `wandb` needs an account unless
    WANDB_MODE is offline.
    """
    if name == "none":
        yield NoTracker()
    elif name == "tensorboard":
        require("tracking", "tracking: tensorboard (or tracking: none)")
        with _tensorboard(folder) as tracker:
            yield tracker
    elif find_spec(name) is None:
        raise UserError(f"tracking: {name} is not installed; pip install {name}, or set tracking: none")
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
        # wandb and trackio count the steps of all metrics together; ours are those of a stage.
        self._log(dict(values) | {"stage_step": step})


@contextmanager
def _project(name: str, folder: Path) -> Iterator[Tracker]:
    run_id = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    if name == "wandb":
        import wandb

        try:
            run = wandb.init(project="penname", name=folder.name, dir=str(folder), id=run_id, resume="allow")
        except wandb.errors.Error as error:
            reason = " ".join(str(error).split())
            raise UserError(f"tracking: wandb: {reason} (WANDB_MODE=offline needs no account)") from None
        try:
            yield _Project(run.log)
        finally:
            run.finish()
        return
    import trackio

    run = trackio.init(project="penname", name=f"{folder.name}-{run_id}", resume="allow")
    try:
        yield _Project(run.log)
    finally:
        trackio.finish()
