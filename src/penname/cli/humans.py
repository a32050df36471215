"""`penname judge-humans`: pairs of texts for annotators, and the agreement of their judgements with a metric."""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from penname.cli.help import examples
from penname.errors import DataError, UserError

KEY: dict[str, type] = {"export": str, "metric": str, "pairs": dict}

app = typer.Typer(
    no_args_is_help=True, help="Have people judge pairs of texts, and measure how far a metric agrees with them."
)
console = Console()


@app.command(
    "export",
    epilog=examples(
        "penname judge-humans export runs/quickstart --out pairs.html \\\n  --metric reward --difference 0.2"
    ),
)
def export_pairs(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs.")],
    out: Annotated[Path, typer.Option(help="The page to write, for annotators; its key is written beside it.")],
    pairs: Annotated[int, typer.Option(min=1, help="Maximum number of pairs.")] = 100,
    metric: Annotated[str, typer.Option(help="The metric to compare with people's choices.")] = "judge",
    difference: Annotated[float, typer.Option(min=0, help="Minimum difference between the scores of a pair.")] = 0.5,
    split: Annotated[str | None, typer.Option(help="val or test; the recipe's evaluation split by default.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Make a page of pairs of texts whose scores differ, for people to judge (REST-PG's Appendix A)."""
    from penname.reporting.build import merge_runs
    from penname.reporting.human_evaluation import make_key, make_page, sample_pairs
    from penname.reporting.run_data import read_runs

    if out.suffix != ".html":
        raise UserError(f"--out: found {out}, expected a name that ends in .html")
    written, examples = merge_runs(read_runs(runs, split))
    known = dict.fromkeys(name for own in written.values() for r in own.values() for name in r["metrics"])
    if metric not in known:
        raise UserError(f"--metric: found {metric!r}, expected one that the runs were evaluated by: {', '.join(known)}")
    if len(written) < 2:
        raise UserError(f"found texts of {', '.join(written)} only, expected two evaluated methods or more")
    sampled = sample_pairs(written, metric, difference, pairs, seed)
    if not sampled:
        raise UserError(
            f"found no two texts for an example that differ in {metric} by {difference:g} or more; lower --difference"
        )
    key = make_key(sampled, metric)
    key_path = out.with_suffix(".key.json")
    if key_path.exists() and _read(key_path, KEY)["export"] != key["export"]:
        raise UserError(f"{key_path}: the key of other pairs, whose answers need it; choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(make_page(sampled, key, written, examples), encoding="utf-8")
    key_path.write_text(json.dumps(key, indent=1), encoding="utf-8")
    fewer = f" (fewer than {pairs}: no more differ by {difference:g})" if len(sampled) < pairs else ""
    console.print(f"{len(sampled)} pairs{fewer}: {out}", markup=False, highlight=False)
    console.print(f"key, not for annotators: {key_path}", markup=False, highlight=False)


@app.command("import", epilog=examples("penname judge-humans import pairs.key.json answers-ann.json"))
def import_answers(
    key: Annotated[Path, typer.Argument(help="The key that was written beside the page.")],
    answers: Annotated[list[Path], typer.Argument(help="Files of answers, one from each annotator.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how far annotators agree with the metric (agreement, correlation) and each other (Cohen's kappa)."""
    from penname.reporting.human_evaluation import agreement

    known = _read(key, KEY)
    for number, pair in known["pairs"].items():
        scores = pair.get("scores") if isinstance(pair, dict) else None
        if not (isinstance(scores, list) and len(scores) == 2 and all(map(_is_score, scores))):
            raise DataError(key, field=f"pairs.{number}.scores", found=f"{scores!r}", expected="two numbers")
    found: dict[str, dict[str, str]] = {}
    for path in answers:
        name, own = _read_answers(path, known)
        if name in found:
            raise DataError(path, field="annotator", found=f"{name!r} a second time", expected="one file an annotator")
        found[name] = own
    report = agreement(known, found)
    if as_json:
        print(json.dumps(report))
    else:
        _show(report)


def _read(path: Path, fields: dict[str, type]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise DataError(path, found="no JSON", expected="what the page saved, or the key beside it") from None
    for name, kind in fields.items():
        value = found.get(name) if isinstance(found, dict) else None
        if not isinstance(value, kind):
            raise DataError(path, field=name, found=repr(value)[:80], expected=f"a {kind.__name__}")
    checked: dict[str, Any] = found
    return checked


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _read_answers(path: Path, key: dict[str, Any]) -> tuple[str, dict[str, str]]:
    from penname.reporting.human_evaluation import CHOICES

    found = _read(path, {"export": str, "annotator": str, "answers": dict})
    if found["export"] != key["export"]:
        raise DataError(path, field="export", found=found["export"], expected=f"{key['export']}, that of the key")
    name = " ".join(found["annotator"].split())
    if not name or any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise DataError(
            path, field="annotator", found=ascii(name) if name else "an empty name", expected="who answered"
        )
    for number, choice in found["answers"].items():
        if number not in key["pairs"]:
            raise DataError(path, field=f"answers.{number}", found="an unknown pair", expected="one of the key's")
        if choice not in CHOICES:
            known = ", ".join(CHOICES)
            raise DataError(path, field=f"answers.{number}", found=repr(choice), expected=f"one of {known}")
    return name, found["answers"]


def _show(report: dict[str, Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Column, Table
    from rich.text import Text

    metric = report["metric"]
    headings = ("pairs", "undecided", f"agrees with {metric}", "95 % interval", f"correlation with {metric}")
    table = Table(Column("annotator", no_wrap=True), *headings, box=SIMPLE_HEAD)
    rows = list(report["annotators"].items())
    for name, own in rows if len(rows) == 1 else [*rows, ("(majority)", report["majority"])]:
        interval = "–" if own["interval"] is None else f"{own['interval'][0]:.2f} to {own['interval'][1]:.2f}"
        counts = (str(own["pairs"]), str(own["undecided"]))
        table.add_row(Text(name), *counts, _number(own["agreement"]), interval, _number(own["correlation"]))
    console.print(table)
    for both in report["kappa"]:
        names = " and ".join(both["annotators"])
        console.print(f"Cohen's kappa of {names}: {_number(both['kappa'])} ({both['pairs']} pairs)", markup=False)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
