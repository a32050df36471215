"""The page to write on."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated, NamedTuple

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import Response

from penname.serve.errors import ApiError
from penname.serve.requests import TextWithWords
from penname.serve.state import State
from penname.studio.events import EventLog
from penname.studio.models import METHODS_SAID, Choice, Models, usual_choice
from penname.studio.pages import ROOT, page
from penname.studio.state import CALLER, StateOf
from penname.studio.write.asked import BITS_OF_SEED, Asked
from penname.studio.write.column import Column
from penname.studio.write.feedback import Thought, keep_feedback, take_back
from penname.studio.write.sheets import MOST_SHEETS, Sheet, Sheets
from penname.studio.write.users import first_user_of, known_users

router = APIRouter(prefix="/write")

Name = Annotated[str, Query(max_length=2000)]


class Group(NamedTuple):
    """The methods of one run in the list of methods."""

    label: str
    choices: list[Choice]


def _sheets_of(request: Request) -> Sheets:
    sheets: Sheets = request.app.state.sheets
    return sheets


def _models_of(request: Request) -> Models:
    models: Models = request.app.state.models
    return models


SheetsOf = Annotated[Sheets, Depends(_sheets_of)]
ModelsOf = Annotated[Models, Depends(_models_of)]


def _sheet_of(sheet: str, sheets: SheetsOf) -> Sheet:
    found = sheets.get(sheet)
    if found is None:
        raise ApiError(404, "these texts are gone: the studio keeps them in memory alone", "not_found")
    return found


SheetOf = Annotated[Sheet, Depends(_sheet_of)]


def _column_of(number: int, sheet: SheetOf) -> Column:
    if not 0 <= number < len(sheet.columns):
        raise ApiError(404, f"text: found {number}, expected one of {len(sheet.columns)}", "not_found")
    return sheet.columns[number]


ColumnOf = Annotated[Column, Depends(_column_of)]


@router.get("")
async def show(
    request: Request,
    sheets: SheetsOf,
    models: ModelsOf,
    state: StateOf,
    user: Name = "",
    run: Name = "",
    method: Name = "",
) -> Response:
    """The page, with what was written last, or for the user, the run or the method that a link has."""
    sheet = None if user or run or method else sheets.newest
    return await _page(request, models, state, sheet, user=user, run=run, method=method)


@router.get("/seed")
async def another_seed(request: Request) -> Response:
    """Another seed than the one that is shown."""
    return page(request, "write_seed.html", **_seed())


@router.get("/users")
async def find_users(request: Request, state: StateOf, user: Annotated[list[Name] | None, Query()] = None) -> Response:
    """Users whose ids have in them what was typed."""
    typed = (user or [""])[0]
    return page(request, "write_users.html", known=await run_sync(known_users, state.store, CALLER.tenant, typed))


@router.get("/asked")
async def another_column(
    request: Request, models: ModelsOf, method: Annotated[list[Name] | None, Query()] = None
) -> Response:
    """One more text to be asked for. method: those of the texts that are there; the last one's is chosen again."""
    choices = await models.choices()
    chosen = method[-1] if method else (await run_sync(usual_choice, choices)).name
    return page(request, "write_asked.html", groups=_groups(choices), method=chosen, user="")


@router.post("")
async def write(request: Request, asked: Annotated[Asked, Form()], sheets: SheetsOf, models: ModelsOf) -> Response:
    """Have texts written."""
    columns = [(await models.chosen(method), user) for method, user in asked.columns]
    sheet = sheets.begin(asked, columns)
    answer = page(request, "write_sheet.html", sheet=sheet)
    answer.headers["HX-Push-Url"] = f"{ROOT}/write/{sheet.id}"
    return answer


@router.get("/{sheet}")
async def show_again(request: Request, sheet: str, sheets: SheetsOf, models: ModelsOf, state: StateOf) -> Response:
    """The page with texts that were asked for before."""
    found = sheets.get(sheet)
    return await _page(request, models, state, found, gone=found is None)


@router.get("/{sheet}/events")
async def events(request: Request, sheet: str, sheets: SheetsOf) -> Response:
    """What is shown of the texts as they are written."""
    found = sheets.get(sheet)
    return (found.log if found else _log_of_what_is_gone()).answer(request)


@router.post("/{sheet}/{number}/stop")
async def stop(column: ColumnOf) -> Response:
    """Have a text written no further."""
    column.stop()
    return Response(status_code=204)


@router.post("/{sheet}/{number}/feedback")
async def think(
    request: Request,
    sheet: SheetOf,
    column: ColumnOf,
    state: StateOf,
    thought: Annotated[Thought, Form()],
    edited: Annotated[TextWithWords | None, Form()] = None,
) -> Response:
    """Keep what the person thinks of a text."""
    column.keep(await run_sync(keep_feedback, state, column, sheet.columns, thought, edited))
    return page(request, "write_kept.html", column=column)


@router.delete("/{sheet}/{number}/feedback")
async def think_again(request: Request, column: ColumnOf, state: StateOf) -> Response:
    """Keep it no longer."""
    await run_sync(take_back, state, column.kept)
    column.keep([])
    return page(request, "write_kept.html", column=column)


async def _page(
    request: Request,
    models: Models,
    state: State,
    sheet: Sheet | None,
    *,
    user: str = "",
    run: str = "",
    method: str = "",
    gone: bool = False,
) -> Response:
    known = await run_sync(known_users, state.store, CALLER.tenant, "")
    choices = await models.choices()
    asked = sheet.asked if sheet else None
    lacking = ""
    if sheet:
        columns = [(column.choice.name, column.user or "") for column in sheet.columns]
    else:
        chosen = _named(choices, run, method)
        if chosen is None:
            lacking, chosen = method or run, await run_sync(usual_choice, choices, user)
        somebody = user or await run_sync(first_user_of, chosen.run, state.store) or next(iter(known), "")
        columns = _columns_to_begin_with(chosen, choices[0], somebody)
    return page(
        request,
        "write.html",
        gone=gone,
        lacking=lacking,
        most_sheets=MOST_SHEETS,
        prompt=asked.prompt if asked else "",
        columns=columns,
        groups=_groups(choices),
        methods={name: said for name, said in METHODS_SAID.items() if any(one.method == name for one in choices)},
        training=await models.in_training(),
        known=known,
        most_tokens=asked.most_tokens if asked else None,
        temperature=asked.temperature if asked else None,
        sheet=sheet,
        **(_seed() | ({"seed": asked.seed} if asked else {})),
    )


def _named(choices: Sequence[Choice], run: str, method: str) -> Choice | None:
    """What a link chooses: the choice that it names, or the last method of its run; None where there is none."""
    own = (one for one in reversed(choices) if run and one.run_name == run)
    return next((one for one in choices if one.name == method), None) if method else next(own, None)


def _columns_to_begin_with(choice: Choice, own: Choice, somebody: str) -> list[tuple[str, str]]:
    """Method and user of each text: of a run beside the studio's own model, else somebody beside nobody.

    That is what shows most. own: the studio's own.
    """
    if not somebody:
        return [(choice.name, "")]
    return [(choice.name, somebody), (own.name, somebody) if choice.run else (choice.name, "")]


def _seed() -> dict[str, int]:
    return {"seed": secrets.randbits(BITS_OF_SEED), "most_seed": 2**53 - 1}


def _groups(choices: Iterable[Choice]) -> list[Group]:
    grouped = groupby(choices, lambda choice: choice.run_name)
    return [Group(run or "this studio's model", list(own)) for run, own in grouped]


def _log_of_what_is_gone() -> EventLog:
    """What an open page is told whose texts are kept no longer."""
    log = EventLog()
    log.add("told", "The studio keeps these texts no longer: it was started anew, or has written others since.")
    log.end()
    return log
