"""A run as it is watched: each part of its page is made anew from its folder, and sent where it differs from before."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from penname.errors import UserError
from penname.experiments.comparison import compare_runs
from penname.runs.progress import format_duration
from penname.studio.train.losses import Curve, LossFile
from penname.studio.train.pace import name_of, progress_of
from penname.studio.train.samples import BEST, NEWEST, WORST, Samples
from penname.studio.train.states import RunState, last_lines, state_of

PARTS = ("status", "actions", "progress", "problem", "results", "rewards", "samples", "losses", "points", "stages")
"""The parts of the page, from top to bottom; `train_NAME.html` is the template of each."""

SHOWN = 3
"""Number of samples that are shown, of the best and of the worst."""

SECONDS_BETWEEN_LOOKS = 0.5
_MOST_RUNS = 20

Render = Callable[..., str]
"""Makes HTML of a template and its values."""

Versions = dict[str, str]
"""What a page has of each part, as hashes."""


@dataclass
class WatchedRun:
    """A run's folder, of which what was read is not read again. folder: the run's."""

    folder: Path
    _samples: Samples = field(init=False)
    _losses: dict[str, LossFile] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _looked: float = float("-inf")
    _values: dict[str, dict[str, Any]] = field(default_factory=dict)
    _shown: tuple[object, dict[str, Any]] = (None, {})
    _results: tuple[object, dict[str, Any]] = (None, {})

    def __post_init__(self) -> None:
        self._samples = Samples(self.folder)

    @property
    def samples(self) -> Samples:
        """Its samples."""
        return self._samples

    def parts(self, render: Render) -> dict[str, str]:
        """The HTML of each part of its page."""
        values = self.look()
        return {name: render(f"train_{name}.html", run=self.folder.name, **values[name]) for name in PARTS}

    def look(self) -> dict[str, dict[str, Any]]:
        """The values of the template of each part; looked for at most twice a second, for however many pages."""
        with self._lock:
            if time.monotonic() - self._looked > SECONDS_BETWEEN_LOOKS:
                self._values = self._look()
                self._looked = time.monotonic()
            return self._values

    def _look(self) -> dict[str, dict[str, Any]]:
        state = state_of(self.folder)
        recipe = state.recipe
        progress = progress_of(self.folder, recipe, goes=state.goes) if recipe else None
        now = progress.now if progress else ""
        iterations = self._samples.iterations(recipe) if recipe else []
        failed = state.state in ("failed", "unreadable")
        trainings = progress.trainings if progress else []
        curves = {"curves": self._curves(trainings), "name_of": name_of}
        has_trained = any((self.folder / stage / "stage.json").is_file() for stage in trainings)
        return {
            "status": {"state": state, "now": now},
            "actions": {"state": state},
            "progress": {"state": state, "progress": progress, "duration": format_duration},
            "problem": {"state": state, "lines": last_lines(self.folder) if failed else []},
            "results": self._compared(state),
            "rewards": {"iterations": iterations},
            "samples": self._few_samples(iterations[-1] if iterations else None),
            "losses": {**curves, "has_trained": has_trained},
            "points": curves,
            "stages": {"steps": progress.steps if progress else []},
        }

    def _curves(self, trainings: Iterable[str]) -> list[Curve]:
        """The losses of the trainings that have begun."""
        files = {name: self._losses.setdefault(name, LossFile(self.folder / name)) for name in trainings}
        return [curve for name, file in files.items() if (curve := file.curve(name))]

    def _few_samples(self, iteration: Any) -> dict[str, Any]:
        """The best and the worst samples of the newest iteration; before there are rewards, the newest ones."""
        if iteration != self._shown[0]:
            values: dict[str, Any] = {"iteration": iteration, "groups": []}
            if iteration is not None:
                orders = (BEST, WORST) if iteration.rewarded else (NEWEST,)
                values["groups"] = [
                    (order, self._samples.read(self._samples.places(iteration.parent, order)[:SHOWN]))
                    for order in orders
                ]
            self._shown = iteration, values
        return self._shown[1] or {"iteration": None, "groups": []}

    def _compared(self, state: RunState) -> dict[str, Any]:
        """The table of a run that is done."""
        if state.state != "done" or state.recipe is None:
            return {"rows": [], "metrics": [], "problem": None, "writer": None}
        if self._results[0] != state.changed:
            trained = [name for name, row in state.recipe.method_rows.items() if row.trained]
            table = _table(self.folder)
            rewards = {name: entry["reward"] or 0.0 for name, entry in table["rows"] if name in trained}
            self._results = state.changed, {**table, "writer": max(rewards, key=rewards.__getitem__, default=None)}
        return self._results[1]


def _table(run: Path) -> dict[str, Any]:
    try:
        compared = compare_runs([run])
    except UserError as error:
        return {"rows": [], "metrics": [], "problem": str(error)}
    methods: Mapping[str, Mapping[str, Any]] = compared.summary["methods"]
    first = next(iter(methods.values()), {})
    metrics = [name for name, value in first.items() if isinstance(value, float)]
    shown = [(name, str(compared.names.get(name, name))) for name in metrics]
    return {"rows": list(methods.items()), "metrics": shown, "problem": None}


class WatchedRuns:
    """The runs that are or were watched, the last of them."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Path, WatchedRun] = OrderedDict()

    def of(self, folder: Path) -> WatchedRun:
        """A run. folder: the run's."""
        found = self._runs.setdefault(folder, WatchedRun(folder))
        self._runs.move_to_end(folder)
        while len(self._runs) > _MOST_RUNS:
            self._runs.popitem(last=False)
        return found

    def drop(self, folder: Path) -> None:
        """Let go of a run that is deleted."""
        self._runs.pop(folder, None)


def version(html: str) -> str:
    """Tells a part's HTML from others."""
    return hashlib.sha256(html.encode()).hexdigest()[:8]


def told(versions: Versions) -> str:
    """What a page has, as the id of an event, which a browser repeats when it connects again."""
    return ",".join(f"{name}-{known}" for name, known in versions.items())


def known_from(text: str) -> Versions:
    """What a page says that it has, see `told`."""
    pairs = re.findall(r"([a-z]+)-([0-9a-f]{8})", text[:1000])
    return {name: known for name, known in pairs if name in PARTS}


def news(parts: Mapping[str, str], known: Versions) -> Iterator[tuple[str, str]]:
    """The parts that a page does not have, which it has then."""
    for name, html in parts.items():
        if (new := version(html)) != known.get(name):
            known[name] = new
            yield name, html
