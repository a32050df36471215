"""The models that texts are written with: the studio's own, and those of its runs, which are loaded when asked for."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from anyio.to_thread import run_sync

from penname.errors import UserError
from penname.experiments.train import model_folder
from penname.generate.writer import methods_to_write_with
from penname.serve.errors import ApiError
from penname.serve.methods import Methods
from penname.session.fine_tune import PROMPT_FILE
from penname.studio.recipes import recipe_of
from penname.studio.results.runs import best_method
from penname.studio.runs import RECIPE, Run, find_runs
from penname.studio.start import ROWS
from penname.studio.train.learned import has_learned_from
from penname.studio.train.listing import listed_runs
from penname.studio.train.states import is_finished

MOST_LOADED = 2
"""Most models of runs that are loaded at once."""

MOST_LOOKED_AT = 10
"""So many of the newest runs are asked whether they are being trained."""

_UNTRAINED = "rag"
METHODS_SAID = {
    _UNTRAINED: "the untrained model, shown some of the person's texts",
    "sft": "the model trained on people's texts",
    "sft-reasoning": "trained to describe the manner first, then to write",
    "rest-em": "sft, then trained on the best of what it writes itself",
    "rest-pg": "the same with a description of the manner before each text",
}
"""What the methods of most recipes are, in a clause each."""


@dataclass(frozen=True)
class Choice:
    """A method that can be chosen.

    name: what pages call it: its own name, or RUN:METHOD.
    method: its own name.
    run: the run's folder; None for one of the studio's own.
    trained: when its model was, so that another training is another choice.
    """

    name: str
    method: str
    run: Path | None = None
    trained: int = 0

    @property
    def is_untrained(self) -> bool:
        """Whether its model has not been trained on anybody's texts."""
        return self.run is None and self.method == _UNTRAINED

    @property
    def run_name(self) -> str:
        """The run's name, which is its path below the folder of runs; empty for one of the studio's own."""
        return self.name.removesuffix(f":{self.method}") if self.run else ""


class Models:
    """Gives models to whoever writes, and closes those of runs that nobody writes with; all calls are made in the loop.

    own: those that the studio was started with.
    runs: the folder of runs.
    """

    def __init__(self, own: Callable[[], Methods], runs: Path) -> None:
        self._own = own
        self._runs = runs
        self._loaded: OrderedDict[Choice, Methods] = OrderedDict()
        self._loading: dict[Choice, asyncio.Task[None]] = {}
        self._wanted: Counter[Choice] = Counter()
        self._turn = asyncio.Lock()
        self._released = asyncio.Event()

    async def choices(self) -> list[Choice]:
        """What can be chosen: the studio's own methods, the default one first, then those of the runs."""
        own = [Choice(name, name) for name in reversed(self._own().names)]
        return own + await run_sync(choices_of_runs, self._runs)

    async def chosen(self, name: str) -> Choice:
        """The choice of a name. Raises ApiError (404) where there is none, or none any more."""
        for choice in await self.choices():
            if choice.name == name:
                return choice
        raise ApiError(404, "method: found one that cannot write here, expected one of the list", "model_not_found")

    async def in_training(self) -> list[str]:
        """The names of the newest runs that a process works on."""
        return [run.name for run in (await run_sync(listed_runs, self._runs, 0, MOST_LOOKED_AT))[0] if run.state.goes]

    @property
    def loaded(self) -> list[Choice]:
        """The methods of runs whose models are loaded, the least recently used first."""
        return list(self._loaded)

    @asynccontextmanager
    async def using(self, choice: Choice, on_loading: Callable[[], object]) -> AsyncIterator[Methods]:
        """A context in which a choice's model stays loaded.

        on_loading: told that the model is not loaded yet.

        Raises UserError where it cannot be.
        """
        if choice.run is None:
            yield self._own()
            return
        self._wanted[choice] += 1
        try:
            while choice not in self._loaded:
                on_loading()
                await asyncio.shield(self._load_once(choice))  # whoever stops waiting does not stop it for others
            self._loaded.move_to_end(choice)
            yield self._loaded[choice]
        finally:
            self._wanted -= Counter([choice])
            self._released.set()

    async def close(self) -> None:
        """Release the models of runs."""
        for task in self._loading.values():
            task.cancel()
        while self._loaded:
            await self._loaded.popitem()[1].close()

    def _load_once(self, choice: Choice) -> asyncio.Task[None]:
        task = self._loading.get(choice)
        if task is None:
            task = self._loading[choice] = asyncio.create_task(self._load(choice))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # there may be nobody to see it
        return task

    async def _load(self, choice: Choice) -> None:
        try:
            async with self._turn:
                await self._make_room()
                if self._wanted[choice]:
                    loop = asyncio.get_running_loop()
                    self._loaded[choice] = await run_sync(_load, choice, loop)
        finally:
            del self._loading[choice]

    async def _make_room(self) -> None:
        """Close the models that were not used for longest; where all are in use, wait."""
        while len(self._loaded) >= MOST_LOADED:
            idle = next((choice for choice in self._loaded if not self._wanted[choice]), None)
            if idle is not None:
                await self._loaded.pop(idle).close()
            else:
                self._released.clear()
                await self._released.wait()


def usual_choice(choices: Sequence[Choice], user: str = "") -> Choice:
    """What is written with where nothing is chosen.

    Where the studio's own model is untrained, that is the newest finished run that has learned from the user's texts.

    choices: what can be chosen, as `Models.choices` gives it; of a run, the method with the highest reward is taken.
    user: who the text is to be written as; empty for anybody of whom a run has learned.
    """
    if choices[0].is_untrained:
        for run, own in groupby(choices, lambda choice: choice.run):
            with suppress(UserError, OSError):  # it may just be deleted
                if run is not None and is_finished(run, recipe_of(run)) and has_learned_from(run, user):
                    return _best(run, list(own))
    return choices[0]


def _best(run: Path, choices: Sequence[Choice]) -> Choice:
    """The choice of a run's methods that its results speak for; the last one where it has none."""
    best = best_method(run, recipe_of(run))
    return next((choice for choice in choices if best and choice.method == best[0]), choices[-1])


def choices_of_runs(runs: Path) -> list[Choice]:
    """The methods of the runs in a folder that have a trained model, the newest run first."""
    found: list[tuple[float, list[Choice]]] = []
    for run in find_runs(runs):
        with suppress(UserError, OSError):  # of what is no run, is damaged or was just deleted nothing can be chosen
            found.append(((run.folder / RECIPE).stat().st_mtime, _choices_of(run)))
    return [choice for _, choices in sorted(found, key=lambda one: -one[0]) for choice in choices]


def _choices_of(run: Run) -> list[Choice]:
    recipe = recipe_of(run.folder)
    found = []
    for name in methods_to_write_with(run.folder, recipe):
        row = recipe.method_rows[name]
        file = model_folder(run.folder, row, recipe.expectation.iterations) / PROMPT_FILE
        trained = file.stat().st_mtime_ns if row.trained else 0
        found.append(Choice(f"{run.name}:{name}", name, run.folder, trained))
    return found


def _load(choice: Choice, loop: asyncio.AbstractEventLoop) -> Methods:
    assert choice.run is not None
    return Methods(choice.run, [choice.method], ROWS, loop=loop)
