"""What the pages show of runs: lines, comparisons, reports and model cards, kept while the runs stay as they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

from penname.errors import UserError
from penname.evaluation.formats import to_files
from penname.evaluation.significance import bootstrap_interval, paired_t_test
from penname.experiments.comparison import Comparison, compare_runs
from penname.experiments.results import refuse_unless_seeds_alone_differ
from penname.extras import missing, require
from penname.reporting import figures
from penname.reporting.build import make_report
from penname.reporting.run_data import read_runs
from penname.serve.errors import ApiError
from penname.studio.results.choice import Choice
from penname.studio.results.kept import Kept, Stamp, files_of, stamp_of
from penname.studio.results.runs import Line, Order, describe
from penname.studio.runs import Run, find_run, find_runs

LINES_OF_A_PAGE = 50
THREADS = 4
"""Threads at most, so that other pages are served whatever is computed here."""
_CARD = ("model", "README.md")

Value = TypeVar("Value")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lines:
    """A page of the list of runs.

    lines: its runs.
    number: of the page, from 1.
    pages: how many there are.
    """

    lines: Sequence[Line]
    number: int
    pages: int


class Results:
    """What is computed from the runs in a folder. It takes its time: `asked` calls any of it beside the event loop.

    folder: the folder of runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: Kept[Line] = Kept(10_000)
        self._comparisons: Kept[Comparison] = Kept(30)
        self._reports: Kept[str] = Kept(3)
        self._warmed_up = cache(_warm_up)
        self._limiter = CapacityLimiter(THREADS)

    async def asked(self, work: Callable[..., Value], *arguments: Any) -> Value:
        """What one of the other methods returns, called in a thread."""
        return await to_thread.run_sync(work, *arguments, limiter=self._limiter)

    def lines(self, order: Order, number: int) -> Lines:
        """A page of the list of runs. number: of the page, from 1; of those behind the last one, the last one."""
        self._reports.drop_gone()  # what a deleted run has said is not to be kept here
        self._warmed_up()
        runs = find_runs(self._folder)
        by_name = sorted(runs, key=lambda run: run.name.casefold())
        if order == "date":
            by_name.sort(key=lambda run: run.changed, reverse=True)
        elif order == "recipe":
            by_name.sort(key=lambda run: self._line(run).recipe or "\U0010ffff")
        elif order == "reward":
            by_name.sort(key=lambda run: -best[1] if (best := self._line(run).best) else 1.0)
        pages = max(1, -(-len(runs) // LINES_OF_A_PAGE))
        number = min(number, pages)
        shown = by_name[(number - 1) * LINES_OF_A_PAGE : number * LINES_OF_A_PAGE]
        return Lines([self._line(run) for run in shown], number, pages)

    def compare(self, choice: Choice) -> Comparison:
        """The table of the chosen runs with its tests. Raises UserError where they cannot be compared."""
        folders = self._folders_of(choice)
        return self._comparisons.get(choice, lambda: _stamp(folders), lambda: _compare(folders, choice))

    def tables(self, choice: Choice) -> dict[str, str]:
        """The files of the table and its tests, by name; raises as `compare` does."""
        compared = self.compare(choice)
        return to_files(compared.summary, compared.names)

    def report(self, choice: Choice, back: str) -> str:
        """The page that `penname report` makes of the chosen runs; raises as `compare` does.

        back: the address that it leads back to.
        """
        folders = self._folders_of(choice)
        compared = self.compare(choice)
        return self._reports.get(choice, lambda: _stamp(folders), lambda: _report(folders, choice, compared, back))

    def splits(self, choice: Choice) -> list[str]:
        """The splits that something in the chosen runs is evaluated on."""
        folders = self._folders_of(choice)
        return [
            split
            for split in ("val", "test")
            if any(next(f.glob(f"evaluation/{split}/*/stage.json"), None) for f in folders)
        ]

    def seeds_alone_differ(self, choice: Choice) -> bool:
        """Whether the chosen runs can be averaged."""
        try:
            refuse_unless_seeds_alone_differ(self._folders_of(choice))
        except UserError:
            return False
        return True

    def cards(self, name: str) -> dict[str, Path]:
        """The model cards of a run by the names of their trainings, as in `rest-em/iteration-1`."""
        (folder,) = self._folders_of(Choice((name,)))
        cards = [path for path in files_of(folder) if path.parts[-2:] == _CARD]
        return {path.parent.parent.relative_to(folder).as_posix().removesuffix("/training"): path for path in cards}

    def _line(self, run: Run) -> Line:
        return self._lines.get(run.name, lambda: _light_stamp(run.folder), lambda: describe(run))

    def _folders_of(self, choice: Choice) -> list[Path]:
        found = [(name, find_run(self._folder, name)) for name in choice.runs]
        if missing := [name for name, run in found if run is None]:
            raise ApiError(404, f"found no run {missing[0]!r}", "run_not_found", "run")
        return [run.folder for _, run in found if run is not None]


def _warm_up() -> None:
    """Load what tables and reports need, while somebody still looks at the list: it takes seconds."""
    Thread(target=_use_once, daemon=True).start()


def _use_once() -> None:
    bootstrap_interval([0.0, 1.0], [1.0, 1.0], 0)
    paired_t_test([0.0, 1.0], [1.0, 1.0])
    if not missing("plots"):
        figures.to_inline_svg(figures.curves({"x": [0.0, 1.0]}, ["0", "1"], ("x", "y")), "")


def _stamp(folders: Sequence[Path]) -> Stamp:
    return tuple(part for folder in folders for part in stamp_of(files_of(folder)))


def _light_stamp(folder: Path) -> Stamp:
    """The stamp of what a line of the list depends on."""
    return stamp_of([folder / name for name in ("recipe.yaml", "log.txt", "timing.jsonl")]) + stamp_of(
        sorted(folder.glob("evaluation/*/*/stage.json"))
    )


def _compare(folders: Sequence[Path], choice: Choice) -> Comparison:
    with _in_a_line(choice):
        return compare_runs(folders, choice.split, over_seeds=choice.seeds, holm=choice.holm)


def _report(folders: Sequence[Path], choice: Choice, compared: Comparison, back: str) -> str:
    require("plots", "a report")
    with _in_a_line(choice):
        return make_report(read_runs(folders, choice.split), compared.summary, compared.notes, back).html


@contextmanager
def _in_a_line(choice: Choice) -> Iterator[None]:
    """Whatever the files of a run hold, the page has a line to show."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # records of other programs and other versions can hold anything
        logger.error("results: %s", type(error).__name__)
        raise UserError(
            f"{', '.join(choice.runs)}: found records that cannot be read ({type(error).__name__})"
        ) from error
