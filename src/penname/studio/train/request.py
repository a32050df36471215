"""What a new run is asked to be: checked, planned before anything is written, and then begun."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from penname.config import Recipe, Split
from penname.data.from_documents import DataSet
from penname.data.load_report import LoadReport
from penname.engines.models import ModelNotHere, load_tokenizer, locate_model, only_models_here
from penname.errors import UserError
from penname.experiments.plan import Plan, check_data, check_engines, check_room, make_plan
from penname.experiments.stages import Counts
from penname.recipe_files import load_recipe
from penname.serve.store.store import Store
from penname.studio.train import processes
from penname.studio.train.documents import DATA_FOLDER, FEW, LONGEST, all_users, fitted_settings, lengths_of, own_data
from penname.studio.train.learned import add_feedback
from penname.studio.train.offers import OWN, Offer, offer_of

SHARE_TOLD = 0.3
"""Share of texts that are too long to learn from, above which that is told."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


@dataclass(frozen=True)
class RunRequest:
    """What a new run is asked to be.

    name: that of its folder.
    recipe: the name of an offer.
    own: whether it is trained on documents in the studio.
    users: those whose documents; none for all.
    """

    name: str
    recipe: str
    own: bool
    users: tuple[str, ...] = ()

    def folder(self, runs: Path) -> Path:
        """The run's folder. Raises UserError for a name that cannot be one, or that another run has."""
        if not _NAME.fullmatch(self.name) or self.name.endswith("."):
            raise UserError(
                "name: found one that cannot be a folder's, expected letters without accents, digits, - and _, "
                "60 at most"
            )
        known = {path.name.casefold() for path in runs.iterdir()} if runs.is_dir() else set()
        if self.name.casefold() in known:
            raise UserError(f"name: there is a run called {self.name} already, expected another name")
        return (runs / self.name).absolute()

    def offer(self) -> Offer:
        """The chosen recipe. Raises UserError for one that is not known, or not for these data."""
        offer = offer_of(self.recipe)
        if self.own and not offer.on_own:
            raise UserError(f"data: {offer.title} has data of its own, expected these")
        if not self.own and not offer.on_its_own:
            raise UserError(f"data: {offer.title} has no data of its own, expected the documents in this studio")
        return offer


@dataclass(frozen=True)
class PlannedRun:
    """What a run will be.

    offer: its recipe's.
    recipe: its recipe.
    settings: what is set in place of the recipe's own settings, as `--set` takes it.
    plan: what it computes.
    data: the documents in the studio that it is trained on, if any.
    users, documents: number of users whose documents these are, and of those that can be learned from.
    notes: what to know before it is begun, each in a line.
    problem: why it cannot be begun; None where it can.
    """

    offer: Offer
    recipe: Recipe
    settings: list[str]
    plan: Plan
    data: DataSet | None = None
    users: int = 0
    documents: int = 0
    notes: list[str] = field(default_factory=list)
    problem: str | None = None

    def taken(self, split: Split) -> str:
        """How many of a split's texts it takes, in words."""
        count = len(self.data.examples[split]) if self.data else 0
        limit: int | None = getattr(self.recipe.limit, split)
        return f"{count:,}" if limit is None or limit >= count else f"{limit:,} of {count:,}"

    def others(self) -> list[str]:
        """What becomes of the documents that it neither trains nor tests with, each in words."""
        examples = self.data.examples if self.data else {}
        set_aside = len(examples.get("val", ()))
        rest = self.documents - sum(map(len, examples.values()))
        why = "a person's earliest, which nothing goes before, one without a date among dated ones, or hardly a word"
        told = [(set_aside, "set aside to compare settings on"), (rest, f"left out ({why})")]
        return [f"{count:,} {what}" for count, what in told if count > 0]


def planned(request: RunRequest, store: Store, runs: Path) -> PlannedRun:
    """What a run will be; nothing is written and no hub is asked. Raises UserError for a request that cannot be met."""
    folder, offer = request.folder(runs), request.offer()
    with only_models_here():
        if request.own:
            return _on_documents(folder, offer, list(request.users) or all_users(store), store)
        return _on_its_own(folder, offer)


def _on_its_own(folder: Path, offer: Offer) -> PlannedRun:
    """What a run on the recipe's own data will be."""
    recipe = load_recipe(offer.recipe)
    plan = make_plan(recipe)
    problem = _first_problem(
        lambda: check_data(recipe, folder), lambda: check_engines(recipe), lambda: check_room(plan, folder)
    )
    # What make_plan could not count is what check_data says.
    return PlannedRun(offer, recipe, [], plan, notes=offer.warnings() + _to_download(recipe), problem=problem)


def _on_documents(folder: Path, offer: Offer, users: list[str], store: Store) -> PlannedRun:
    """What a run on documents in the studio will be."""
    report = LoadReport()
    data = own_data(store, users, report)
    learned = add_feedback(data, store, users)
    settings: dict[str, object] = {"data": [{"format": "jsonl", "path": str(folder / DATA_FOLDER)}]}
    notes = [f"left out: {_documents(count)}: {reason}" for reason, count in report.skipped.most_common()]
    if learned:
        notes.append(f"among the texts to train on: {learned:,} that {'was' if learned == 1 else 'were'} kept in Write")
    if report.kept < FEW:
        notes.append(
            f"{_documents(report.kept)} are few: from fewer than {FEW} a model learns little of a manner, and the "
            "method rag, which only reads them, may write as well"
        )
    problem = None
    if offer.name == OWN:
        tokenizer = load_tokenizer(load_recipe(offer.recipe).generator.model)
        lengths = lengths_of(data, lambda text: len(tokenizer(text)["input_ids"]))
        settings |= fitted_settings(lengths)
        too_long = sum(length >= LONGEST for length in lengths) / len(lengths)
        told = f"longer than this model learns to write ({LONGEST} tokens, some {LONGEST * 3 // 4} words)"
        if too_long == 1:
            problem = f"all texts are {told}: expected some that are shorter"
        elif too_long > SHARE_TOLD:
            notes.append(f"{too_long:.0%} of the texts are {told}: it reads them, but learns to write from the others")
    given = [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    recipe = load_recipe(offer.recipe, given)
    plan = make_plan(recipe, _counts(data, recipe))
    problem = problem or _first_problem(lambda: check_engines(recipe), lambda: check_room(plan, folder))
    notes += offer.warnings(on_own=True) + _to_download(recipe)
    return PlannedRun(offer, recipe, given, plan, data, len(users), report.kept, notes, problem)


def begin(request: RunRequest, store: Store, runs: Path) -> Path:
    """Begin a run; returns its folder. Raises UserError where it cannot be begun."""
    run = planned(request, store, runs)
    if run.problem:
        raise UserError(run.problem)
    folder = request.folder(runs)
    try:
        runs.mkdir(parents=True, exist_ok=True)
        folder.mkdir(0o700)  # it has texts in the clear
    except FileExistsError:  # two that came at once are not both the first
        raise UserError(f"name: there is a run called {request.name} already, expected another name") from None
    if run.data is not None:
        run.data.write(folder / DATA_FOLDER)
    settings = [part for setting in run.settings for part in ("--set", setting)]
    processes.start(folder, ["train", run.offer.recipe, *settings, "--run", str(folder)], run.users)
    return folder


def _documents(count: int) -> str:
    return f"{count:,} document{'' if count == 1 else 's'}"


def _counts(data: DataSet, recipe: Recipe) -> Counts:
    limits: dict[Split, int | None] = {"train": recipe.limit.train, "val": recipe.limit.val, "test": recipe.limit.test}
    found: dict[Split, int | None] = {}
    for split in limits:
        count, limit = len(data.examples[split]), limits[split]
        found[split] = count if limit is None else min(count, limit)
    return found


def _to_download(recipe: Recipe) -> list[str]:
    """The models that a run downloads first, each in a line."""
    notes = []
    for model in dict.fromkeys(e.model for e in recipe.engines_in_use().values() if e.kind != "openai"):
        try:
            locate_model(model)
        except ModelNotHere:
            said = "is not on this machine: the run downloads it first, as this command does: hf download"
            notes.append(f"the model {model} {said} {model}")
        except UserError:  # what a path lacks is a problem, not a note
            continue
    return notes


def _first_problem(*checks: Callable[[], object]) -> str | None:
    """What the first of the checks that fails says; that a model is to be downloaded is no problem."""
    for check in checks:
        try:
            check()
        except ModelNotHere:
            continue
        except UserError as error:
            return str(error)
    return None
