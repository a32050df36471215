"""The pages of results, as routes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, Response

from penname.evaluation.table import names_of, notes_of
from penname.experiments.comparison import Comparison
from penname.reporting.page import policy
from penname.reporting.tables import main_tables, table_of_tests
from penname.serve.errors import ApiError
from penname.studio.pages import ROOT, error_page, page
from penname.studio.results.choice import ChoiceOf, choice_of
from penname.studio.results.results import Results
from penname.studio.results.runs import Order
from penname.studio.state import StudioOf

router = APIRouter(prefix="/results")

POLICY_OF_REPORTS = f"{policy('report')}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
FILES = {"table.md": "text/markdown", "table.tex": "text/plain", "means.csv": "text/csv", "tests.csv": "text/csv"}
"""What can be downloaded of a comparison, and what it is."""


async def _results_of(request: Request) -> Results:
    results: Results = request.app.state.results
    return results


ResultsOf = Annotated[Results, Depends(_results_of)]


@router.get("")
async def runs(
    request: Request,
    results: ResultsOf,
    studio: StudioOf,
    sort: Order = "date",
    number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
) -> Response:
    """Show all runs."""
    shown = await results.asked(results.lines, sort, number)
    return page(request, "results.html", shown=shown, sort=sort, folder=str(studio.runs))


@router.get("/chosen")
async def chosen(request: Request, run: Annotated[tuple[str, ...], Query()] = ()) -> Response:
    """Lead to the comparison of the runs whose boxes are checked, or say that none is."""
    if not run:  # nothing has failed, so it is no error for the browser to report
        return error_page(request, 200, "No run is checked yet: choose one run or more, by the box before its name.")
    return Response(status_code=204, headers={"HX-Redirect": f"{ROOT}/results/compare?{choice_of(run).query}"})


@router.get("/compare")
async def compare(request: Request, results: ResultsOf, choice: ChoiceOf) -> Response:
    """Show the table of runs with its tests."""
    compared = await results.asked(results.compare, choice)
    cards = {name: list(await results.asked(results.cards, name)) for name in choice.runs}
    splits = await results.asked(results.splits, choice)
    averaged = await results.asked(results.seeds_alone_differ, choice)
    about = _shown(compared)
    return page(request, "results_table.html", choice=choice, cards=cards, splits=splits, averaged=averaged, **about)


@router.get("/report")
async def report(results: ResultsOf, choice: ChoiceOf) -> Response:
    """Show the report of runs, a page with scripts and styles of its own."""
    html = await results.asked(results.report, choice, f"{ROOT}/results/compare?{choice.query}")
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY_OF_REPORTS})


@router.get("/card")
async def card(request: Request, results: ResultsOf, choice: ChoiceOf, model: str) -> Response:
    """Show the card of a model that a run has trained."""
    cards = await results.asked(results.cards, choice.runs[0])
    if model not in cards:
        raise ApiError(404, f"found no model card {model!r}", "card_not_found", "model")
    text = await results.asked(_text_of, cards[model])
    folder = str(cards[model].parent)
    return page(request, "results_card.html", choice=choice, model=model, text=text, folder=folder)


@router.get("/files/{name}")
async def download(results: ResultsOf, choice: ChoiceOf, name: str) -> Response:
    """Send the table or its tests as a file."""
    if name not in FILES:
        raise ApiError(404, f"found no file {name!r}, expected one of {', '.join(FILES)}", "file_not_found", "name")
    text = (await results.asked(results.tables, choice))[name]
    saved = f"{'-'.join(choice.runs)}-{name}".replace("/", "-")[-150:]
    headers = {"Content-Disposition": f"attachment; filename=\"{name}\"; filename*=UTF-8''{quote(saved, safe='')}"}
    return Response(text, media_type=f"{FILES[name]}; charset=utf-8", headers=headers)


def _shown(compared: Comparison) -> dict[str, Any]:
    """A comparison as its template takes it."""
    names = names_of(compared.summary, compared.names)
    tests = [table_of_tests(compared.summary, names, metric) for metric in names]
    return {
        "tables": main_tables(compared.summary, names),
        "tests": [table for table in tests if table.rows],
        "notes": [*compared.notes, *notes_of(compared.summary, names)],
    }


def _text_of(path: Path) -> str:
    """The text of a model card, without what is for programs above it."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return text.split("\n---\n", 1)[-1].lstrip() if text.startswith("---\n") else text
