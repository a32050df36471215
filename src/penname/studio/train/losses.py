"""The losses of a run's trainings, read as they are appended to its folder."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from penname.session.fine_tune import LOSSES, loss_of

MOST_POINTS = 300
"""Points of a curve; of more steps, each point is the mean of several."""

_SOME = 12


@dataclass(frozen=True)
class Curve:
    """The losses of a training.

    stage: the training.
    points: steps and losses, at most `MOST_POINTS`.
    steps_a_point: number of steps that a point is the mean of.
    first, last, lowest: losses.
    steps: number of the last step.
    """

    stage: str
    points: list[tuple[int, float]]
    steps_a_point: int
    first: float
    last: float
    lowest: float
    steps: int

    def some(self) -> list[tuple[int, float]]:
        """A dozen of the points, from the first to the last."""
        last = len(self.points) - 1
        return [self.points[n] for n in sorted({round(last * part / (_SOME - 1)) for part in range(_SOME)})]


@dataclass
class LossFile:
    """The losses of a training, of which only what is new is read. folder: that of the training."""

    folder: Path
    _found: dict[int, float] = field(default_factory=dict)
    _file: tuple[int, int] = (0, 0)
    _read: int = 0

    def curve(self, stage: str) -> Curve | None:
        """The losses so far; None where there are none. stage: the training's name."""
        self._refresh()
        if not self._found:
            return None
        every = sorted(self._found.items())
        size = -(-len(every) // MOST_POINTS)
        parts = [every[start : start + size] for start in range(0, len(every), size)]
        points = [(part[-1][0], sum(loss for _, loss in part) / len(part)) for part in parts]
        losses = [loss for _, loss in every]
        return Curve(stage, points, size, losses[0], losses[-1], min(losses), every[-1][0])

    def _refresh(self) -> None:
        with contextlib.suppress(OSError), (self.folder / LOSSES).open("rb") as file:
            status = (self.folder / LOSSES).stat()
            identity = status.st_dev, status.st_ino
            if identity != self._file or status.st_size < self._read:  # a resumed training writes it anew
                self._found, self._read, self._file = {}, 0, identity
            file.seek(self._read)
            new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.decode("utf-8", "replace").splitlines():
                if found := loss_of(line):
                    self._found[found[0]] = found[1]
