"""The report of runs, written to a folder: the page, its tables and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from penname.experiments.comparison import compare_runs
from penname.extras import require
from penname.reporting import figures
from penname.reporting.build import make_report
from penname.reporting.run_data import read_runs
from penname.runs.folder import disk_errors


def write_report(
    runs: Sequence[Path],
    out: Path | None = None,
    split: str | None = None,
    *,
    over_seeds: bool = False,
    holm: bool = False,
) -> Path:
    """Write the report of runs; returns the page's path.

    runs: the runs' folders.
    out: the folder to write to; by default `report` in the first run's folder.
    split, over_seeds, holm: see `penname.experiments.comparison.compare_runs`, whose errors are raised too.

    Raises UserError where the extra `plots` is not installed.
    """
    require("plots", "a report")
    compared = compare_runs(runs, split, over_seeds=over_seeds, holm=holm)
    contents = make_report(read_runs(runs, split), compared.summary, compared.notes)
    folder = out or runs[0] / "report"
    with disk_errors(folder):
        write_files(folder / "tables", contents.tables)
        (folder / "figures").mkdir(exist_ok=True)
        for name, figure in contents.figures.items():
            for ending in ("svg", "png"):
                figures.save(figure, folder / "figures" / f"{name}.{ending}")
        (folder / "report.html").write_text(contents.html, encoding="utf-8")
    return folder / "report.html"


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write text files into a folder.

    folder: the folder, which is made if needed.
    texts: the text of each file, by file name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
