"""The pages to rate on."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Form, Query, Request
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import FileResponse, Response

from penname.errors import UserError
from penname.reporting.human_evaluation import CHOICES
from penname.serve.errors import ApiError
from penname.serve.routes.common import JSONL
from penname.studio.pages import ROOT, page
from penname.studio.rate.pairs import draw_key, methods_of, shown_pairs
from penname.studio.rate.ratings import Rating, find_rating, new_rating, ratings_of
from penname.studio.rate.results import preference_pairs, result_of
from penname.studio.runs import Run, find_runs
from penname.studio.state import StudioOf

router = APIRouter(prefix="/rate")

USUAL_PAIRS, MOST_PAIRS = 30, 1000
MOST_LISTED = 100


def _name(text: str) -> str:
    """A name as `penname judge-humans import` takes it."""
    name = " ".join(text.split())
    if not name or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        raise ValueError("found no name, expected who rates, in letters")
    return name


class Begun(BaseModel):
    """What is to be rated.

    annotator: who rates.
    """

    run: Annotated[str, Field(max_length=1000)]
    first: Annotated[str, Field(max_length=200)]
    second: Annotated[str, Field(max_length=200)]
    pairs: Annotated[int, Field(ge=1, le=MOST_PAIRS)] = USUAL_PAIRS
    annotator: Annotated[str, Field(max_length=200), AfterValidator(_name)]


class Listed(NamedTuple):
    """A rating in the list. problem: why it cannot be gone on with."""

    id: str
    run: str
    methods: str
    annotator: str
    done: int
    pairs: int
    problem: str


def _rating_of(rating: str, studio: StudioOf) -> Rating:
    return find_rating(studio.runs, rating)


RatingOf = Annotated[Rating, Depends(_rating_of)]


@router.get("")
def choose(request: Request, studio: StudioOf, run: Annotated[str, Query(max_length=1000)] = "") -> Response:
    """What can be rated, and the ratings that were begun."""
    runs = _runs(studio.runs)
    chosen = run if run in runs else next(iter(runs), "")
    ratings = [_listed(rating) for rating in ratings_of(studio.runs)[:MOST_LISTED]]
    methods = runs.get(chosen, [])
    return page(
        request, "rate.html", runs=list(runs), chosen=chosen, methods=methods, ratings=ratings, usual=USUAL_PAIRS
    )


@router.get("/methods")
def choose_methods(request: Request, studio: StudioOf, run: Annotated[str, Query(max_length=1000)]) -> Response:
    """The methods of a run."""
    return page(request, "rate_methods.html", methods=_runs(studio.runs).get(run, []))


@router.post("")
def begin(begun: Annotated[Begun, Form()], studio: StudioOf) -> Response:
    """Draw pairs of texts."""
    runs = _runs(studio.runs)
    if begun.run not in runs:
        raise ApiError(404, "run: found none of this name with two evaluated methods", "not_found", "run")
    methods = [begun.first, begun.second]
    for name in methods:
        if name not in runs[begun.run]:
            raise ApiError(400, "method: found one that the run has no texts of", "invalid_value", "method")
    if begun.first == begun.second:
        raise ApiError(400, "choose two methods that differ: one writes a text of each pair", "invalid_value", "method")
    run = Run(begun.run, studio.runs / begun.run)
    key = draw_key(run.folder, [name for name in runs[begun.run] if name in methods], begun.pairs)
    rating = new_rating(run, key, begun.annotator)
    return Response(status_code=204, headers={"HX-Redirect": f"{ROOT}/rate/{rating.id}"})


@router.get("/{rating}")
def rate(request: Request, rating: RatingOf) -> Response:
    """The page to rate on, at the first pair that is not rated."""
    return page(request, "rate_pairs.html", **_at(rating))


@router.post("/{rating}/answers")
def answer(
    request: Request,
    rating: RatingOf,
    pair: Annotated[str, Form(max_length=20)],
    choice: Annotated[str, Form(max_length=20)],
) -> Response:
    """Keep a choice, and show the next pair."""
    if pair not in rating.key["pairs"]:
        raise ApiError(400, "pair: found one that is not rated here", "invalid_value", "pair")
    if choice not in CHOICES:
        raise ApiError(400, f"choice: expected one of {', '.join(CHOICES)}", "invalid_value", "choice")
    rating.answer(pair, choice)
    return page(request, "rate_pair.html", **_at(rating))


@router.post("/{rating}/undo")
def undo(request: Request, rating: RatingOf) -> Response:
    """Show the pair that was rated last again, without its answer."""
    rating.undo()
    return page(request, "rate_pair.html", **_at(rating))


@router.get("/{rating}/result")
def show_result(request: Request, rating: RatingOf) -> Response:
    """What the ratings tell so far, with the methods."""
    return page(request, "rate_result.html", rating=rating.id, result=result_of(rating))


@router.get("/{rating}/key.json")
def download_key(rating: RatingOf) -> Response:
    """The key of the pairs."""
    return FileResponse(rating.key_file, filename=rating.key_file.name)


@router.get("/{rating}/answers.json")
def download_answers(rating: RatingOf) -> Response:
    """The answers, as `penname judge-humans import` takes them."""
    return FileResponse(rating.answers_file, filename=rating.answers_file.name)


@router.get("/{rating}/pairs.jsonl")
def download_pairs(rating: RatingOf) -> Response:
    """The answers as pairs for DPO."""
    lines = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in preference_pairs(rating))
    named = {"Content-Disposition": f'attachment; filename="{rating.id}.pairs.jsonl"'}
    return Response(lines, media_type=JSONL, headers=named)


def _at(rating: Rating) -> dict[str, Any]:
    """Where the rating is."""
    pairs, answers = shown_pairs(rating), rating.answered["answers"]
    number = next((number for number in pairs if number not in answers), None)
    return {
        "rating": rating.id,
        "number": number,
        "pair": pairs[number] if number else None,
        "done": sum(number in answers for number in pairs),
        "count": len(pairs),
    }


def _runs(folder: Path) -> dict[str, list[str]]:
    """The names of the runs with two or more methods whose texts can be rated, with these; the newest first."""
    found: dict[Run, list[str]] = {}
    for run in find_runs(folder):
        with suppress(UserError):  # nothing of what is no run, or is damaged, can be rated
            if len(methods := methods_of(run.folder)) > 1:
                found[run] = methods
    newest = sorted(found, key=lambda run: -run.changed)
    return {run.name: found[run] for run in newest}


def _listed(rating: Rating) -> Listed:
    try:
        key, kept = rating.key, rating.answered
    except UserError as error:
        return Listed(rating.id, rating.of.name, "", "", 0, 0, str(error))
    methods = " and ".join(map(str, key["methods"]))
    about = str(kept.get("annotator", ""))
    return Listed(rating.id, rating.of.name, methods, about, len(kept["answers"]), len(key["pairs"]), "")
